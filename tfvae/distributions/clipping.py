"""Bounds of what networks give: smooth, so that gradients never vanish altogether, and invertible."""

import tensorflow as tf

__all__ = ["bounded_exp", "inverse_soft_clip", "soft_clip"]


def soft_clip(raw: tf.Tensor, bound: float) -> tf.Tensor:
    """Clip softly to stay within -bound and bound: about the identity near 0; `inverse_soft_clip` undoes it."""
    return bound * tf.tanh(raw / bound)


def inverse_soft_clip(value: tf.Tensor, bound: float) -> tf.Tensor:
    """Give the raw number of which `soft_clip` makes `value`, within -bound and bound."""
    return bound * tf.atanh(value / bound)


def bounded_exp(raw: tf.Tensor, bound: float = 7.0) -> tf.Tensor:
    """Exponentiate, softly clipped to stay within exp(-bound) and exp(bound): neither infinity nor zero is reached."""
    return tf.exp(soft_clip(raw, bound))
