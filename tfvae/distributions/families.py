"""Distributions over vectors that TFP lacks, or re-implemented so that their samples follow `tfvae.random`."""

import contextlib
import math
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import Drawn, _Base, rows_alike

__all__ = [
    "Ancestral",
    "Flow",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "Point",
    "PowerSpherical",
    "SphericalUniform",
]

MOMENT_DRAWS = 100  # for means and standard deviations that have no closed form


class _FromNoise(Drawn):
    """Makes a TFP distribution that is a bijector of standard normal noise draw that noise from `tfvae.random`."""

    def _drawn(self, sample_shape, seed):
        return self.bijector.forward(random.normal(self._shape_of(sample_shape), seed))


class MultivariateNormalDiag(_FromNoise, tfp.distributions.MultivariateNormalDiag):
    """TFP's normal with independent components; its samples follow the rules of `tfvae.random`."""

    def units(self) -> tfd.Distribution:
        """Its components one by one: `tfd.Normal`, batch `[..., n]`, event `[]`."""
        return tfp.distributions.Normal(self.mean(), self.stddev())


class MultivariateNormalTriL(_FromNoise, tfp.distributions.MultivariateNormalTriL):
    """TFP's normal with a triangular scale; its samples follow the rules of `tfvae.random`."""


class Point(tfp.distributions.VectorDeterministic):
    """All probability at one point `[..., n]`: its density there is infinite, and zero elsewhere."""

    def _log_prob(self, z):
        return tf.where(tf.reduce_all(z == self.loc, axis=-1), math.inf, -math.inf)

    def _sample_and_log_prob(self, sample_shape, seed, **kwargs):
        z = self.sample(sample_shape, seed=seed, **kwargs)
        return z, tf.fill(tf.shape(z)[:-1], math.inf)


@tfp.distributions.RegisterKL(Point, tfp.distributions.Distribution)
def _kl_of_a_point(point, other, name=None):
    """Infinite. TFP's own, for its parent, is that of a mass: with it an autoencoder's ELBO would look like a bound."""
    return tf.fill(tf.shape(point.loc)[:-1], math.inf)


class SphericalUniform(Drawn, tfp.distributions.SphericalUniform):
    """TFP's uniform distribution on the unit sphere; its samples follow the rules of `tfvae.random`."""

    def _drawn(self, sample_shape, seed):
        return tf.math.l2_normalize(random.normal(self._shape_of(sample_shape), seed), axis=-1)


class PowerSpherical(Drawn, tfp.distributions.PowerSpherical):
    """TFP's power spherical distribution; its samples follow the rules of `tfvae.random`.

    The part of a sample along the mean direction is a quantile of a beta distribution, the rest is uniform
    (De Cao and Aziz 2020, arXiv:2006.04437).
    """

    def _drawn(self, sample_shape, seed):
        shape = self._shape_of(sample_shape)
        half = 0.5 * (self.event_shape[-1] - 1.0)
        beta = tfp.distributions.Beta(half + self.concentration, half)
        level = random.uniform(tf.concat([shape[:-1], [1]], axis=0), random.fold(seed, 0))[..., 0]
        share = tf.clip_by_value(beta.quantile(tf.clip_by_value(level, 1e-6, 1 - 1e-6)), 1e-6, 1 - 1e-6)
        across = random.normal(tf.concat([shape[:-1], shape[-1:] - 1], axis=0), random.fold(seed, 1))
        across = 2.0 * tf.sqrt(share * (1.0 - share))[..., None] * tf.math.l2_normalize(across, axis=-1)
        drawn = tf.concat([2.0 * share[..., None] - 1.0, across], axis=-1)  # about the first axis
        axis = tf.one_hot(0, self.event_shape[-1]) - self.mean_direction
        mirror = tf.math.l2_normalize(axis, axis=-1)  # of the reflection that takes the first axis to the mean
        return drawn - 2.0 * tf.reduce_sum(drawn * mirror, axis=-1, keepdims=True) * mirror

    def _variance(self):
        return tf.linalg.diag_part(self.covariance())


class _EstimatedMoments(_Base):
    """Mean and standard deviation over `MOMENT_DRAWS` draws of a fixed seed, for a distribution with no closed ones.

    All rows of a batch have the same noise, so that an example has the same moments in any batch, on any replica.
    """

    def _moment_draws(self):
        with rows_alike() if self.batch_shape.rank else contextlib.nullcontext():
            return self.sample(MOMENT_DRAWS, seed=random.seed(0, random.Stream.SAMPLING))

    def _mean(self):
        return tf.reduce_mean(self._moment_draws(), axis=0)

    def _variance(self):
        return tf.math.reduce_variance(self._moment_draws(), axis=0)

    def _stddev(self):
        return tf.sqrt(self._variance())


class Flow(_EstimatedMoments, tfp.distributions.TransformedDistribution):
    """TFP's distribution of bijector(z0), z0 from a base distribution; its moments are estimated."""


class Ancestral(_EstimatedMoments, Drawn, tfp.distributions.Distribution):
    """p(z_1) p(z_2|z_1) ... p(z_L|z_L-1) over the vector z = [z_1, ..., z_L], or, turned around, [z_L, ..., z_1].

    Args:
        first: p(z_1), batch `[...]`, event `[n_1]`.
        following: functions z_l `[..., n_l]` -> distribution of z_l+1, batch `[...]`.
        sizes: n_1, ..., n_L.
        turned: whether z holds the last drawn first.
    """

    def __init__(
        self,
        first: tfd.Distribution,
        following: Sequence[Callable[[tf.Tensor], tfd.Distribution]],
        sizes: Sequence[int],
        turned: bool = False,
    ):
        parameters = dict(locals())
        self.first, self.following, self.sizes, self.turned = first, following, sizes, turned
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfp.distributions.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="Ancestral",
        )

    def _batch_shape(self):
        return self.first.batch_shape

    def _batch_shape_tensor(self):
        return self.first.batch_shape_tensor()

    def _event_shape(self):
        return tf.TensorShape([sum(self.sizes)])

    def _event_shape_tensor(self):
        return tf.constant([sum(self.sizes)])

    def _drawn(self, sample_shape, seed):
        z = [self.first.sample(sample_shape, seed=random.fold(seed, 0))]
        for i, following in enumerate(self.following):
            z.append(following(z[-1]).sample(seed=random.fold(seed, i + 1)))
        return self._joined(z)

    def _log_prob(self, z):
        sizes = self.sizes[::-1] if self.turned else self.sizes
        parts = tf.split(z, sizes, axis=-1)
        parts = parts[::-1] if self.turned else parts
        terms = [f(before).log_prob(part) for f, before, part in zip(self.following, parts, parts[1:], strict=False)]
        return tf.add_n([self.first.log_prob(parts[0]), *terms])

    def means(self) -> tf.Tensor:
        """The mean of z_1, that of z_2 given it, and so on: a point `[..., n]` where a cheap one will do."""
        z = [self.first.mean()]
        for following in self.following:
            z.append(following(z[-1]).mean())
        return self._joined(z)

    def _joined(self, z):
        return tf.concat(z[::-1] if self.turned else z, axis=-1)
