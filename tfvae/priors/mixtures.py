"""Mixtures as priors: of normals, and of the posteriors of learned pseudo-inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["MixtureOfNormals", "VampPrior"]

register = keras.saving.register_keras_serializable("tfvae.priors")


@register
class MixtureOfNormals(distributions.Prior):
    """p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2), all learned; `tfd.MixtureSameFamily`, faster.

    The means start at draws of the standard normal, the scales at 1, the weights alike. There is no closed KL to it.
    In VAEs: Dilokthanakul et al. 2016, arXiv:1611.02648; as a baseline in Tomczak and Welling 2018, arXiv:1705.07120.

    Args:
        event_shape: the latent size n.
        components: how many, at least 1.
    """

    def __init__(self, event_shape: int | Sequence[int], components: int = 10, **kwargs):
        super().__init__(event_shape, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        self.components = components
        shape = (components, *self.event_shape)
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.loc = self.add_weight(shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0), name="loc")
        self.raw_scale = self.add_weight(shape=shape, initializer="zeros", name="raw_scale")

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        normals = distributions.MultivariateNormalDiag(self.loc.value, distributions.bounded_exp(self.raw_scale.value))
        return distributions.MixtureOfNormals(distributions.Categorical(logits=self.logits.value), normals)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"components": self.components}


@register
class VampPrior(distributions.Prior):
    """p(z) = sum_k w_k q(z|u_k): a mixture of the posteriors of learned pseudo-inputs u_k; `tfd.MixtureSameFamily`.

    `VAE.adapt` starts them at examples of the data; else they start at draws near the middle of [low, high], or near
    0.5. In a conditional VAE each has a learned condition of its own. There is no closed KL to it.
    Tomczak and Welling 2018, "VAE with a VampPrior", arXiv:1705.07120.

    Args:
        event_shape: the latent size n.
        output_shape: shape of x.
        components: how many pseudo-inputs, at least 1.
        low, high: bounds that pseudo-inputs are clipped to; None for those of x, if it has any, as preprocessor and
            likelihood of the VAE say.
        condition_size: k, of the conditions of a conditional VAE; 0 without.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        output_shape: list[int],
        components: int = 100,
        low: float | None = None,
        high: float | None = None,
        condition_size: int = 0,
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"VampPrior needs low < high, not low={low}, high={high}")
        self.x_shape, self.components = distributions.as_shape(output_shape), components
        self.low, self.high, self.condition_size = low, high, condition_size
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        start = keras.initializers.RandomNormal(0.5, 0.05)
        self.inputs = self.add_weight(shape=(components, *self.x_shape), initializer=start, name="inputs")
        self.keep_within(low, high)
        self.conditions = None
        if condition_size:
            shape = (components, condition_size)
            self.conditions = self.add_weight(shape=shape, initializer="zeros", name="conditions")

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        if infer is None:
            raise ValueError("a VampPrior is made of posteriors: call distribution with infer, the VAE's function")
        x, (low, high) = self.inputs.value, self.bounds
        if low is not None:
            x = tf.maximum(x, low)
        if high is not None:
            x = tf.minimum(x, high)
        conditions = None if self.conditions is None else self.conditions.value
        components, weights = infer(x, conditions), distributions.Categorical(logits=self.logits.value)

        def choose(indices: tf.Tensor) -> tfd.Distribution:
            return infer(*(None if part is None else tf.gather(part, indices) for part in (x, conditions)))

        return distributions.mix(components, weights, choose)

    def keep_within(self, low: float | None, high: float | None) -> None:
        self.bounds = low, high = [
            own if own is not None else of_x for own, of_x in ((self.low, low), (self.high, high))
        ]
        if low is None or high is None:
            return
        inputs = tf.convert_to_tensor(self.inputs)
        if tf.reduce_any((inputs < low) | (inputs > high)):  # where they would be clipped, and learn nothing
            self.inputs.assign(0.5 * (low + high) + (high - low) * (inputs - 0.5))

    def start(self, x: tf.Tensor, condition: tf.Tensor | None = None) -> None:
        rows = tf.range(self.components) % tf.shape(x)[0]  # repeated where there are fewer examples
        self.inputs.assign(tf.gather(x, rows))
        if self.conditions is not None:
            self.conditions.assign(tf.gather(condition, rows))

    def get_config(self) -> dict[str, Any]:
        own = ("components", "low", "high", "condition_size")
        shape = {"output_shape": list(self.x_shape)}
        return super().get_config() | shape | {name: getattr(self, name) for name in own}
