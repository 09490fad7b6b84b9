"""Distributions on the unit sphere of R^n, drawn by `tfvae.random`."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random
from tfvae.distributions.drawn import Drawn

__all__ = ["PowerSpherical", "SphericalUniform"]


class SphericalUniform(Drawn, tfp.distributions.SphericalUniform):
    """TFP's uniform distribution on the unit sphere; its samples follow the rules of `tfvae.random`."""

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        return tf.math.l2_normalize(random.normal(self._noise_shape(sample_shape, alike), seed), axis=-1)


class PowerSpherical(Drawn, tfp.distributions.PowerSpherical):
    """TFP's power spherical distribution; its samples follow the rules of `tfvae.random`.

    The part of a sample along the mean direction is a quantile of a beta distribution, the rest is uniform
    (De Cao and Aziz 2020, arXiv:2006.04437).
    """

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        shape = self._noise_shape(sample_shape, alike)
        half = 0.5 * (self.event_shape[-1] - 1.0)
        beta = tfp.distributions.Beta(half + self.concentration, half)
        level = random.uniform(tf.concat([shape[:-1], [1]], axis=0), random.fold(seed, 0))[..., 0]
        share = tf.clip_by_value(beta.quantile(tf.clip_by_value(level, 1e-6, 1 - 1e-6)), 1e-6, 1 - 1e-6)
        across = random.normal(tf.concat([shape[:-1], shape[-1:] - 1], axis=0), random.fold(seed, 1))
        across = 2.0 * tf.sqrt(share * (1.0 - share))[..., None] * tf.math.l2_normalize(across, axis=-1)
        about_first = tf.concat([2.0 * share[..., None] - 1.0, across], axis=-1)  # about the first axis
        axis = tf.one_hot(0, self.event_shape[-1]) - self.mean_direction
        mirror = tf.math.l2_normalize(axis, axis=-1)  # of the reflection that takes the first axis to the mean
        return about_first - 2.0 * tf.reduce_sum(about_first * mirror, axis=-1, keepdims=True) * mirror

    def _variance(self) -> tf.Tensor:
        return tf.linalg.diag_part(self.covariance())
