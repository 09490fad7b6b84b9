"""Families of distributions that TFP has not, or has with noise of its own: here samples follow `tfvae.random`."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random

__all__ = [
    "Ancestral",
    "Bernoulli",
    "Categorical",
    "Flow",
    "MixtureOfNormals",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "Point",
    "PowerSpherical",
    "SphericalUniform",
]

MOMENT_DRAWS = 100  # for means and standard deviations that have no closed form


class _FromNoise:
    """Makes a TFP distribution that is a bijector of standard normal noise draw that noise from `tfvae.random`."""

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        del kwargs  # the normal family takes none
        sample_shape = tf.reshape(tf.convert_to_tensor(sample_shape, tf.int32), [-1])
        shape = tf.concat([sample_shape, self.batch_shape_tensor(), self.event_shape_tensor()], axis=0)
        noise = random.normal(shape, tfp.random.sanitize_seed(seed))
        return self._set_sample_static_shape(self.bijector.forward(noise), sample_shape)

    def _sample_and_log_prob(self, sample_shape, seed, **kwargs):
        value = self._call_sample_n(sample_shape, seed, **kwargs)
        return value, self.log_prob(value)


class MultivariateNormalDiag(_FromNoise, tfp.distributions.MultivariateNormalDiag):
    """TFP's normal with independent components; its samples follow the rules of `tfvae.random`."""

    def units(self):
        """Its components one by one: `tfd.Normal`, batch `[..., n]`, event `[]`."""
        return tfp.distributions.Normal(self.mean(), self.stddev())


class MixtureOfNormals(tfp.distributions.MixtureSameFamily):
    """TFP's mixture, of `MultivariateNormalDiag` with batch `[K]`.

    Its log_prob takes products of matrices, where TFP's takes the difference of each z and each mean: a third of the
    time in training, for 100 z and 500 components of 50 units. They are float64, as their terms nearly cancel where
    scales are small.
    """

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


class MultivariateNormalTriL(_FromNoise, tfp.distributions.MultivariateNormalTriL):
    """TFP's normal with a triangular scale; its samples follow the rules of `tfvae.random`."""


class Bernoulli(tfp.distributions.Independent):
    """TFP's Bernoulli with independent components, float32, logits `[..., *event]`.

    Its log_prob goes along a flat event, as loops along small axes are slow, and takes a logarithm for each 16
    components, where TFP's takes two for each one; finite logits need no guard against products of 0 and infinity.
    """

    def __init__(self, logits, event_rank):
        super().__init__(tfp.distributions.Bernoulli(logits=logits, dtype=tf.float32), event_rank)

    def _log_prob(self, x):
        x, logits = (self._flat(tf.cast(t, tf.float32)) for t in (x, self.distribution.logits))
        return tf.reduce_sum(x * logits, axis=-1) - _sum_softplus(logits)

    def _flat(self, t):  # [..., *event] -> [..., m]
        return tf.reshape(t, tf.concat([tf.shape(t)[: t.shape.rank - self.event_shape.rank], [-1]], axis=0))


@tf.custom_gradient
def _sum_softplus(x):
    """Sum of log(1 + exp(x)) along the last axis, `[..., m] -> [...]`: logs of products of 16 factors from 1 to 2."""
    missing = -(x.shape[-1] or tf.shape(x)[-1]) % 16
    factors = tf.pad(1.0 + tf.exp(-tf.abs(x)), [[0, 0]] * (x.shape.rank - 1) + [[0, missing]], constant_values=1.0)
    products = tf.reduce_prod(tf.reshape(factors, tf.concat([tf.shape(x)[:-1], [-1, 16]], axis=0)), axis=-1)
    result = tf.reduce_sum(tf.maximum(x, 0.0), axis=-1) + tf.reduce_sum(tf.math.log(products), axis=-1)
    return result, lambda upstream: upstream[..., None] * tf.sigmoid(x)


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


class SphericalUniform(tfp.distributions.SphericalUniform):
    """TFP's uniform distribution on the unit sphere; its samples follow the rules of `tfvae.random`."""

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), self.event_shape_tensor()], axis=0)
        return tf.math.l2_normalize(random.normal(shape, tfp.random.sanitize_seed(seed)), axis=-1)


class PowerSpherical(tfp.distributions.PowerSpherical):
    """TFP's power spherical distribution; its samples follow the rules of `tfvae.random`.

    The part of a sample along the mean direction is a quantile of a beta distribution, the rest is uniform
    (De Cao and Aziz 2020, arXiv:2006.04437).
    """

    def _sample_n(self, n, seed=None):
        seed = tfp.random.sanitize_seed(seed)
        shape = tf.concat([[n], self.batch_shape_tensor(), self.event_shape_tensor()], axis=0)
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
    """Mean and standard deviation over `MOMENT_DRAWS` draws of a fixed seed, for a distribution with no closed ones."""

    def _moment_draws(self):
        return self.sample(MOMENT_DRAWS, seed=random.seed(0, random.Stream.SAMPLING))

    def _mean(self):
        return tf.reduce_mean(self._moment_draws(), axis=0)

    def _variance(self):
        return tf.math.reduce_variance(self._moment_draws(), axis=0)

    def _stddev(self):
        return tf.sqrt(self._variance())


class Flow(_EstimatedMoments, tfp.distributions.TransformedDistribution):
    """TFP's distribution of bijector(z0), z0 from a base distribution; its moments are estimated."""


class Ancestral(_EstimatedMoments, tfp.distributions.Distribution):
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

    def _sample_n(self, n, seed=None):
        seed = tfp.random.sanitize_seed(seed)
        z = [self.first.sample(n, seed=random.fold(seed, 0))]
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


class Categorical(tfp.distributions.Categorical):
    """TFP's distribution of class indices 0 .. classes - 1, with the mean and variance of the index."""

    def _probs_parameter_no_checks(self):
        if self._logits is None:
            return super()._probs_parameter_no_checks()
        # on a CPU TensorFlow's softmax refuses 6 axes, as of [S, B, height, width, channels, classes]
        return tf.exp(tf.nn.log_softmax(self._logits))

    def _mean(self):
        return tf.linalg.matvec(self.probs_parameter(), self._indices())

    def _variance(self):
        deviation = self._indices() - self._mean()[..., None]
        return tf.reduce_sum(self.probs_parameter() * deviation**2, axis=-1)

    def _indices(self):
        return tf.range(self._num_categories(), dtype=tf.float32)
