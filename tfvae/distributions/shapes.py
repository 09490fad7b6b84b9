"""Shapes: sizes that users give, and networks over any batch shape."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["as_shape", "as_sizes", "check_broadcast", "check_sphere", "over_rows"]


def as_shape(shape: Any) -> tuple[int, ...]:
    """Make a tuple of a size or a sequence of sizes; raise ValueError unless all are positive integers."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise ValueError(f"a shape is one or more positive integers, not {shape!r}")
    return sizes


def as_sizes(sizes: Any) -> tuple[int, ...]:
    """Make a tuple of the sizes of layers, of which there may be none; raise ValueError as `as_shape`."""
    return as_shape(sizes) if isinstance(sizes, int) or len(sizes) else ()


def check_broadcast(name: str, shape: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a shape, the argument of this name, broadcasts to the event's."""
    pairs = zip(shape[::-1], event_shape[::-1], strict=False)
    if len(shape) > len(event_shape) or any(size not in (1, of_event) for size, of_event in pairs):
        raise ValueError(f"{name} {shape} does not broadcast to the event's {event_shape}")


def check_sphere(event_shape: tuple[int, ...]) -> None:
    """Raise ValueError for the latent size 1, of which there is no sphere to move on."""
    if event_shape == (1,):
        raise ValueError("a sphere needs a latent size of 2 or more, not 1")


def over_rows(
    network: Callable, z: tf.Tensor, condition: tf.Tensor | None = None, shape: tuple[int, ...] | None = None, **kwargs
) -> tf.Tensor:
    """Apply a network, which takes rows, to z of any batch shape.

    Args:
        network: function of z `[N, n]`, or, with a condition, of a list of z and conditions `[N, k]` -> `[N, *output]`.
        z: `[..., n]`.
        condition: `[B, k]`, whose batch broadcasts to z's, or None.
        shape: in which the network takes the n numbers of z, where it takes them as maps.
        kwargs: further arguments of the network.

    Returns:
        `[..., *output]`.
    """
    rows = inputs = tf.reshape(z, [-1, *(shape or z.shape[-1:])])
    if condition is not None:
        condition = tf.broadcast_to(condition, tf.concat([tf.shape(z)[:-1], tf.shape(condition)[-1:]], axis=0))
        inputs = [rows, tf.reshape(condition, [-1, condition.shape[-1]])]
    features = network(inputs, **kwargs)  # [prod(...), *output]
    whole = tf.concat([tf.shape(z)[:-1], features.shape[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(features, whole), [*z.shape[:-1], *features.shape[1:]])
