"""KL(q || p) between posterior and prior, nats: in closed form where TFP has one, else estimated from samples."""

import functools
import logging

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["kl_divergence", "kl_of_units"]

log = logging.getLogger(__name__)


def kl_divergence(posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Give KL(q || p) `[B]`, nats: TFP's closed form where there is one, else the mean over samples of log q - log p.

    Args:
        posterior, prior: q, batch `[B]`; p, batch `[]` or `[B]`.
        z: samples of q `[S, B, n]`.
        log_q: their log q `[S, B]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        _say_estimated(type(posterior).__name__, type(prior).__name__)
        return tf.reduce_mean(log_q - prior.log_prob(z), axis=0)


def kl_of_units(posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Give KL(q || p) of each of n independent units `[B, n]`, where both are of such, else of all together `[B, 1]`.

    Args:
        posterior, prior, z, log_q: as for `kl_divergence`.
    """
    units, prior_units = distributions.units_of(posterior), distributions.units_of(prior)
    if units is not None and prior_units is not None:
        return tfd.kl_divergence(units, prior_units)
    return kl_divergence(posterior, prior, z, log_q)[:, None]


@functools.cache  # once for each pair is enough
def _say_estimated(posterior: str, prior: str) -> None:
    log.info("no closed KL(%s || %s): it is estimated from the samples of z", posterior, prior)
