"""Likelihoods of real numbers."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Laplace", "Normal"]

register = keras.saving.register_keras_serializable("tfvae")


class _LocationScale(distributions.Conditional):
    """Mean from the features; scale fixed, or learned as weights of the layer.

    Raises:
        ValueError: when scale is not positive, or scale_shape does not broadcast to event_shape.
    """

    elementwise = True

    def __init__(
        self, event_shape: int | Sequence[int], scale: float = 1.0, scale_shape: list[int] | None = None, **kwargs
    ):
        super().__init__(event_shape, **kwargs)
        if not scale > 0:
            raise ValueError(f"scale must be positive, not {scale}")
        self.scale, self.scale_shape = scale, None if scale_shape is None else tuple(scale_shape)
        self.log_ratio = None  # of the learned scale to its start
        if self.scale_shape is not None:
            event = tf.TensorShape(self.event_shape)
            if tf.broadcast_static_shape(event, tf.TensorShape(self.scale_shape)) != event:
                raise ValueError(f"scale_shape {self.scale_shape} does not broadcast to the event's {self.event_shape}")
            self.log_ratio = self.add_weight(shape=self.scale_shape, initializer="zeros", name="log_ratio")

    def learned_scale(self) -> Any:
        """Give the scale, of shape `scale_shape`, or a number where it is fixed."""
        return self.scale if self.log_ratio is None else self.scale * distributions.bounded_exp(self.log_ratio.value)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return (mean,)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale, "scale_shape": self.scale_shape}


@register
class Normal(_LocationScale):
    """p(x|z) = prod_i N(x_i; mean_i(z), scale_i^2); `tfd.Normal`. With a fixed scale, the loss is the squared error
    over 2 scale^2, and a constant. A learned scale: Rybkin, Daniilidis and Levine 2020, arXiv:2006.13202.

    Args:
        event_shape: shape of x.
        scale: the scale, or its start where it is learned; positive.
        scale_shape: None keeps the scale fixed; `[]` learns one for all of x; a shape that broadcasts to x's learns as
            many: `[28, 28, 1]` one per pixel of such an image, `[1, 1, 3]` one per channel, `[n]` one per column.
    """

    def distribution(self, mean: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        return distributions.Independent(tfd.Normal(mean, self.learned_scale()), len(self.event_shape))


@register
class Laplace(_LocationScale):
    """p(x|z) = prod_i Laplace(x_i; mean_i(z), scale_i); `tfd.Laplace`. With a fixed scale, the loss is the
    absolute error over the scale, and a constant.

    Args:
        event_shape: shape of x.
        scale: the scale, or its start where it is learned; positive.
        scale_shape: None keeps the scale fixed; `[]` learns one for all of x; a shape that broadcasts to x's learns as
            many: `[28, 28, 1]` one per pixel of such an image, `[1, 1, 3]` one per channel, `[n]` one per column.
    """

    def distribution(self, mean: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        return distributions.Independent(tfd.Laplace(mean, self.learned_scale()), len(self.event_shape))
