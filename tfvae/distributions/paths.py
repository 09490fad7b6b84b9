"""Paths from one latent to another."""

from collections.abc import Callable

import tensorflow as tf

__all__ = ["Path", "arc", "line"]

Path = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]  # start, end, weight -> point


def line(start: tf.Tensor, end: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Give the point at `weight`, 0 to 1, of the straight line from `start` to `end` `[..., n]`."""
    return (1 - weight) * start + weight * end


def arc(start: tf.Tensor, end: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Give the point at `weight`, 0 to 1, of an arc from `start` to `end` `[..., n]`: angle and length change evenly.

    Where both lie on one line through the origin there is no such arc, and the line is taken.
    """
    lengths = tf.norm(start, axis=-1, keepdims=True) * tf.norm(end, axis=-1, keepdims=True)
    product = tf.reduce_sum(start * end, axis=-1, keepdims=True)
    cosine = tf.where(lengths > 0, tf.math.divide_no_nan(product, lengths), 1.0)
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    sine = tf.sin(angle)
    first = tf.where(sine > 1e-3, tf.math.divide_no_nan(tf.sin((1 - weight) * angle), sine), 1 - weight)
    second = tf.where(sine > 1e-3, tf.math.divide_no_nan(tf.sin(weight * angle), sine), weight)
    return first * start + second * end
