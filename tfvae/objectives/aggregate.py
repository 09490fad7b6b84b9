"""Objectives that look at the latents of the whole batch together: the aggregate posterior, the mean of q(z|x) over x.

Where the batch is spread over replicas they gather it, so they measure what one device would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import distributions, random, replicas
from tfvae.objectives.base import Objective, Terms, log_mean_exp, register, weigh
from tfvae.objectives.given import Given

__all__ = ["DIP", "MMD", "BetaTC"]


@register
@dataclass(frozen=True)
class BetaTC(Objective):
    """loss = -log p(x|z) + alpha I(x; z) + beta TC(z) + gamma sum_j KL(q(z_j) || p(z_j)), with one draw of z.

    The KL in three parts (Chen et al. 2018, arXiv:1802.04942), by the aggregate posterior q(z) = 1/M sum_m q(z|x_m)
    over the batch of M examples: mutual information log q(z|x) - log q(z), total correlation log q(z) - sum_j log
    q(z_j), and the units' own distance sum_j log q(z_j) - log p(z). Minibatch-weighted sampling divides by the number
    of the data, too; that only adds a constant to each part, without gradient, and is left out here. With
    alpha = beta = gamma = 1 the loss is the ELBO's, its KL estimated. For posteriors of independent normal units.

    Args:
        beta: weight of the total correlation, at least 0.
        alpha: weight of the mutual information, at least 0.
        gamma: weight of the units' own KL, at least 0.
    """

    whole_batch = True
    beta: float
    alpha: float = 1.0
    gamma: float = 1.0

    def __post_init__(self):
        if self.alpha < 0 or self.beta < 0 or self.gamma < 0:
            raise ValueError(f"alpha, beta and gamma must be 0 or more: {self}")

    def __call__(self, given: Given) -> Terms:
        (units,) = distributions.independent_units(given.posterior)
        everyone = tfd.Normal(replicas.gather(units.loc), replicas.gather(units.scale))  # batch [M, n]
        z, log_q = given.draw(1)  # [1, B, n], [1, B]
        reconstruction = given.log_likelihood(z)[0]  # [B]

        each = everyone.log_prob(z[0][:, None])  # [B, M, n]: log q(z_bj | x_m)
        log_aggregate = log_mean_exp(tf.reduce_sum(each, axis=-1), axis=1)  # [B]
        log_units = tf.reduce_sum(log_mean_exp(each, axis=1), axis=-1)  # [B]
        information = log_q[0] - log_aggregate
        correlation = log_aggregate - log_units
        distance = log_units - given.prior.log_prob(z)[0]
        loss = self.alpha * information + self.beta * correlation + self.gamma * distance - reconstruction
        return Terms(loss, reconstruction, given.kl(z, log_q))


@register
@dataclass(frozen=True)
class DIP(Objective):
    """loss = -ELBO + off_diagonal sum_{i != j} C_ij^2 + diagonal sum_i (C_ii - 1)^2, with one draw of z.

    C `[n, n]` is a covariance over the batch: that of the posteriors' means (DIP-VAE-I), or that of the aggregate
    posterior, which adds the mean of their variances (DIP-VAE-II). It is pressed towards the identity.
    Kumar, Sattigeri and Balakrishnan 2017, arXiv:1711.00848.

    Args:
        off_diagonal: weight of the covariances' squares, at least 0.
        diagonal: weight of the variances' squared distance from 1, at least 0.
        aggregate: whether C is that of the aggregate posterior.
    """

    whole_batch = True
    off_diagonal: float
    diagonal: float
    aggregate: bool = False

    def __post_init__(self):
        if self.off_diagonal < 0 or self.diagonal < 0:
            raise ValueError(f"off_diagonal and diagonal must be 0 or more: {self}")

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(1)  # [1, B, n], [1, B]
        reconstruction = given.log_likelihood(z)[0]  # [B]
        kl = given.kl(z, log_q)  # [B]
        covariance = tfp.stats.covariance(replicas.gather(given.posterior.mean()))  # [n, n]
        if self.aggregate:
            covariance += tf.linalg.diag(tf.reduce_mean(replicas.gather(given.posterior.variance()), axis=0))
        variance = tf.linalg.diag_part(covariance)  # [n]
        penalty = self.off_diagonal * tf.reduce_sum((covariance - tf.linalg.diag(variance)) ** 2)
        penalty += self.diagonal * tf.reduce_sum((variance - 1) ** 2)
        return Terms(kl - reconstruction + penalty, reconstruction, kl)


@register
@dataclass(frozen=True)
class MMD(Objective):
    """loss = -log p(x|z) + kl KL(q(z|x) || p(z)) + weight MMD^2(q(z), p(z)), with one draw of z.

    The maximum mean discrepancy between the aggregate posterior and the prior, by the unbiased estimate over the batch
    of M examples' z and as many draws z' of the prior (Gretton et al. 2012, "A kernel two-sample test"):
    mean_{i != j} k(z_i, z_j) + mean_{i != j} k(z'_i, z'_j) - 2 mean_ij k(z_i, z'_j). It takes 2 examples or more, and
    may be below 0. The kernels are inverse multiquadratics, k(a, b) = sum_s C_s / (C_s + |a - b|^2), C_s = 2 n s.

    With kl = 0 it is the Wasserstein autoencoder: Tolstikhin et al. 2017, arXiv:1711.01558. With kl = 1 - alpha and
    weight = alpha + lambda - 1 it is InfoVAE: Zhao, Song and Ermon 2017, arXiv:1706.02262.

    Args:
        weight: weight of the discrepancy, at least 0.
        kl: weight of the KL, at least 0; with 0 it is not in the loss at all.
        scales: s of the kernels, above 0; 1 fits a standard normal prior.
    """

    whole_batch = True
    weight: float
    kl: float = 0.0
    scales: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    def __post_init__(self):
        object.__setattr__(self, "scales", tuple(self.scales))  # a config has a list; frozen, it must have a hash
        if self.weight < 0 or self.kl < 0:
            raise ValueError(f"weight and kl must be 0 or more: {self}")
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"scales must be one or more numbers above 0: {self}")

    @property
    def monitor(self) -> str:
        return "elbo" if self.kl else "reconstruction"

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(1)  # [1, B, n], [1, B]
        reconstruction = given.log_likelihood(z)[0]  # [B]
        kl = given.kl(z, log_q)  # [B]
        draws = tf.shape(z)[1:2] if given.prior.batch_shape.rank == 0 else []  # one for each example
        other = given.prior.sample(draws, seed=random.fold(given.seed, 1))  # [B, n]
        discrepancy = self.discrepancy(replicas.gather(z[0]), replicas.gather(other))
        return Terms(weigh(self.kl, kl) + self.weight * discrepancy - reconstruction, reconstruction, kl)

    def discrepancy(self, one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        """Estimate MMD^2 between the distributions of two samples `[M, n]` without bias: scalar."""
        count = tf.cast(tf.shape(one)[0], tf.float32)
        pairs = tf.maximum(count * (count - 1), 1.0)  # of different members; one alone has none

        def within(points):
            kernel = self.kernel(points, points)
            return (tf.reduce_sum(kernel) - tf.linalg.trace(kernel)) / pairs

        return within(one) + within(other) - 2 * tf.reduce_mean(self.kernel(one, other))

    def kernel(self, one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        """Give the kernel of each pair, `[M, n]` and `[N, n]` -> `[M, N]`."""
        squares = tf.reduce_sum(one**2, axis=-1)[:, None] + tf.reduce_sum(other**2, axis=-1)
        distance = tf.maximum(squares - 2 * tf.matmul(one, other, transpose_b=True), 0.0)  # rounding may go below
        size = tf.cast(tf.shape(one)[-1], tf.float32)  # n; what is gathered has no static shape
        scales = [2 * size * scale for scale in self.scales]
        return tf.add_n([scale / (scale + distance) for scale in scales])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scales": list(self.scales)}
