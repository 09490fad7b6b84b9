"""`Prior`: the layer that gives a distribution over latents, given nothing but conditions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions.paths import Path, line
from tfvae.distributions.shapes import as_shape

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Abstract layer: -> p(z), a `tfd.Distribution` with event shape `event_shape` and batch shape `[]`.

    A subclass defines `distribution`; weights, if any, are made in its `__init__` with `add_weight`. It may say too
    whether latents lie anywhere in R^n (`flat`, `nearest`), by which paths one goes from one to another (`paths`), how
    much of a latent the decoder sees (`decoder_shape`), how it starts from data (`start`), and, where it holds examples
    x, that these stay among the possible (`keep_within`).

    Args:
        event_shape: the latent size n, or an arrangement (H, W, C) of its numbers as maps, n = H W C.
    """

    flat = True  # whether latents may lie anywhere in R^n

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.arrangement = as_shape(event_shape)
        self.event_shape = (math.prod(self.arrangement),)
        self.built = True  # Keras never calls it: a layer cannot be called with no argument

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        """Give p(z), batch `[]`, or p(z|condition), batch `[B]`.

        Args:
            condition: `[B, k]` in a conditional VAE, else None.
            infer: the VAE's function (x `[K, *x's shape]`, condition `[K, k]` or None) -> q(z|x), batch `[K]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    @property
    def decoder_shape(self) -> tuple[int, ...]:
        """Give the shape `[m]` of what the decoder sees of a latent, its first m numbers: all, unless overridden."""
        return self.event_shape

    @property
    def paths(self) -> dict[str, Path]:
        """Give ways between latents: name -> function (start, end `[..., n]`, weight) -> z; the first is used."""
        return {"line": line}

    def between(self, start: tf.Tensor, end: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """Give the point at `weight`, 0 to 1, of the prior's own path from latent `start` to `end` `[..., n]`."""
        return next(iter(self.paths.values()))(start, end, weight)

    def nearest(self, z: tf.Tensor) -> tf.Tensor:
        """Give the latent nearest to z `[..., n]` that the prior can draw: z itself where it is `flat`."""
        return z

    def keep_within(self, low: float | None, high: float | None) -> None:
        """Keep examples that the prior holds within the bounds of x, which the VAE tells; None where there is none."""

    def start(self, x: tf.Tensor, condition: tf.Tensor | None = None) -> None:
        """Set weights from examples x `[N, *x's shape]` and conditions `[N, k]`, where that helps; here do nothing."""

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"event_shape": list(self.arrangement)}
