"""Normalising flows as posteriors."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfvae import distributions, flows
from tfvae.posteriors.normals import DiagonalNormal

__all__ = ["InverseAutoregressiveFlow", "PlanarFlow"]

register = keras.saving.register_keras_serializable("tfvae.posteriors")


class _FlowPosterior(distributions.Conditional):
    """A base posterior and a bijector, both of the features."""

    def __init__(
        self, event_shape: int | Sequence[int], layers: int = 4, base: distributions.Conditional | None = None, **kwargs
    ):
        super().__init__(event_shape, **kwargs)
        if layers < 1:
            raise ValueError(f"layers must be 1 or more, not {layers}")
        self.layers = layers
        self.base = DiagonalNormal(event_shape) if base is None else base
        if self.base.event_shape != self.event_shape:
            raise ValueError(f"the base has events of shape {self.base.event_shape}, the flow {self.event_shape}")

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        if not self.base.built:  # read from a file, it is
            self.base.build(input_shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        return distributions.Flow(self.base(features), self.bijector(features))

    def center(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.bijector.forward(self.base.center(distribution.distribution))

    def get_config(self) -> dict[str, Any]:
        own = {"layers": self.layers, "base": keras.saving.serialize_keras_object(self.base)}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**(config | {"base": keras.saving.deserialize_keras_object(config["base"])}))


@register
class InverseAutoregressiveFlow(_FlowPosterior):
    """z_0 from a base posterior; z_t = gate_t z_t-1 + (1 - gate_t) mean_t, and the order turned around, T times.

    mean_t and the gate's logit are a masked autoregressive network of z_t-1 and the features, so the log-determinant is
    sum_ti log gate_ti. A sample and its density take T passes; the density of another point takes n T.
    `tfb.MaskedAutoregressiveFlow`, inverted. Kingma et al. 2016, arXiv:1606.04934.

    Args:
        event_shape: the latent size n.
        layers: T.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.
        base: the base posterior; `DiagonalNormal` unless given.
    """

    shapes = ()

    def __init__(
        self,
        event_shape: int | Sequence[int],
        layers: int = 2,
        units: list[int] | tuple[int, ...] = (64, 64),
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(event_shape, layers, **kwargs)
        n = self.event_shape[0]
        self.networks = [flows.MADE(n, units, activation) for _ in range(layers)]

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        for network in self.networks:
            network.build((None, *self.event_shape), input_shape)

    def bijector(self, features: tf.Tensor) -> tfb.Bijector:
        """Give the map [..., n] -> [..., n] of all layers, each followed by a reversal of the coordinates."""
        steps = []
        for network in self.networks:
            step = tfb.Invert(tfb.MaskedAutoregressiveFlow(flows.make_gates(network, features)))
            steps += [step, flows.reverse(self.event_shape[0])]
        return tfb.Chain(steps[::-1])  # a chain begins with its last

    def get_config(self) -> dict[str, Any]:
        made = self.networks[0]
        return super().get_config() | {"units": list(made.units), "activation": made.activation}


@register
class PlanarFlow(_FlowPosterior):
    """z_0 from a base posterior; z_t = z_t-1 + u_t tanh(w_t z_t-1 + b_t), T times, with u, w, b of the features.

    A sample and its density take T cheap steps; the density of another point takes the roots of T functions of one
    number. |w| stays within exp(-3) and exp(3), the numbers of u within -7 and 7.
    Rezende and Mohamed 2015, arXiv:1505.05770.

    Args:
        event_shape: the latent size n.
        layers: T.
        base: the base posterior; `DiagonalNormal` unless given.
    """

    def __init__(self, event_shape: int | Sequence[int], layers: int = 4, **kwargs):
        super().__init__(event_shape, layers, **kwargs)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        n = self.event_shape[0]
        return ((n,), (n,), (), ()) * self.layers

    def bijector(self, features: tf.Tensor) -> tfb.Bijector:
        """Give the map [..., n] -> [..., n] of all planar layers, whose parameters follow from the features."""
        raw, n = self.raw_parameters(features), self.event_shape[0]
        steps = []
        for t in range(self.layers):
            raw_u, raw_direction, raw_length, b = raw[4 * t : 4 * t + 4]
            direction = tf.math.l2_normalize(raw_direction + tf.one_hot(t % n, n), axis=-1)  # starts along an axis
            length = distributions.bounded_exp(raw_length, 3.0)[..., None]
            steps.append(flows.Planar(distributions.soft_clip(raw_u, 7.0), length * direction, b))
        return tfb.Chain(steps[::-1])
