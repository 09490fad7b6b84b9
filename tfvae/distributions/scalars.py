"""Families of scalars, and events of independent ones, drawn by `tfvae.random`: by quantiles of uniform numbers."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import Drawn, open_uniform, pick_class

__all__ = [
    "Bernoulli",
    "Categorical",
    "Independent",
    "MixtureOfScalars",
    "NegativeBinomial",
    "Poisson",
    "draw_scalars",
    "log_prob_of_elements",
    "log_prob_of_events",
]

EXACT_BELOW, BITS = 1000.0, 11  # Poisson rates whose quantiles are searched for, all of them below 2^BITS


Uniform = Callable[[int], tf.Tensor]  # number of a draw -> numbers within (0, 1), of the samples' shape


@functools.singledispatch
def draw_scalars(scalars: tfd.Distribution, uniform: Uniform) -> tf.Tensor:
    """Draw scalars as a function of uniform numbers: quantiles, unless their class registers another way.

    Args:
        scalars: of the shape of the samples, or one that broadcasts to it.
        uniform: function, the number of a draw -> uniform numbers within (0, 1), of the samples' shape.
    """
    return scalars.quantile(uniform(0))


@functools.singledispatch
def log_prob_of_events(scalars: tfd.Distribution, x: tf.Tensor, rank: int) -> tf.Tensor:
    """Sum log_prob over the last `rank` axes of x `[..., *event]`: `[...]`; a class may register a faster way."""
    return tf.reduce_sum(scalars.log_prob(x), axis=list(range(-rank, 0)))


@functools.singledispatch
def log_prob_of_elements(distribution: tfd.Distribution, x: tf.Tensor, missing: tf.Tensor | None = None) -> tf.Tensor:
    """Give log p of each element of x `[..., *event]`, nats, the same shape: `log_prob` is their sum.

    A class whose elements are independent of each other registers how.

    Args:
        distribution: batch `[...]`, event `[*event]`.
        x: `[..., *event]`.
        missing: bool, the shape of x: which elements only stand in for missing ones. Most densities need not know.

    Raises:
        TypeError: when the distribution's elements depend on each other.
    """
    raise TypeError(f"the elements of {distribution.name} are not independent: none can be looked at by itself")


class Independent(Drawn, tfd.Independent):
    """TFP's distribution of events of independent scalars; its samples follow the rules of `tfvae.random`.

    The scalars' distribution has `quantile`, as many of TFP's have; or else its class registers how it is drawn, by
    `draw_scalars.register`. A faster sum of log-densities is registered by `log_prob_of_events.register`.
    """

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        shape = self._noise_shape(sample_shape, alike)
        rows = shape[: tf.size(shape) - self.event_shape.rank]
        flat = tf.concat([rows, [tf.reduce_prod(self.event_shape_tensor())]], axis=0)

        def uniform(number: int) -> tf.Tensor:
            return tf.reshape(open_uniform(flat, random.fold(seed, number)), shape)

        return draw_scalars(self.distribution, uniform)

    def _log_prob(self, x: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        return log_prob_of_events(self.distribution, x, self.event_shape.rank)


@log_prob_of_elements.register
def _(distribution: Independent, x: tf.Tensor, missing: tf.Tensor | None = None) -> tf.Tensor:
    return distribution.distribution.log_prob(x)


class Bernoulli(tfd.Bernoulli):
    """TFP's Bernoulli distribution, with quantiles, and a faster density of events.

    That goes along a flat event, as loops along small axes are slow, and takes a logarithm for each 16 components,
    where TFP's takes two for each one; finite logits need no guard against products of 0 and infinity.
    """

    def _quantile(self, level):
        return tf.cast(level > tf.sigmoid(-self.logits_parameter()), self.dtype)


@log_prob_of_events.register
def _(scalars: Bernoulli, x: tf.Tensor, rank: int) -> tf.Tensor:
    def flat(t: tf.Tensor) -> tf.Tensor:  # [..., *event] -> [..., m]
        return tf.reshape(t, tf.concat([tf.shape(t)[: t.shape.rank - rank], [-1]], axis=0))

    x, logits = (flat(tf.cast(t, tf.float32)) for t in (x, scalars.logits_parameter()))
    return tf.reduce_sum(x * logits, axis=-1) - _sum_softplus(logits)


@tf.custom_gradient
def _sum_softplus(x):
    """Sum log(1 + exp(x)) along the last axis, `[..., m] -> [...]`: logs of products of 16 factors from 1 to 2."""
    missing = -(x.shape[-1] or tf.shape(x)[-1]) % 16
    factors = tf.pad(1.0 + tf.exp(-tf.abs(x)), [[0, 0]] * (x.shape.rank - 1) + [[0, missing]], constant_values=1.0)
    products = tf.reduce_prod(tf.reshape(factors, tf.concat([tf.shape(x)[:-1], [-1, 16]], axis=0)), axis=-1)
    result = tf.reduce_sum(tf.maximum(x, 0.0), axis=-1) + tf.reduce_sum(tf.math.log(products), axis=-1)
    return result, lambda upstream: upstream[..., None] * tf.sigmoid(x)


class Categorical(tfd.Categorical):
    """TFP's distribution of class indices 0 .. classes - 1, with the mean, variance and quantiles of the index."""

    def probs_parameter(self, name: str | None = None) -> tf.Tensor:
        """Give the probabilities `[..., classes]`."""
        if self.logits is None:
            return super().probs_parameter(name)
        # on a CPU TensorFlow's softmax refuses 6 axes, as of [S, B, height, width, channels, classes]
        return tf.exp(tf.nn.log_softmax(self.logits))

    def _mean(self):
        return tf.linalg.matvec(self.probs_parameter(), self._indices())

    def _variance(self):
        deviation = self._indices() - self._mean()[..., None]
        return tf.reduce_sum(self.probs_parameter() * deviation**2, axis=-1)

    def _quantile(self, level):
        return tf.cast(pick_class(level, self.logits_parameter()), self.dtype)

    def _indices(self):
        return tf.range(self.logits_parameter().shape[-1], dtype=tf.float32)


class MixtureOfScalars(tfd.MixtureSameFamily):
    """TFP's mixture, of scalars that have quantiles."""


@draw_scalars.register
def _(scalars: MixtureOfScalars, uniform: Uniform) -> tf.Tensor:
    which = pick_class(uniform(0), scalars.mixture_distribution.logits_parameter())  # [...]
    of_each = scalars.components_distribution.quantile(uniform(1)[..., None])  # [..., K]
    return tf.reduce_sum(of_each * tf.one_hot(which, tf.shape(of_each)[-1]), axis=-1)


class Poisson(tfd.Poisson):
    """TFP's Poisson distribution, with quantiles."""

    def times(self, log_factor: tf.Tensor) -> "Poisson":
        """Multiply the mean by exp(log_factor)."""
        return Poisson(log_rate=self.log_rate_parameter() + log_factor)

    def _quantile(self, level):
        return _poisson_quantile(level, self.rate_parameter())


class NegativeBinomial(tfd.NegativeBinomial):
    """TFP's negative binomial distribution: a Poisson distribution whose rate has a gamma distribution."""

    def log_rate_parameter(self) -> tf.Tensor:
        """Give the logarithm of the mean."""
        return tf.math.log(self.total_count) + self.logits_parameter()

    def times(self, log_factor: tf.Tensor) -> "NegativeBinomial":
        """Multiply the mean by exp(log_factor)."""
        return NegativeBinomial(self.total_count, logits=self.logits_parameter() + log_factor)


@draw_scalars.register
def _(scalars: NegativeBinomial, uniform: Uniform) -> tf.Tensor:
    count = tf.cast(scalars.total_count, tf.float64)
    rate = tfp.math.igammainv(count, tf.cast(uniform(0), tf.float64)) * tf.exp(tf.cast(scalars.logits, tf.float64))
    return _poisson_quantile(uniform(1), tf.cast(rate, tf.float32))


def _poisson_quantile(level, rate):
    """Find the smallest count k with P(count <= k) >= level, float32.

    For rates from `EXACT_BELOW` on the Cornish-Fisher expansion is taken, which is within one of it.
    """
    at, few = tf.cast(level, tf.float64), tf.cast(tf.minimum(rate, EXACT_BELOW), tf.float64)
    count = tf.zeros_like(at * few)
    for bit in reversed(range(BITS)):
        further = count + 2.0**bit
        count = tf.where(tf.math.igammac(further, few) < at, further, count)  # P(count <= further - 1)
    z = tf.math.ndtri(level)
    many = tf.floor(rate + tf.sqrt(rate) * z + (z**2 - 1.0) / 6.0 + 0.5)
    return tf.where(rate < EXACT_BELOW, tf.cast(count, tf.float32), many)
