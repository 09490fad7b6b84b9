"""Images of one size."""

from collections.abc import Sequence

import tensorflow as tf

__all__ = ["crop_and_resize"]


def crop_and_resize(image: tf.Tensor, size: Sequence[int]) -> tf.Tensor:
    """Cut the middle of an image uint8 [H, W, C], in the aspect of `size` = (height, width), and resize it to that."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_min(shape / tf.constant(size, tf.float32))
    crop = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
    image = tf.image.resize_with_crop_or_pad(image, crop[0], crop[1])
    image = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
