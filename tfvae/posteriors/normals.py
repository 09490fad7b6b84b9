"""Normal posteriors: diagonal, full, and a chain of several stochastic layers."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import distributions, networks
from tfvae.posteriors.arranged import Arranged

__all__ = ["DiagonalNormal", "FullNormal", "Hierarchical"]

register = keras.saving.register_keras_serializable("tfvae.posteriors")


@register
class DiagonalNormal(Arranged):
    """q(z|x) = N(z; loc(x), diag(scale(x))^2), `tfd.MultivariateNormalDiag`.

    The features give the logarithm of the variance: the scale is exp(raw / 2), softly clipped to
    stay within exp(-7) and exp(7). With exp(raw) an MLP on MNIST is two nats behind after four epochs.
    Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n, or an arrangement (H, W, C) of its numbers as maps.
    """

    parameters = 2
    refinable = True

    def distribution(self, loc: tf.Tensor, raw_variance: tf.Tensor) -> tfd.Distribution:  # [..., n], [..., n]
        return distributions.MultivariateNormalDiag(loc, distributions.bounded_exp(raw_variance / 2))

    def unconstrained(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Give means and logarithms of scales, `[2, ..., n]`."""
        return tf.stack([distribution.mean(), tf.math.log(distribution.stddev())])

    def from_unconstrained(self, parameters: tf.Tensor) -> tfd.Distribution:
        loc, log_scale = tf.unstack(parameters)
        return distributions.MultivariateNormalDiag(loc, tf.exp(log_scale))


@register
class FullNormal(distributions.Conditional):
    """q(z|x) = N(z; loc(x), L(x) L(x)^T), L = diag(scale) (I + N), N strictly lower triangular;
    `tfd.MultivariateNormalTriL`. n (n + 3) / 2 numbers from the features.

    The scale is as in `DiagonalNormal`; the numbers of N are softly clipped to stay within -7 and 7.
    Kingma and Welling 2019, arXiv:1906.02691, section 2.5.1.

    Args:
        event_shape: the latent size n.
    """

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        n = self.event_shape[0]
        return (n,), (n,), (n * (n - 1) // 2,)

    def distribution(
        self, loc: tf.Tensor, raw_variance: tf.Tensor, raw_lower: tf.Tensor
    ) -> tfd.Distribution:  # [..., n], [..., n], [..., n (n - 1) / 2]
        scale = distributions.bounded_exp(raw_variance / 2)[..., None]  # [..., n, 1]
        if self.event_shape == (1,):
            return distributions.MultivariateNormalTriL(loc, scale)
        lower = tfp.math.fill_triangular(distributions.soft_clip(raw_lower, 7.0))  # [..., n - 1, n - 1]
        strictly = tf.pad(lower, [[0, 0]] * (lower.shape.rank - 2) + [[1, 0], [0, 1]])  # [..., n, n]
        return distributions.MultivariateNormalTriL(loc, scale * (tf.eye(self.event_shape[0]) + strictly))


@register
class Hierarchical(distributions.Conditional):
    """q(z|x) = q(z_1|x) q(z_2|z_1) ... q(z_L|z_L-1), diagonal normals, z = [z_1, ..., z_L]: several stochastic layers.

    The features give the first; each further one comes from the one before through dense layers. It goes with the prior
    of the same name. Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519, section 5.

    Args:
        event_shape: the sizes of z_1, ..., z_L, the one nearest to x first.
        units: width of the dense layers between two.
        activation: Keras' name of their activation.
    """

    shapes = ()

    def __init__(
        self, event_shape: list[int], units: list[int] | tuple[int, ...] = (64, 64), activation: str = "tanh", **kwargs
    ):
        self.layer_sizes = distributions.as_shape(event_shape)
        super().__init__(sum(self.layer_sizes), **kwargs)
        self.units, self.activation = distributions.as_sizes(units), activation
        self.normals = [DiagonalNormal(size) for size in self.layer_sizes]
        self.networks = [networks.mlp(size, self.units, activation) for size in self.layer_sizes[:-1]]

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        for normal, shape in zip(self.normals, [input_shape, *(n.output_shape for n in self.networks)], strict=True):
            normal.build(shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        first, *others = self.normals
        following = [
            lambda z, normal=normal, network=network: normal(distributions.over_rows(network, z))
            for normal, network in zip(others, self.networks, strict=True)
        ]
        return distributions.Ancestral(first(features), following, self.layer_sizes)

    def center(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.means()

    def get_config(self) -> dict[str, Any]:
        own = {"event_shape": list(self.layer_sizes), "units": list(self.units), "activation": self.activation}
        return super().get_config() | own
