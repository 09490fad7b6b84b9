"""Scalars with long tails, drawn by `tfvae.random`: Student's t, and numbers whose logarithm is normal."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae.distributions.scalars import Uniform, draw_scalars

__all__ = ["LogNormal", "StudentT"]

BOUND = 80.0  # of exponents: exp(88) is too much for float32


class StudentT(tfd.StudentT):
    """TFP's Student t distribution: a normal one whose precision has a gamma distribution."""


@draw_scalars.register
def _(scalars: StudentT, uniform: Uniform) -> tf.Tensor:
    half = 0.5 * tf.cast(scalars.df, tf.float64)
    precision = tfp.math.igammainv(half, tf.cast(uniform(0), tf.float64)) / half
    normal = tf.math.ndtri(uniform(1))
    return scalars.loc + scalars.scale * normal * tf.cast(tf.math.rsqrt(precision), normal.dtype)


class LogNormal(tfd.LogNormal):
    """TFP's distribution of exp(y), y ~ N(loc, scale^2); moments and draws stay within what float32 holds."""

    def _mean(self) -> tf.Tensor:
        return _bounded_exp(self.loc + 0.5 * self.scale**2)

    def _variance(self) -> tf.Tensor:
        square = tf.minimum(self.scale**2, BOUND)
        return _bounded_exp(2.0 * self.loc + square + tf.math.log(tf.math.expm1(square)))

    def _quantile(self, level: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        return _bounded_exp(self.loc + self.scale * tf.math.ndtri(level))


def _bounded_exp(exponent: tf.Tensor) -> tf.Tensor:
    return tf.exp(tf.clip_by_value(exponent, -BOUND, BOUND))
