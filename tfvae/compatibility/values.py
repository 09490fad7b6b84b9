"""Whether numbers are among those that a VAE takes: data, conditions, sample weights."""

import logging
import math
from typing import Any

import tensorflow as tf

from tfvae import random
from tfvae.compatibility.protocol import Loaded, VAELike
from tfvae.compatibility.shapes import check_unweighted, drop_rest, split_pair, to_condition, to_tensor
from tfvae.data import say

__all__ = [
    "PIXELS",
    "check_batch",
    "check_examples",
    "check_first",
    "check_values",
    "check_weights",
    "may_be_outside",
    "spread_condition",
]

PIXELS = (tf.uint8, tf.bool)  # types of which no number can be wrong


def check_first(vae: VAELike, first: Loaded) -> None:
    """Check the first batch of data, as loaded, and what becomes of it in training; say what a user should know."""
    if vae.condition_size:
        _check_condition_values(vae, split_pair(vae, first)[1])
    data = vae.split(first)[0]
    _check_preprocessor_takes(vae, data)
    x = vae.preprocess(first, training=True, seed=random.seed(vae.seed, random.Stream.DATA))
    _check_likelihood_models(vae, x)
    remark = vae.preprocessor_view.remark(data)
    if remark:
        say(remark, logging.WARNING)


def check_examples(vae: VAELike, loaded: Loaded) -> None:
    """Check a batch, data as loaded, with its values. In a program, where there are no values yet, do nothing.

    Raises:
        ValueError: when the batch does not fit, or holds values that the VAE does not take.
    """
    if tf.executing_eagerly():
        check_batch(vae, loaded if vae.condition_size else split_pair(vae, loaded)[0])


def check_batch(vae: VAELike, batch: Any) -> None:
    """Check a batch as `check_examples`; it may have more than the VAE takes, but no weights."""
    check_unweighted(batch)
    parts = drop_rest(vae, batch)
    vae.preprocess(parts if vae.condition_size else parts[0])  # checks shape and type
    check_values(vae, *parts)


def check_values(vae: VAELike, data: Any, condition: Any = None) -> None:
    """Check the numbers of data and conditions, as loaded.

    A preprocessor that knows what it takes is asked; with another one, what becomes of the data is held against what
    the likelihood models.

    Raises:
        ValueError: when some are outside of what the VAE takes.
    """
    if condition is not None:
        _check_condition_values(vae, to_tensor(condition))
    values = to_tensor(data)
    if not _check_preprocessor_takes(vae, values) and values.dtype not in PIXELS:
        _check_likelihood_models(vae, vae.preprocessor_view.preprocess(values, False, None))


def may_be_outside(batch: tuple) -> bool:
    """Say whether numbers of a batch, (x,) or (x, condition), may be outside of what a VAE takes: pixels are not."""
    return len(batch) > 1 or to_tensor(batch[0]).dtype not in PIXELS


def _check_given(vae: VAELike, condition: Any) -> tf.Tensor:
    """Check what a user gives `sample`, and give conditions as loaded, one row or several."""
    if not vae.condition_size:
        raise ValueError("a condition was given, but the VAE takes none: its condition_size is 0")
    condition = to_tensor(condition)
    if tf.executing_eagerly():
        _check_condition_values(vae, condition)
    return condition if not condition.dtype.is_floating or condition.shape.rank != 1 else condition[None]


def spread_condition(vae: VAELike, condition: Any, rows: int) -> tf.Tensor | None:
    """Give what a user gives `sample` as conditions of all rows, `[rows, k]`; None where none was given."""
    if condition is None:
        return None
    condition = to_condition(vae, _check_given(vae, condition))
    return tf.broadcast_to(condition, [rows, vae.condition_size])


def check_weights(weights: Any, rows: int) -> None:
    """Check that these are weights of `rows` examples.

    Raises:
        ValueError: when there are more or fewer, or one is negative or not finite.
    """
    weights = tf.convert_to_tensor(weights)
    if weights.shape[0] != rows or math.prod(weights.shape) != rows:
        raise ValueError(
            f"the sample weights have shape {tuple(weights.shape)}, but there are {rows} examples: one number for each"
        )
    wrong = ~(tf.math.is_finite(tf.cast(weights, tf.float64)) & (weights >= 0))
    if tf.reduce_any(wrong):
        raise ValueError(
            f"sample weights are finite and 0 or more, but one is {float(tf.boolean_mask(weights, wrong)[0])}"
        )


def _check_condition_values(vae: VAELike, condition: tf.Tensor) -> None:
    """Check that conditions are finite, or, where they are integers, classes."""
    if condition.dtype.is_floating:
        if not tf.reduce_all(tf.math.is_finite(condition)):
            raise ValueError("the data has conditions that are not finite")
        return
    condition = tf.reshape(tf.cast(condition, tf.int64), [-1])  # one, or several
    outside = (condition < 0) | (condition >= vae.condition_size)
    if tf.reduce_any(outside):
        example = int(tf.boolean_mask(condition, outside)[0])
        raise ValueError(f"conditions must be below {vae.condition_size} and not negative, but one is {example}")


def _check_preprocessor_takes(vae: VAELike, data: tf.Tensor) -> bool:
    """Check data against what the preprocessor takes; say whether it knows."""
    view = vae.preprocessor_view
    inside = view.support(data)
    if inside is None:
        return False
    _check_inside(inside, data, f"the preprocessor {type(vae.preprocessor).__name__} takes {view.domain}", "the data")
    return True


def _check_likelihood_models(vae: VAELike, x: tf.Tensor) -> None:
    """Check x against what the likelihood models."""
    likelihood, through = vae.likelihood, f"the data, through {type(vae.preprocessor).__name__},"
    _check_inside(
        likelihood.support(x), x, f"the likelihood {type(likelihood).__name__} models {likelihood.domain}", through
    )


def _check_inside(inside: tf.Tensor, values: tf.Tensor, expected: str, found: str) -> None:
    """Check that all values are inside, bool, the same shape; the error names both sides, and a value."""
    if not tf.reduce_all(inside):
        example = tf.boolean_mask(values, ~inside)[0]
        raise ValueError(f"{expected}, but {found} has values such as {example:.4g}")
