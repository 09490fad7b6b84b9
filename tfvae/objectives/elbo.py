"""Reconstruction and KL of each example, weighed one way or another."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfvae import replicas
from tfvae.objectives.base import Objective, Schedule, Terms, register, weigh
from tfvae.objectives.given import Given

__all__ = ["ELBO", "Capacity", "FreeBits", "Reconstruction"]


@register
@dataclass(frozen=True)
class ELBO(Objective):
    """loss = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)), with `samples` draws of z.

    Kingma and Welling 2013, arXiv:1312.6114; beta: Higgins et al. 2017, "beta-VAE"; warm-up: Bowman et al. 2015,
    arXiv:1511.06349; in cycles: Fu et al. 2019, arXiv:1903.10145.

    Args:
        beta: weight of the KL in the loss, at least 0; with 0 it is not in the loss at all. The reported `elbo` never
            contains it.
        warmup_steps: steps of the optimizer over which the KL's weight rises linearly from 0 to beta.
        cycle_steps: the warm-up begins anew every so many steps, at least `warmup_steps`; 0: it does not.
        samples: draws of z per example, at least 1.
    """

    beta: float = 1.0
    warmup_steps: int = 0
    cycle_steps: int = 0
    samples: int = 1

    def __post_init__(self):
        if self.beta < 0 or self.warmup_steps < 0 or self.samples < 1:
            raise ValueError(f"beta and warmup_steps must be 0 or more, samples 1 or more: {self}")
        if self.cycle_steps < 0 or 0 < self.cycle_steps < self.warmup_steps:
            raise ValueError(f"cycle_steps must be 0, or warmup_steps or more: {self}")

    @property
    def monitor(self) -> str:
        return "elbo" if self.beta else "reconstruction"  # a KL that nothing holds says nothing of the model

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(self.samples)  # [S, B, n], [S, B]
        reconstruction = tf.reduce_mean(given.log_likelihood(z), axis=0)  # [B]
        kl = given.kl(z, log_q)  # [B]
        return Terms(weigh(self.weight(given.step), kl) - reconstruction, reconstruction, kl)

    @property
    def schedule(self) -> Schedule | None:
        return Schedule("beta, weight of the KL", self.weight) if self.warmup_steps else None

    def weight(self, step: Any) -> Any:
        """Give the KL's weight at this step: beta, after the warm-up."""
        if not self.warmup_steps or not self.beta:
            return self.beta
        step = tf.convert_to_tensor(step)
        if self.cycle_steps:
            step %= self.cycle_steps
        return self.beta * tf.minimum(1.0, tf.cast(step, tf.float32) / self.warmup_steps)


@register
@dataclass(frozen=True)
class FreeBits(Objective):
    """loss = -E_q[log p(x|z)] + sum_j max(nats, mean_b KL_bj): a latent unit j may cost `nats` for nothing.

    KL_bj is that of unit j for example b, its mean that over the whole batch: so a unit is free or not for all examples
    together, and no unit is pressed to carry nothing. Where posterior or prior is not of independent normal units, as
    flows and mixtures are not, the whole KL is free or not: sum_j becomes max(n nats, mean_b KL_b), of n latents.
    Kingma et al. 2016, arXiv:1606.04934, who have it for groups of latents.

    Args:
        nats: what is free for each latent, at least 0.
        samples: draws of z per example, at least 1.
    """

    whole_batch = True
    nats: float = 0.5
    samples: int = 1

    def __post_init__(self):
        if self.nats < 0 or self.samples < 1:
            raise ValueError(f"nats must be 0 or more, samples 1 or more: {self}")

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(self.samples)  # [S, B, n], [S, B]
        kl = given.kl_of_units(z, log_q)  # [B, n], or [B, 1]
        free = self.nats * (z.shape[-1] // kl.shape[-1])
        costs = tf.reduce_mean(replicas.gather(kl), axis=0) > free  # [n]
        charged = tf.where(costs, kl, free)  # [B, n]; its mean over the batch is max(nats, mean_b KL_bj)
        reconstruction = tf.reduce_mean(given.log_likelihood(z), axis=0)  # [B]
        return Terms(tf.reduce_sum(charged, axis=-1) - reconstruction, reconstruction, tf.reduce_sum(kl, axis=-1))


@register
@dataclass(frozen=True)
class Capacity(Objective):
    """loss = -E_q[log p(x|z)] + gamma |KL(q(z|x) || p(z)) - C|, where C rises linearly from 0 to `nats`.

    Burgess et al. 2018, arXiv:1804.03599.

    Args:
        nats: C in the end, at least 0.
        steps: steps of the optimizer over which C rises; 0: it is `nats` from the start.
        gamma: weight of the distance between KL and C, at least 0.
        samples: draws of z per example, at least 1.
    """

    nats: float = 25.0
    steps: int = 100_000
    gamma: float = 1000.0
    samples: int = 1

    def __post_init__(self):
        if self.nats < 0 or self.steps < 0 or self.gamma < 0 or self.samples < 1:
            raise ValueError(f"nats, steps and gamma must be 0 or more, samples 1 or more: {self}")

    @property
    def monitor(self) -> str:
        return "elbo" if self.gamma else "reconstruction"

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(self.samples)  # [S, B, n], [S, B]
        reconstruction = tf.reduce_mean(given.log_likelihood(z), axis=0)  # [B]
        kl = given.kl(z, log_q)  # [B]
        return Terms(weigh(self.gamma, tf.abs(kl - self.capacity(given.step))) - reconstruction, reconstruction, kl)

    @property
    def schedule(self) -> Schedule | None:
        return Schedule("capacity C, nats", self.capacity) if self.steps else None

    def capacity(self, step: Any) -> Any:
        """Give C at this step, nats."""
        if not self.steps:
            return self.nats
        return self.nats * tf.minimum(1.0, tf.cast(step, tf.float32) / self.steps)


@register
@dataclass(frozen=True)
class Reconstruction(Objective):
    """loss = -log p(x|z) + l2 / 2 |z|^2, with one draw of z: a plain autoencoder, where the posterior is a point.

    With l2 > 0, and weight decay in the optimizer, it is the regularised autoencoder RAE-L2: Ghosh et al. 2019,
    arXiv:1903.12436. The KL is reported, and not in the loss.

    Args:
        l2: weight of half the latents' squared length, at least 0.
    """

    l2: float = 0.0

    def __post_init__(self):
        if self.l2 < 0:
            raise ValueError(f"l2 must be 0 or more: {self}")

    @property
    def monitor(self) -> str:
        return "reconstruction"

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(1)  # [1, B, n], [1, B]
        reconstruction = given.log_likelihood(z)[0]  # [B]
        penalty = weigh(self.l2 / 2, tf.reduce_sum(z[0] ** 2, axis=-1))  # [B]
        return Terms(penalty - reconstruction, reconstruction, given.kl(z, log_q))
