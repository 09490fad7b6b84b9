"""Normal priors: the standard one, one given conditions, and a chain of several stochastic layers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions, networks
from tfvae.distributions import Path
from tfvae.posteriors import DiagonalNormal

__all__ = ["ConditionalNormal", "Hierarchical", "StandardNormal", "standard_normal"]

register = keras.saving.register_keras_serializable("tfvae.priors")


def standard_normal(shape: Sequence[int]) -> tfd.Distribution:
    """Give N(0, I) with this event shape."""
    return distributions.MultivariateNormalDiag(tf.zeros(shape), tf.ones(shape))


@register
class StandardNormal(distributions.Prior):
    """p(z) = N(z; 0, I), `tfd.MultivariateNormalDiag`. Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    @property
    def paths(self) -> dict[str, Path]:
        """Give the line, and the arc, on which the length of z stays near that of draws; a line's middle is shorter.

        White 2016, "Sampling generative networks", arXiv:1609.04468.
        """
        return {"line": distributions.line, "arc": distributions.arc}

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        return standard_normal(self.event_shape)


@register
class ConditionalNormal(distributions.Prior):
    """p(z|c) = N(z; loc(c), diag(scale(c))^2), by dense layers from the condition c; `tfd.MultivariateNormalDiag`.

    Sohn, Lee and Yan 2015, "Learning structured output representation using deep conditional generative models".

    Args:
        event_shape: the latent size n.
        condition_size: k, of the conditions of a conditional VAE.
        units: width of the dense layers.
        activation: Keras' name of their activation.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        condition_size: int,
        units: list[int] | tuple[int, ...] = (64,),
        activation: str = "tanh",
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if condition_size < 1:
            raise ValueError("ConditionalNormal is for conditional VAEs: load the data with a condition")
        self.condition_size, self.units, self.activation = condition_size, distributions.as_sizes(units), activation
        self.network = networks.mlp(condition_size, self.units, activation)
        self.normal = DiagonalNormal(self.event_shape)
        self.normal.build(self.network.output_shape)

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        if condition is None:
            raise ValueError("the prior ConditionalNormal needs conditions")
        return self.normal(self.network(condition))

    def get_config(self) -> dict[str, Any]:
        own = ("condition_size", "units", "activation")
        return super().get_config() | {name: getattr(self, name) for name in own}


@register
class Hierarchical(distributions.Prior):
    """p(z) = p(z_L) p(z_L-1|z_L) ... p(z_1|z_2), z = [z_1, ..., z_L]; p(z_L) standard, the others diagonal normals.

    The decoder sees z_1 alone. For the posterior of the same name, from dense layers like its own.
    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519, section 5.

    Args:
        event_shape: the sizes of z_1, ..., z_L, the one nearest to x first.
        units: width of the dense layers between two.
        activation: Keras' name of their activation.
    """

    def __init__(
        self, event_shape: list[int], units: list[int] | tuple[int, ...] = (64, 64), activation: str = "tanh", **kwargs
    ):
        self.layer_sizes = distributions.as_shape(event_shape)
        super().__init__(sum(self.layer_sizes), **kwargs)
        self.units, self.activation = distributions.as_sizes(units), activation
        downwards = self.layer_sizes[::-1]
        self.networks = [networks.mlp(size, self.units, activation) for size in downwards[:-1]]
        self.normals = [DiagonalNormal(size) for size in downwards[1:]]
        for normal, network in zip(self.normals, self.networks, strict=True):
            normal.build(network.output_shape)

    @property
    def decoder_shape(self) -> tuple[int, ...]:
        return self.layer_sizes[:1]

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        following = [
            lambda z, normal=normal, network=network: normal(distributions.over_rows(network, z))
            for normal, network in zip(self.normals, self.networks, strict=True)
        ]
        top = standard_normal(self.layer_sizes[-1:])
        return distributions.Ancestral(top, following, self.layer_sizes[::-1], turned=True)

    def get_config(self) -> dict[str, Any]:
        own = {"event_shape": list(self.layer_sizes), "units": list(self.units), "activation": self.activation}
        return super().get_config() | own
