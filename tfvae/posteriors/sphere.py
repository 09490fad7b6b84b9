"""The posterior on a sphere."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["PowerSpherical"]

register = keras.saving.register_keras_serializable("tfvae.posteriors")


@register
class PowerSpherical(distributions.Conditional):
    """q(z|x) ~ (1 + direction(x) z)^concentration(x) on the unit sphere of R^n, n at least 2; `tfd.PowerSpherical`.

    The concentration stays within exp(-7) and exp(7). It goes with the prior `SphericalUniform`, to which its KL has a
    closed form. De Cao and Aziz 2020, arXiv:2006.04437; in VAEs: Davidson et al. 2018, arXiv:1804.00891.

    Args:
        event_shape: the latent size n.

    Raises:
        ValueError: when n is 1.
    """

    flat = False

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(event_shape, **kwargs)
        distributions.check_sphere(self.event_shape)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.event_shape, ()

    def distribution(
        self, raw_direction: tf.Tensor, raw_concentration: tf.Tensor
    ) -> tfd.Distribution:  # [..., n], [...]
        start = tf.one_hot(0, self.event_shape[0], 1e-3)  # no direction is that of the zero vector
        direction = tf.math.l2_normalize(raw_direction + start, axis=-1)
        return distributions.PowerSpherical(direction, distributions.bounded_exp(raw_concentration))

    def center(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.mean_direction  # the mean lies within the sphere, where nothing was ever decoded
