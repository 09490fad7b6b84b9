"""Normalising flows as priors."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfvae import distributions, flows
from tfvae.priors.normals import standard_normal

__all__ = ["AutoregressiveFlow", "RealNVP"]

register = keras.saving.register_keras_serializable("tfvae.priors")


class _FlowPrior(distributions.Prior):
    """The standard normal through a chain of `layers` bijectors, between which the order of the latents is turned."""

    def __init__(
        self,
        event_shape: int | Sequence[int],
        layers: int,
        units: list[int] | tuple[int, ...],
        activation: str,
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if layers < 1:
            raise ValueError(f"layers must be 1 or more, not {layers}")
        self.layers, self.units, self.activation = layers, distributions.as_shape(units), activation

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        turn = flows.reverse(self.event_shape[0])
        steps = [bijector for network in self.networks for bijector in (self.bijector(network), turn)]
        return distributions.Flow(standard_normal(self.event_shape), tfb.Chain(steps))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {name: getattr(self, name) for name in ("layers", "units", "activation")}


@register
class AutoregressiveFlow(_FlowPrior):
    """A masked autoregressive flow: z_i = mean_i(z_<i) + scale_i(z_<i) e_i, T times; `tfb.MaskedAutoregressiveFlow`.

    A density takes T passes, a sample n T. The log scale stays within -3 and 3.
    Papamakarios, Pavlakou and Murray 2017, arXiv:1705.07057; as a prior: Chen et al. 2016, arXiv:1611.02731.

    Args:
        event_shape: the latent size n.
        layers: T.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        layers: int = 2,
        units: list[int] | tuple[int, ...] = (64, 64),
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(event_shape, layers, units, activation, **kwargs)
        self.networks = [flows.MADE(self.event_shape[0], units, activation) for _ in range(layers)]
        for network in self.networks:
            network.build((None, *self.event_shape))

    def bijector(self, network: Callable) -> tfb.Bijector:
        """Give the map [..., n] -> [..., n] of one autoregressive layer, with log scales of -3 to 3."""

        def shift_and_log_scale(z):
            shift, log_scale = network(z)
            return shift, distributions.soft_clip(log_scale, 3.0)

        return tfb.MaskedAutoregressiveFlow(shift_and_log_scale)


@register
class RealNVP(_FlowPrior):
    """Affine couplings: one half of z stays, and gives shift and scale of the other; T times; `tfb.RealNVP`.

    A density and a sample take T passes each. Dinh, Sohl-Dickstein and Bengio 2016, arXiv:1605.08803.

    Args:
        event_shape: the latent size n, at least 2.
        layers: T; with 2 or more each latent is transformed.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.

    Raises:
        ValueError: when n is 1.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        layers: int = 4,
        units: list[int] | tuple[int, ...] = (64, 64),
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(event_shape, layers, units, activation, **kwargs)
        n = self.event_shape[0]
        if n < 2:
            raise ValueError("RealNVP halves the latents: it needs a latent size of 2 or more, not 1")
        self.networks = [flows.Coupling(n - n // 2, units, activation) for _ in range(layers)]
        for network in self.networks:
            network.build((None, n // 2))

    def bijector(self, network: Callable) -> tfb.Bijector:
        """Give the map [..., n] -> [..., n] of one coupling layer, which leaves the first half of the coordinates."""
        return tfb.RealNVP(self.event_shape[0] // 2, shift_and_log_scale_fn=lambda z, _: network(z))
