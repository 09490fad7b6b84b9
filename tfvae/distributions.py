"""The two protocols: layers that give TFP distributions, given features (`Conditional`) or given nothing (`Prior`).

A network gives features, a layer turns features into a distribution, and whatever is measured is measured on
distributions. Both layers compute in float32, under mixed precision too: log-densities are sums over hundreds of terms.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random

__all__ = [
    "Ancestral",
    "Conditional",
    "Flow",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "Point",
    "PowerSpherical",
    "Prior",
    "SphericalUniform",
    "bent",
    "bounded_exp",
    "over_rows",
    "unbent",
]

MOMENT_DRAWS = 100  # for means and standard deviations that have no closed form


def as_shape(shape):
    """A size or a sequence of sizes -> tuple; ValueError unless all are positive integers."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise ValueError(f"a shape is one or more positive integers, not {shape!r}")
    return sizes


def bent(raw, bound):
    """raw, bent so that it stays within -bound and bound; about the identity near 0. `unbent` undoes it."""
    return bound * tf.tanh(raw / bound)


def unbent(value, bound):
    """The raw number that `bent` makes `value`, within -bound and bound."""
    return bound * tf.atanh(value / bound)


def bounded_exp(raw, bound=7.0):
    """exp, bent so that it stays within exp(-bound) and exp(bound): a scale that cannot overflow, nor reach zero."""
    return tf.exp(bent(raw, bound))


def over_rows(network, z, condition=None, **kwargs):
    """network of z `[..., n]`, any batch shape, and condition `[B, k]`, which broadcasts to it -> `[..., *output]`."""
    rows = inputs = tf.reshape(z, [-1, z.shape[-1]])
    if condition is not None:
        condition = tf.broadcast_to(condition, tf.concat([tf.shape(z)[:-1], tf.shape(condition)[-1:]], axis=0))
        inputs = [rows, tf.reshape(condition, [-1, condition.shape[-1]])]
    features = network(inputs, **kwargs)  # [prod(...), *output]
    shape = tf.concat([tf.shape(z)[:-1], features.shape[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(features, shape), [*z.shape[:-1], *features.shape[1:]])


class Conditional(keras.layers.Layer):
    """Abstract layer: features -> p(. | features), a `tfd.Distribution` with event shape `event_shape`.

    Flat features `[..., F]` are projected to the whole event. Feature maps `[..., H, W, F]` are projected position by
    position, so they go with an event of the same height and width.

    A subclass says how many numbers each scalar of the event takes, in `parameters`, and makes the distribution of as
    many tensors `[..., *event_shape]`, in `distribution`. Where that is not the shape of its parameters, it says which
    they have, in `shapes`. A likelihood also says which values it models (`support`, and `domain` in words), and which
    raw parameters put its mean where (`raw`), for `start`. A posterior says which point stands for an example
    (`center`).

    Args:
        event_shape: shape of what is modelled, an integer or a tuple.

    Raises:
        ValueError: when the features' height and width differ from the event's.
    """

    parameters = 1
    domain = "finite numbers"

    def __init__(self, event_shape, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)

    @property
    def shapes(self):
        """Shapes of the raw parameters of one event; over maps, each begins with the event's height and width."""
        return (self.event_shape,) * self.parameters

    def distribution(self, *raw):
        """Raw parameters, each `[..., *shape]` for its shape of `shapes` -> distribution with batch shape `[...]`."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    def center(self, distribution):
        """The point `[..., *event_shape]` that stands for a distribution of this layer: its mean."""
        return distribution.mean()

    def support(self, x):
        """Which elements of x `[..., *event_shape]` the distribution can take: bool, the same shape."""
        return tf.math.is_finite(x)

    def raw(self, mean):
        """The raw parameters, a tuple, at which the distribution's mean is `mean`; None where nobody says."""
        return None

    def build(self, input_shape):
        features = tuple(input_shape[1:])
        if len(features) > 1 and features[:-1] != self.event_shape[:-1]:
            raise ValueError(
                f"{type(self).__name__} has events of shape {self.event_shape}, "
                f"but its features are maps of shape {features}: heights and widths must be the same"
            )
        self.feature_rank = len(features)
        self.sizes = [math.prod(shape[len(features) - 1 :]) for shape in self.shapes]  # of what one position is given
        if self.sizes:
            self.projection = keras.layers.Dense(sum(self.sizes), dtype="float32")
            self.projection.build(input_shape)

    def call(self, features):
        return self.distribution(*self.raw_parameters(features))

    def raw_parameters(self, features):
        """features -> the raw parameters, a list of `[..., *shape]` for the shapes of `shapes`."""
        if not self.sizes:
            return []
        batch, static = tf.shape(features)[: -self.feature_rank], features.shape[: -self.feature_rank]
        raw = tf.split(self.projection(features), self.sizes, axis=-1)
        return [
            tf.ensure_shape(tf.reshape(r, tf.concat([batch, shape], axis=0)), [*static, *shape])
            for r, shape in zip(raw, self.shapes, strict=True)
        ]

    def start(self, mean):
        """Sets the projection's bias so that features of 0 give the mean `mean` `[*event_shape]`, if `raw` says how."""
        mean = tf.convert_to_tensor(mean, tf.float32)
        mean = tf.reduce_mean(mean, axis=tuple(range(self.feature_rank - 1)))  # over maps, one bias for all positions
        raw = self.raw(mean)
        if raw is not None:
            self.projection.bias.assign(tf.concat([tf.reshape(r, [-1]) for r in raw], axis=0))

    def get_config(self):
        return super().get_config() | {"event_shape": list(self.event_shape)}


class Prior(keras.layers.Layer):
    """Abstract layer: -> p(z), a `tfd.Distribution` with event shape `event_shape` and batch shape `[]`.

    A subclass defines `distribution`; weights, if any, are made in its `__init__` with `add_weight`. It may say too how
    the latent space is walked through (`between`), how much of a latent the decoder sees (`decoder_shape`), and how it
    starts from data (`start`).

    Args:
        event_shape: the latent size, an integer or a tuple of one.
    """

    def __init__(self, event_shape, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)
        self.built = True  # Keras never calls it: a layer cannot be called with no argument

    def distribution(self, condition=None, infer=None):
        """-> p(z), batch `[]`, or p(z|condition), batch `[B]`.

        Args:
            condition: `[B, k]` in a conditional VAE, else None.
            infer: the VAE's function (x `[K, *x's shape]`, condition `[K, k]` or None) -> q(z|x), batch `[K]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    @property
    def decoder_shape(self):
        """Shape `[m]` of what the decoder sees of a latent: its first m numbers; all unless overridden."""
        return self.event_shape

    def between(self, start, end, weight):
        """The point at `weight`, 0 to 1, of the path from latent `start` to `end` `[..., n]`: a straight line."""
        return (1 - weight) * start + weight * end

    def start(self, x, condition=None):
        """Sets weights from examples x `[N, *x's shape]` (and conditions `[N, k]`), where that helps; else nothing."""

    def get_config(self):
        return super().get_config() | {"event_shape": list(self.event_shape)}


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
