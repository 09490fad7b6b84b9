"""What objectives have in common: their terms, their call, and the KL between posterior and prior."""

import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.objectives.given import Given

__all__ = [
    "Objective",
    "Schedule",
    "Terms",
    "independent_units",
    "kl_divergence",
    "kl_of_parts",
    "log_mean_exp",
    "register",
    "weigh",
]

register = keras.saving.register_keras_serializable("tfvae")
log = logging.getLogger(__name__)


class Terms(NamedTuple):
    """What an objective gives, each `[B]`, in nats."""

    loss: tf.Tensor  # minimised
    reconstruction: tf.Tensor  # E_q[log p(x|z)]
    kl: tf.Tensor  # KL(q(z|x) || p(z))

    @property
    def elbo(self) -> tf.Tensor:
        """reconstruction - kl `[B]`: a lower bound of log p(x), whatever weights the loss gives its terms."""
        return self.reconstruction - self.kl


class Schedule(NamedTuple):
    """A number of an objective that changes while it trains: what it is, and a function of the optimizer's step."""

    label: str
    value: Callable[[Any], Any]


class Objective:
    """Base of the objectives: frozen dataclasses with a call.

    The call takes one `Given`, a batch and its distributions, and returns `Terms`. Where a batch is spread over
    replicas, B is the number of examples on one of them, and the mean loss of each replica is minimised: an objective
    that looks at the whole batch gathers it (`tfvae.replicas`).
    """

    whole_batch = False  # whether it gathers the batch over replicas

    @property
    def monitor(self) -> str:
        """Which of elbo and reconstruction chooses the best epoch; bigger is better."""
        return "elbo"

    @property
    def schedule(self) -> Schedule | None:
        """The number that changes with the step, for figures; None where there is none."""
        return None

    def __call__(self, given: Given) -> Terms:
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def get_config(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]  # each one is a dataclass

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


def kl_divergence(posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """KL(q || p) `[B]`, nats: TFP's closed form where there is one, else the mean over samples of log q - log p.

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


def kl_of_parts(posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """KL(q || p) of each of n independent units `[B, n]`, where both distributions are of such, else of all `[B, 1]`.

    Args:
        posterior, prior, z, log_q: as for `kl_divergence`.
    """
    units, prior_units = distributions.units_of(posterior), distributions.units_of(prior)
    if units is not None and prior_units is not None:
        return tfd.kl_divergence(units, prior_units)
    return kl_divergence(posterior, prior, z, log_q)[:, None]


@functools.cache  # once is enough
def _say_estimated(posterior, prior):
    log.info("no closed KL(%s || %s): it is estimated from the samples of z", posterior, prior)


def weigh(weight: Any, term: tf.Tensor) -> Any:
    """weight * term; 0 where the weight is the number 0, as the KL of a point is infinite."""
    return 0.0 if isinstance(weight, (int, float)) and not weight else weight * term


def log_mean_exp(values: tf.Tensor, axis: int) -> tf.Tensor:
    """log of the mean of exp(values) along one axis; TFP's own fails on a replica that has no examples."""
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)


def independent_units(*latents) -> list[tfd.Distribution]:
    """Each distribution over latents `[n]` as n of one number each: normals, batch `[..., n]`, event `[]`.

    Raises:
        ValueError: when one is not known to have independent units; it names the distributions.
    """
    units = [distributions.units_of(distribution) for distribution in latents]
    if None in units:
        names = " and ".join(type(distribution).__name__ for distribution in latents)
        raise ValueError(
            f"latent units are measured one by one here, which {names} cannot give: "
            "take the posterior DiagonalNormal with the prior StandardNormal"
        )
    return units
