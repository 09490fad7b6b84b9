"""Objectives: functions of distributions, in nats per example; they never see a network."""

import dataclasses
import logging
import math
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["ELBO", "IWAE"]

register = keras.saving.register_keras_serializable("tfvae")
log = logging.getLogger(__name__)


class Terms(NamedTuple):
    """What an objective gives, each `[B]`, in nats."""

    loss: tf.Tensor  # minimised
    reconstruction: tf.Tensor  # E_q[log p(x|z)]
    kl: tf.Tensor  # KL(q(z|x) || p(z))

    @property
    def elbo(self):
        """reconstruction - kl `[B]`: a lower bound of log p(x), whatever weights the loss gives its terms."""
        return self.reconstruction - self.kl


class Objective:
    """Base of the objectives: frozen dataclasses with a call.

    Call arguments: x `[B, *event]`; posterior, batch `[B]`; prior, batch `[]`; decode, z `[S, B, n]` -> p(x|z) with
    batch `[S, B]`; step, the optimizer's step, integer scalar; seed int32 `[2]`. Returns `Terms`.
    """

    monitor = "elbo"

    def __call__(self, x, posterior, prior, decode, step, seed):
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def get_config(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def kl_divergence(posterior, prior, z):
    """KL(q || p) `[B]`, nats: TFP's closed form where there is one, else the mean over the samples z `[S, B, n]`."""
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        names = type(posterior).__name__, type(prior).__name__
        log.info("no closed KL(%s || %s): it is estimated from the samples of z", *names)
        return tf.reduce_mean(posterior.log_prob(z) - prior.log_prob(z), axis=0)


@register
@dataclass(frozen=True)
class ELBO(Objective):
    """loss = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)), with `samples` draws of z.

    Kingma and Welling 2013, arXiv:1312.6114; beta: Higgins et al. 2017, "beta-VAE"; warm-up: Bowman et al. 2015,
    arXiv:1511.06349.

    Args:
        beta: weight of the KL in the loss, at least 0. The reported `elbo` never contains it.
        warmup_steps: steps of the optimizer over which the KL's weight rises linearly from 0 to beta.
        samples: draws of z per example, at least 1.
    """

    beta: float = 1.0
    warmup_steps: int = 0
    samples: int = 1

    def __post_init__(self):
        if self.beta < 0 or self.warmup_steps < 0 or self.samples < 1:
            raise ValueError(f"beta and warmup_steps must be 0 or more, samples 1 or more: {self}")

    def __call__(self, x, posterior, prior, decode, step, seed):
        z = posterior.sample(self.samples, seed=seed)  # [S, B, n]
        reconstruction = tf.reduce_mean(decode(z).log_prob(x), axis=0)  # [B]
        kl = kl_divergence(posterior, prior, z)  # [B]
        return Terms(self.weight(step) * kl - reconstruction, reconstruction, kl)

    def weight(self, step):
        """The KL's weight at this step: beta, after the warm-up."""
        if not self.warmup_steps:
            return self.beta
        return self.beta * tf.minimum(1.0, tf.cast(step, tf.float32) / self.warmup_steps)


@register
@dataclass(frozen=True)
class IWAE(Objective):
    """loss = -E log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x), z_s ~ q(z|x): minus a bound that tightens as S grows.

    The reported `elbo` stays the ELBO, with the same samples, and lies below the bound.
    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519.

    Args:
        samples: S, at least 1; with 1 it is the ELBO, its KL estimated.
    """

    samples: int = 5

    def __post_init__(self):
        if self.samples < 1:
            raise ValueError(f"samples must be 1 or more: {self}")

    def __call__(self, x, posterior, prior, decode, step, seed):
        z = posterior.sample(self.samples, seed=seed)  # [S, B, n]
        log_likelihood = decode(z).log_prob(x)  # [S, B]
        log_weight = log_likelihood + prior.log_prob(z) - posterior.log_prob(z)  # [S, B]
        bound = tf.reduce_logsumexp(log_weight, axis=0) - math.log(self.samples)  # [B]
        return Terms(-bound, tf.reduce_mean(log_likelihood, axis=0), kl_divergence(posterior, prior, z))
