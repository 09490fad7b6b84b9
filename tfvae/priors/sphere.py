"""The prior on a sphere."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.distributions import Path

__all__ = ["SphericalUniform"]

register = keras.saving.register_keras_serializable("tfvae.priors")


@register
class SphericalUniform(distributions.Prior):
    """p(z) uniform on the unit sphere of R^n, n at least 2; `tfd.SphericalUniform`. For the posterior `PowerSpherical`.

    Davidson et al. 2018, "Hyperspherical variational auto-encoders", arXiv:1804.00891.

    Args:
        event_shape: the latent size n.

    Raises:
        ValueError: when n is 1.
    """

    flat = False

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(event_shape, **kwargs)
        distributions.check_sphere(self.event_shape)

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        return distributions.SphericalUniform(self.event_shape[0])

    @property
    def paths(self) -> dict[str, Path]:
        """Give the shorter arc of the great circle through both."""
        return {"arc": self._arc}

    def nearest(self, z: tf.Tensor) -> tf.Tensor:
        """Give the point of the sphere in the direction of z `[..., n]`."""
        return z / tf.maximum(tf.norm(z, axis=-1, keepdims=True), 1e-6)

    @staticmethod
    def _arc(start, end, weight):
        angle = tf.acos(tf.clip_by_value(tf.reduce_sum(start * end, axis=-1, keepdims=True), -1 + 1e-6, 1 - 1e-6))
        return (tf.sin((1 - weight) * angle) * start + tf.sin(weight * angle) * end) / tf.sin(angle)
