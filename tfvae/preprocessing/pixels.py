"""Preprocessors of pixels: `Binarize` to zeros and ones, `Rescale` to an interval."""

from typing import Any

import keras
import tensorflow as tf

from tfvae import random
from tfvae.preprocessing.base import Bounds, Preprocessor

__all__ = ["Binarize", "Rescale"]

register = keras.saving.register_keras_serializable("tfvae")


class _Pixels(Preprocessor):
    """Takes uint8 pixels 0..255 or floats in [0, 1]."""

    data_dtype = "uint8"
    domain = "uint8 pixels or floats in [0, 1]"

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    @property
    def bounds(self) -> Bounds:
        return 0.0, 1.0

    def support(self, data: tf.Tensor) -> tf.Tensor:
        """Say which elements of data are pixels: bool, the same shape."""
        if data.dtype.is_floating:
            return (data >= 0) & (data <= 1)
        return tf.fill(tf.shape(data), data.dtype == tf.uint8)

    def _to_unit(self, data: tf.Tensor) -> tf.Tensor:
        """Pixels -> float32 in [0, 1]."""
        return tf.cast(data, tf.float32) / 255.0 if data.dtype == tf.uint8 else tf.cast(data, tf.float32)


@register
class Binarize(_Pixels):
    """Pixels -> x of zeros and ones, float32.

    In training each pixel is drawn anew, 1 with its grey value as probability ("dynamic" binarisation, Salakhutdinov
    and Murray 2008); otherwise it is 1 from one half up. Black and white pixels pass unchanged either way. A drawn
    uint8 pixel costs 8 random bits: its probability is within 1/512 of value/255.

    Call arguments: data `[B, ...]`, uint8 0..255 or float in [0, 1]; training; seed int32 `[2]`, needed in training.
    """

    def remark(self, data: tf.Tensor) -> str | None:
        """Say that pictures with colours lose them; None of other data."""
        if len(data.shape) != 4 or data.shape[-1] != 3:
            return None
        ends = (data == 0) | (data == (255 if data.dtype == tf.uint8 else 1))
        if tf.reduce_all(ends):
            return None
        return (
            "the data is pictures with colours, of which Binarize makes channels of 0 and 1: to keep the colours use "
            "preprocessing.Rescale with a likelihood of pixels, such as DiscretizedLogistic, or load with channels=1"
        )

    def preprocess(self, data: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        return self(data, training=training, seed=seed)

    def call(self, data: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        if not training:
            half = 128 if data.dtype == tf.uint8 else 0.5
            return tf.cast(data >= tf.cast(half, data.dtype), tf.float32)
        if seed is None:
            raise ValueError("Binarize draws noise in training: call it with a seed")
        flat = tf.reshape(data, [tf.shape(data)[0], -1])  # [B, pixels]
        if data.dtype == tf.uint8:
            value = tf.cast(flat, tf.int32)
            drawn = random.bytes_below(value + value // 128, seed)  # of 256: 0 is never drawn, 255 always
        else:
            drawn = random.uniform(tf.shape(flat), seed) < self._to_unit(flat)
        return tf.reshape(tf.cast(drawn, tf.float32), tf.shape(data))


@register
class Rescale(_Pixels):
    """Pixels -> float32 in [low, high].

    Call arguments: data `[B, ...]`, uint8 0..255 or float in [0, 1].
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not low < high:
            raise ValueError(f"Rescale needs low < high, not low={low}, high={high}")
        self.low, self.high = low, high

    @property
    def bounds(self) -> Bounds:
        return self.low, self.high

    def call(self, data: tf.Tensor) -> tf.Tensor:
        return self.low + (self.high - self.low) * self._to_unit(data)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"low": self.low, "high": self.high}
