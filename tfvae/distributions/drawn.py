"""Samples by `tfvae.random`: the same eagerly, under XLA and on several replicas, where TFP's own samplers differ."""

import functools
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random

__all__ = ["Drawn", "draw_rows_alike", "open_uniform", "pick_class"]


# what the bases beside it have; a second real base would change the order in which methods are found
DistributionMixin: Any = tfd.Distribution if TYPE_CHECKING else object


class Drawn(DistributionMixin):
    """Make a TFP distribution draw by `tfvae.random`: put this first among the bases, and define `_draw`.

    Of samples `[*sample_shape, *batch, *event]` the last axis before the event counts the rows of the batch: a row's
    noise depends on its place in the global batch, whatever other rows are drawn here.

    TFP's own extension point, `_sample_n`, is given the number of samples and not their shape. Of a distribution of
    batch `[]` the rows are in that shape, so `sample` itself is overridden.
    """

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        """Draw samples `[*sample_shape, *batch, *event]`.

        Args:
            sample_shape: vector of integers.
            seed: int32 `[2]`.
            alike: whether all rows of the batch have the same noise; the axis of rows may then have size 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define _draw")

    def _noise_shape(self, sample_shape: tf.Tensor, alike: bool) -> tf.Tensor:
        """Give the shape of the noise: that of the samples, or with one row for all."""
        batch = self.batch_shape_tensor()
        if alike:
            batch = tf.concat([batch[:-1], tf.ones_like(batch[-1:])], axis=0)
        return tf.concat([sample_shape, batch, self.event_shape_tensor()], axis=0)

    def sample(self, sample_shape: Any = (), seed: Any = None, name: str = "sample", alike: bool = False) -> tf.Tensor:
        """Draw samples, as TFP's distributions do.

        Args:
            sample_shape: integer or vector of integers.
            seed: int32 `[2]`.
            name: of the operations.
            alike: whether to draw all rows of a batch from the same noise. Each is then a function of its parameters
                and the seed alone, wherever it stands in a batch, and on whichever replica.

        Returns:
            `[*sample_shape, *batch, *event]`.
        """
        with tf.name_scope(self.name), tf.name_scope(name):
            sample_shape = tf.reshape(tf.convert_to_tensor(sample_shape, tf.int32), [-1])
            value = self._draw(sample_shape, tfp.random.sanitize_seed(seed), alike)
            if alike:  # parameters need not have spread the rows
                shape = [sample_shape, self.batch_shape_tensor(), self.event_shape_tensor()]
                value = tf.broadcast_to(value, tf.concat(shape, axis=0))
            value.set_shape(self._static_shape(sample_shape))  # of the same tensor, of which bijectors keep the inverse
            return value

    def _static_shape(self, sample_shape: tf.Tensor) -> tf.TensorShape:
        """Give what is known of the samples' shape before the program runs."""
        sizes = tf.get_static_value(sample_shape)
        known = tf.TensorShape([None] * sample_shape.shape[0] if sizes is None else list(sizes))
        return known.concatenate(self.batch_shape).concatenate(self.event_shape)

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: Any, **kwargs: Any) -> tuple[tf.Tensor, tf.Tensor]:
        value = self.sample(sample_shape, seed=seed, **kwargs)
        return value, self.log_prob(value)


@functools.singledispatch
def draw_rows_alike(distribution: tfd.Distribution, sample_shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw as `sample`, with the same noise for all rows of the batch, where the distribution can.

    TFP's own distributions cannot: theirs are drawn as usual. What can is registered for its class.
    """
    return distribution.sample(sample_shape, seed=seed)


@draw_rows_alike.register
def _(distribution: Drawn, sample_shape: Any, seed: tf.Tensor) -> tf.Tensor:
    return distribution.sample(sample_shape, seed=seed, alike=True)


def open_uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw uniform float32 numbers within (0, 1), never its ends, where quantiles may be infinite.

    Args:
        shape: `[..., rows, n]`, as for `random.bits`.
        seed: int32 `[2]`.
    """
    return random.uniform(shape, seed) + 2.0**-24


def pick_class(level: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Pick the class at `level`, within (0, 1), of the cumulated probabilities of logits `[..., K]`: int32 `[...]`."""
    to = tf.cumsum(tf.exp(tf.nn.log_softmax(logits)), axis=-1)[..., :-1]  # rounding cannot pass the last class
    return tf.reduce_sum(tf.cast(level[..., None] > to, tf.int32), axis=-1)
