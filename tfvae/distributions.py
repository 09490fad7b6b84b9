"""The two protocols: layers that give TFP distributions, given features (`Conditional`) or given nothing (`Prior`).

A network gives features, a layer turns features into a distribution, and whatever is measured is measured on
distributions. Both layers compute in float32, under mixed precision too: log-densities are sums over hundreds of terms.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random

__all__ = ["Conditional", "MultivariateNormalDiag", "Prior", "bent", "bounded_exp", "unbent"]


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


class Conditional(keras.layers.Layer):
    """Abstract layer: features -> p(. | features), a `tfd.Distribution` with event shape `event_shape`.

    Flat features `[..., F]` are projected to the whole event. Feature maps `[..., H, W, F]` are projected position by
    position, so they go with an event of the same height and width.

    A subclass says how many numbers each scalar of the event takes, in `parameters`, and makes the distribution of as
    many tensors `[..., *event_shape]`, in `distribution`. A likelihood also says which values it models (`support`, and
    `domain` in words), and which raw parameters put its mean where (`raw`), for `start`.

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

    def distribution(self, *raw):
        """Raw parameters, each `[..., *event_shape]` -> distribution with batch shape `[...]`."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

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
        self.target = self.event_shape if len(features) == 1 else self.event_shape[-1:]
        self.projection = keras.layers.Dense(self.parameters * math.prod(self.target), dtype="float32")
        self.projection.build(input_shape)

    def call(self, features):
        batch = tf.shape(features)[: -self.feature_rank]
        shape = tf.concat([batch, self.event_shape], axis=0)
        raw = tf.split(self.projection(features), self.parameters, axis=-1)
        return self.distribution(*(self._static(tf.reshape(r, shape), features) for r in raw))

    def _static(self, raw, features):
        raw.set_shape([*features.shape[: -self.feature_rank], *self.event_shape])
        return raw

    def start(self, mean):
        """Sets the projection's bias so that features of 0 give the mean `mean` `[*event_shape]`, if `raw` says how."""
        mean = tf.convert_to_tensor(mean, tf.float32)
        if len(self.target) < len(self.event_shape):  # one bias for all positions
            mean = tf.reduce_mean(mean, axis=tuple(range(len(self.event_shape) - 1)))
        raw = self.raw(mean)
        if raw is not None:
            self.projection.bias.assign(tf.concat([tf.reshape(r, [-1]) for r in raw], axis=0))

    def get_config(self):
        return super().get_config() | {"event_shape": list(self.event_shape)}


class Prior(keras.layers.Layer):
    """Abstract layer: -> p(z), a `tfd.Distribution` with event shape `event_shape` and batch shape `[]`.

    A subclass defines `distribution`; weights, if any, are made in its `__init__` with `add_weight`.

    Args:
        event_shape: the latent size, an integer or a tuple of one.
    """

    def __init__(self, event_shape, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)
        self.built = True  # Keras never calls it: a layer cannot be called with no argument

    def distribution(self):
        """-> p(z)."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

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
