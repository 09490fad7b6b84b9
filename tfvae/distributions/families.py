"""Families of distributions that TFP has not, or has with noise of its own: here samples follow `tfvae.random`."""

import contextlib
import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random
from tfvae.distributions.drawn import Drawn, open_uniform, picked, rows_alike

__all__ = [
    "Ancestral",
    "Flow",
    "Mixture",
    "MixtureOfNormals",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "Point",
    "PowerSpherical",
    "SphericalUniform",
    "mix",
]

MOMENT_DRAWS = 100  # for means and standard deviations that have no closed form


class _FromNoise(Drawn):
    """Makes a TFP distribution that is a bijector of standard normal noise draw that noise from `tfvae.random`."""

    def _drawn(self, sample_shape, seed):
        return self.bijector.forward(random.normal(self._shape_of(sample_shape), seed))


class MultivariateNormalDiag(_FromNoise, tfp.distributions.MultivariateNormalDiag):
    """TFP's normal with independent components; its samples follow the rules of `tfvae.random`."""

    def units(self):
        """Its components one by one: `tfd.Normal`, batch `[..., n]`, event `[]`."""
        return tfp.distributions.Normal(self.mean(), self.stddev())


class Mixture(Drawn, tfp.distributions.MixtureSameFamily):
    """TFP's mixture; its samples follow the rules of `tfvae.random`, and only what they are of is drawn.

    Args:
        mixture_distribution: over the K components, batch `[]`.
        components_distribution: batch `[K]`, event `[n]`.
        chosen: function, indices of components int32 `[N]` -> their distribution, batch `[N]`.
    """

    def __init__(self, mixture_distribution, components_distribution, chosen):
        parameters = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__(mixture_distribution, components_distribution)
        self._parameters, self.chosen = parameters, chosen

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return super()._parameter_properties(dtype, num_classes)  # TFP warns of classes that do not say so

    def _drawn(self, sample_shape, seed):
        rows = tf.reduce_prod(sample_shape[-1:])  # 1 of the shape []
        lead = sample_shape.shape[0] - 1
        if lead < 1:
            return tf.reshape(self._rows(rows, seed), self._shape_of(sample_shape))
        count = tf.reduce_prod(sample_shape[:-1])
        of_each = tf.map_fn(
            lambda i: self._rows(rows, random.fold(seed, i)),
            tf.range(2, count + 2),  # 0 and 1 are taken
            fn_output_signature=tf.TensorSpec([None, *self.event_shape], tf.float32),
        )
        return tf.reshape(of_each, self._shape_of(sample_shape))

    def _rows(self, count, seed):  # [count, n]
        level = open_uniform([count, 1], random.fold(seed, 0))[:, 0]
        which = picked(level, self.mixture_distribution.logits_parameter())
        return self.chosen(which).sample(seed=random.fold(seed, 1))


class MixtureOfNormals(Mixture):
    """TFP's mixture, of `MultivariateNormalDiag` with batch `[K]`.

    Its log_prob takes products of matrices, where TFP's takes the difference of each z and each mean: a third of the
    time in training, for 100 z and 500 components of 50 units. They are float64, as their terms nearly cancel where
    scales are small.
    """

    def __init__(self, mixture_distribution, components_distribution):
        def chosen(indices):
            parts = components_distribution.mean(), components_distribution.stddev()
            return MultivariateNormalDiag(*(tf.gather(part, indices) for part in parts))

        super().__init__(mixture_distribution, components_distribution, chosen)
        self._parameters.pop("chosen")

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return super()._parameter_properties(dtype, num_classes)

    def _log_prob(self, z):
        flat = tf.cast(tf.reshape(z, [-1, z.shape[-1]]), tf.float64)  # [B, n]
        normals = self.components_distribution
        loc, scale = (tf.cast(t, tf.float64) for t in (normals.mean(), normals.stddev()))  # [K, n]
        precision = scale**-2
        squares = (
            tf.matmul(flat**2, precision, transpose_b=True)
            - 2.0 * tf.matmul(flat, loc * precision, transpose_b=True)
            + tf.reduce_sum(loc**2 * precision, axis=-1)
        )  # [B, K]
        constant = tf.reduce_sum(tf.math.log(scale), axis=-1) + 0.5 * loc.shape[-1] * math.log(2.0 * math.pi)  # [K]
        log_weight = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        of_each = tf.cast(-0.5 * squares - constant, tf.float32) + log_weight
        return tf.reshape(tf.reduce_logsumexp(of_each, axis=-1), tf.shape(z)[:-1])


def mix(weights, components, chosen):
    """Give the mixture of the batch `[K]` of `components`, in closed form where they are independent normals.

    Args:
        weights: distribution over K classes.
        components: batch `[K]`, event `[n]`.
        chosen: function, as for `Mixture`.
    """
    if isinstance(components, MultivariateNormalDiag):
        return MixtureOfNormals(weights, components)
    return Mixture(weights, components, chosen)


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


class _EstimatedMoments:
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

    def __init__(self, first, following, sizes, turned=False):
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

    def means(self):
        """The mean of z_1, that of z_2 given it, and so on: a point `[..., n]` where a cheap one will do."""
        z = [self.first.mean()]
        for following in self.following:
            z.append(following(z[-1]).mean())
        return self._joined(z)

    def _joined(self, z):
        return tf.concat(z[::-1] if self.turned else z, axis=-1)
