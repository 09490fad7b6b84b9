"""All probability at one point: the posterior of a plain autoencoder."""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ["Point"]


class Point(tfp.distributions.VectorDeterministic):
    """All probability at one point `[..., n]`: its density there is infinite, and zero elsewhere."""

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        return tf.where(tf.reduce_all(z == self.loc, axis=-1), math.inf, -math.inf)

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: Any, **kwargs: Any) -> tuple[tf.Tensor, tf.Tensor]:
        z = self.sample(sample_shape, seed=seed, **kwargs)
        return z, tf.fill(tf.shape(z)[:-1], math.inf)


@tfp.distributions.RegisterKL(Point, tfp.distributions.Distribution)
def _kl_of_a_point(point: Point, other: tfp.distributions.Distribution, name: str | None = None) -> tf.Tensor:
    """Give infinity. TFP's own, for its parent, is that of a mass: an autoencoder's ELBO would look like a bound."""
    return tf.fill(tf.shape(point.loc)[:-1], math.inf)
