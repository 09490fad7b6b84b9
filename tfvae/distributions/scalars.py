"""Families of scalars, and events of independent ones, drawn by `tfvae.random`: by quantiles of uniform numbers."""

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import Drawn, open_uniform, picked

__all__ = ["Bernoulli", "Categorical", "Independent", "MixtureOfScalars", "NegativeBinomial", "Poisson"]

EXACT_BELOW, BITS = 1000.0, 11  # Poisson rates whose quantiles are searched for, all of them below 2^BITS


class Independent(Drawn, tfd.Independent):
    """TFP's distribution of events of independent scalars; its samples follow the rules of `tfvae.random`.

    The scalars' distribution has `quantile`, as many of TFP's have; or else it has `from_uniform`, which makes samples
    of a function `uniform`: the number of a draw -> uniform numbers within (0, 1), of the samples' shape. It may have
    `log_prob_of_events`, where a sum over scalars has a faster way.
    """

    def _drawn(self, sample_shape, seed):
        shape = self._shape_of(sample_shape)
        rows = shape[: tf.size(shape) - self.event_shape.rank]
        flat = tf.concat([rows, [tf.reduce_prod(self.event_shape_tensor())]], axis=0)

        def uniform(number):
            return tf.reshape(open_uniform(flat, random.fold(seed, number)), shape)

        if hasattr(self.distribution, "from_uniform"):
            return self.distribution.from_uniform(uniform)
        return self.distribution.quantile(uniform(0))

    def _log_prob(self, x, **kwargs):
        if hasattr(self.distribution, "log_prob_of_events"):
            return self.distribution.log_prob_of_events(x, self.event_shape.rank)
        return super()._log_prob(x, **kwargs)


class Bernoulli(tfd.Bernoulli):
    """TFP's Bernoulli distribution, with quantiles, and a faster density of events.

    That goes along a flat event, as loops along small axes are slow, and takes a logarithm for each 16 components,
    where TFP's takes two for each one; finite logits need no guard against products of 0 and infinity.
    """

    def _quantile(self, level):
        return tf.cast(level > tf.sigmoid(-self.logits_parameter()), self.dtype)

    def log_prob_of_events(self, x: tf.Tensor, rank: int) -> tf.Tensor:
        """log_prob summed over the last `rank` axes of x `[..., *event]`: `[...]`."""

        def flat(t):  # [..., *event] -> [..., m]
            return tf.reshape(t, tf.concat([tf.shape(t)[: t.shape.rank - rank], [-1]], axis=0))

        x, logits = (flat(tf.cast(t, tf.float32)) for t in (x, self.logits_parameter()))
        return tf.reduce_sum(x * logits, axis=-1) - _sum_softplus(logits)


@tf.custom_gradient
def _sum_softplus(x):
    """Sum of log(1 + exp(x)) along the last axis, `[..., m] -> [...]`: logs of products of 16 factors from 1 to 2."""
    missing = -(x.shape[-1] or tf.shape(x)[-1]) % 16
    factors = tf.pad(1.0 + tf.exp(-tf.abs(x)), [[0, 0]] * (x.shape.rank - 1) + [[0, missing]], constant_values=1.0)
    products = tf.reduce_prod(tf.reshape(factors, tf.concat([tf.shape(x)[:-1], [-1, 16]], axis=0)), axis=-1)
    result = tf.reduce_sum(tf.maximum(x, 0.0), axis=-1) + tf.reduce_sum(tf.math.log(products), axis=-1)
    return result, lambda upstream: upstream[..., None] * tf.sigmoid(x)


class Categorical(tfd.Categorical):
    """TFP's distribution of class indices 0 .. classes - 1, with the mean, variance and quantiles of the index."""

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

    def _quantile(self, level):
        return tf.cast(picked(level, self.logits_parameter()), self.dtype)

    def _indices(self):
        return tf.range(self._num_categories(), dtype=tf.float32)


class MixtureOfScalars(tfd.MixtureSameFamily):
    """TFP's mixture, of scalars that have quantiles."""

    def from_uniform(self, uniform: Callable[[int], tf.Tensor]) -> tf.Tensor:
        which = picked(uniform(0), self.mixture_distribution.logits_parameter())  # [...]
        of_each = self.components_distribution.quantile(uniform(1)[..., None])  # [..., K]
        return tf.reduce_sum(of_each * tf.one_hot(which, tf.shape(of_each)[-1]), axis=-1)


class Poisson(tfd.Poisson):
    """TFP's Poisson distribution, with quantiles."""

    def _quantile(self, level):
        return _poisson_quantile(level, self.rate_parameter())


class NegativeBinomial(tfd.NegativeBinomial):
    """TFP's negative binomial distribution: a Poisson distribution whose rate has a gamma distribution."""

    def from_uniform(self, uniform: Callable[[int], tf.Tensor]) -> tf.Tensor:
        count = tf.cast(self.total_count, tf.float64)
        rate = tfp.math.igammainv(count, tf.cast(uniform(0), tf.float64)) * tf.exp(tf.cast(self.logits, tf.float64))
        return _poisson_quantile(uniform(1), tf.cast(rate, tf.float32))


def _poisson_quantile(level, rate):
    """The smallest count k with P(count <= k) >= level, float32. For rates from `EXACT_BELOW` by the Cornish-Fisher
    expansion, which is within one of it."""
    at, few = tf.cast(level, tf.float64), tf.cast(tf.minimum(rate, EXACT_BELOW), tf.float64)
    count = tf.zeros_like(at * few)
    for bit in reversed(range(BITS)):
        further = count + 2.0**bit
        count = tf.where(tf.math.igammac(further, few) < at, further, count)  # P(count <= further - 1)
    z = tf.math.ndtri(level)
    many = tf.floor(rate + tf.sqrt(rate) * z + (z**2 - 1.0) / 6.0 + 0.5)
    return tf.where(rate < EXACT_BELOW, tf.cast(count, tf.float32), many)
