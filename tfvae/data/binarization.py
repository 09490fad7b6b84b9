"""Binary pixels, 0 and 255, of grey ones: drawn once ("static"), or cut at one half ("threshold")."""

import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae import random

__all__ = ["Binarizer", "make_binarizer"]

Binarizer = Callable[[tf.Tensor, str, tf.Tensor], tf.Tensor]  # (images [N, H, W, C], split, index of the first) -> same
NUMBERS = (tf.uint32, tf.int32, tf.int32)  # of a draw: seed, split, index of the first example


def make_binarizer(binarize: str | None, seed: int, dtype: np.dtype) -> Binarizer:
    """Make the function that gives pixels of 0 and 255.

    Args:
        binarize: as for `load`; with None pixels stay as they are.
        seed: of "static".
        dtype: of the data, uint8 unless `binarize` is None.
    """
    if binarize is None:
        return lambda images, split, first: images
    if dtype != np.uint8:
        raise ValueError(f"binarize={binarize!r} is for uint8 images; the data is {dtype}")
    if binarize == "threshold":
        return lambda images, split, first: 255 * tf.cast(images >= 128, tf.uint8)
    if binarize != "static":
        raise ValueError(f"binarize is 'static' or 'threshold', not {binarize!r}")

    def draw(images: tf.Tensor, split: str, first: tf.Tensor) -> tf.Tensor:
        number = zlib.crc32(split.encode()) & 0x7FFFFFFF
        return _draw_pixels(images, tf.constant(seed & 0xFFFFFFFF, tf.uint32), number, first)

    return draw


@tf.function(input_signature=[tf.TensorSpec(None, tf.uint8), *(tf.TensorSpec([], t) for t in NUMBERS)])
def _draw_pixels(images, seed, split, first):
    """Draw pixels of 0 and 255, with their grey values as probability: one program for all data."""
    stream = random.seed(seed, random.Stream.DATA, split, first)
    flat = tf.reshape(images, [tf.shape(images)[0], -1])
    white = random.uniform(tf.shape(flat), stream) < tf.cast(flat, tf.float32) / 255.0
    return tf.reshape(255 * tf.cast(white, tf.uint8), tf.shape(images))
