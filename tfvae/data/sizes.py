"""Pictures of one size."""

import tensorflow as tf

__all__ = ["resized"]


def resized(image, size):
    """[H, W, C] uint8 -> the middle, in the aspect of size = (height, width), resized to it."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_min(shape / tf.constant(size, tf.float32))
    crop = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
    image = tf.image.resize_with_crop_or_pad(image, crop[0], crop[1])
    image = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
