"""Samples by `tfvae.random`: the same eagerly, under XLA and on several replicas, where TFP's own samplers differ."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random

__all__ = ["Drawn", "open_uniform", "picked", "rows_alike"]

_alike = contextvars.ContextVar("alike", default=False)


@contextlib.contextmanager
def rows_alike() -> Iterator[None]:
    """Within, `Drawn` distributions with a batch draw all its rows from the same noise: each is then a function of its
    parameters and the seed alone, wherever it stands in a batch, and on whichever replica."""
    token = _alike.set(True)
    try:
        yield
    finally:
        _alike.reset(token)


# what the bases beside it have; a second real base would change the order in which methods are found
_Base: Any = tfp.distributions.Distribution if TYPE_CHECKING else object


class Drawn(_Base):
    """Makes a TFP distribution draw by `tfvae.random`: put it first among the bases, and define `_drawn`.

    Of samples `[*sample_shape, *batch, *event]` the last axis before the event counts the rows of the batch: a row's
    noise depends on its place in the global batch, whatever other rows are drawn here.
    """

    def _drawn(self, sample_shape, seed):
        """Samples `[*sample_shape, *batch, *event]`, for a vector `sample_shape` and a seed int32 `[2]`."""
        raise NotImplementedError(f"{type(self).__name__} must define _drawn")

    def _shape_of(self, sample_shape):
        """Of the noise: that of the samples, or one that goes with it (see `rows_alike`)."""
        batch = self.batch_shape_tensor()
        if _alike.get():
            batch = tf.concat([batch[:-1], tf.ones_like(batch[-1:])], axis=0)
        return tf.concat([sample_shape, batch, self.event_shape_tensor()], axis=0)

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        del kwargs  # none of ours takes any
        sample_shape = tf.reshape(tf.convert_to_tensor(sample_shape, tf.int32), [-1])
        value = self._drawn(sample_shape, tfp.random.sanitize_seed(seed))
        if _alike.get():  # parameters need not have spread the rows
            shape = tf.concat([sample_shape, self.batch_shape_tensor(), self.event_shape_tensor()], axis=0)
            value = tf.broadcast_to(value, shape)
        return self._set_sample_static_shape(value, sample_shape)

    def _sample_and_log_prob(self, sample_shape, seed, **kwargs):
        value = self._call_sample_n(sample_shape, seed, **kwargs)
        return value, self.log_prob(value)


def open_uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Uniform float32 numbers within (0, 1), never its ends, where quantiles may be infinite; shape as for `bits`."""
    return random.uniform(shape, seed) + 2.0**-24


def picked(level: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The class at `level`, within (0, 1), of the cumulated probabilities of `logits` `[..., K]`: int32 `[...]`."""
    to = tf.cumsum(tf.exp(tf.nn.log_softmax(logits)), axis=-1)[..., :-1]  # rounding cannot pass the last class
    return tf.reduce_sum(tf.cast(level[..., None] > to, tf.int32), axis=-1)
