"""`Preprocessor`: the protocol of preprocessors that know which data they take, or draw noise."""

import keras
import tensorflow as tf

from tfvae.tables import Schema

__all__ = ["Bounds", "Preprocessor"]

Bounds = tuple[float | None, float | None]  # lowest and highest number, None where there is none


class Preprocessor(keras.layers.Layer):
    """Abstract layer: data as loaded `[B, ...]` -> x `[B, *event]`, float32.

    A subclass defines `call`. One that draws noise overrides `preprocess`, which is handed the seed, too; one whose x
    is not what an encoder should see overrides `seen`. All else has defaults that promise nothing.

    Attributes:
        data_dtype: the type of data that an exported model takes, "uint8" or "float32".
        bounds: lowest and highest number of x.
        domain: in words, which data `support` allows.
        schema: the `tables.Schema` by which rows become data, and x becomes rows; None where data is no table.
    """

    data_dtype: str = "float32"
    domain: str = "finite numbers"
    schema: Schema | None = None

    @property
    def bounds(self) -> Bounds:
        return None, None

    def support(self, data: tf.Tensor) -> tf.Tensor | None:
        """Say which elements of data the layer can take: bool, the shape of data. None unless the layer knows: then x
        is held against what the likelihood models."""
        return None

    def seen_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of what the encoder sees of one x."""
        return event_shape

    def seen(self, x: tf.Tensor) -> tf.Tensor:
        """Give what the encoder sees of x `[B, *event]`, which the likelihood models: x, unless a subclass says so."""
        return x

    def hidden(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Give x `[B, *event]` as the encoder is shown it in training, drawn from `seed`, int32 `[2]`: x, unless a
        subclass hides some of it."""
        return x

    def remark(self, data: tf.Tensor) -> str | None:
        """Say what a user should know of data that the layer takes, in words; None where there is nothing to say."""
        return None

    def adapt(self, data: tf.data.Dataset) -> None:
        """Fit what follows from statistics of the training data, batches `[B, ...]`; nothing by default."""

    def preprocess(self, data: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Give x; in training, noise may be drawn from `seed`, int32 `[2]`."""
        return self(data, training=training)
