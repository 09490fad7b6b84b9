"""Distributions of x of which elements may be missing, and of blocks of elements side by side."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import Drawn, open_uniform
from tfvae.distributions.scalars import log_prob_of_elements

__all__ = ["Blocks", "Layout", "Observed"]


class Layout(NamedTuple):
    """Where blocks of columns lie in vectors, or along the last axis of maps.

    Attributes:
        sizes: k_i, of the blocks.
        places: for each column of the blocks, one block after the other, its place in the vector: a permutation of
            0 .. D - 1. None where it is the same.
    """

    sizes: tuple[int, ...]
    places: tuple[int, ...] | None = None

    def split(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Split vectors `[..., D]` into blocks `[..., k_i]`."""
        return tf.split(x if self.places is None else tf.gather(x, self.places, axis=-1), self.sizes, axis=-1)

    def join(self, blocks: Sequence[Any]) -> tf.Tensor:
        """Join blocks `[..., k_i]` to vectors `[..., D]`."""
        joined = tf.concat(blocks, axis=-1)
        return joined if self.places is None else tf.gather(joined, np.argsort(self.places), axis=-1)


class _Joint(Drawn, tfd.Distribution):
    """What both distributions here tell TFP of themselves; their batch is that of `like`."""

    def __init__(self, like: tfd.Distribution, parameters: dict[str, Any], name: str):
        self._like = like
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _batch_shape(self) -> tf.TensorShape:
        return self._like.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self._like.batch_shape_tensor()

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(log_prob_of_elements(self, x), axis=list(range(-self.event_shape.rank, 0)))


class Blocks(_Joint):
    """Vectors, or maps of vectors, of blocks whose elements are independent, each block with its own distribution.

    Args:
        parts: distributions with batch `[...]` and events `[..., k_i]`, whose elements are independent.
        layout: where they lie.
    """

    def __init__(self, parts: Sequence[tfd.Distribution], layout: Layout):
        parameters = dict(locals())
        self.parts, self.layout = tuple(parts), layout
        super().__init__(self.parts[0], parameters, "Blocks")

    def __getitem__(self, slices: Any) -> "Blocks":
        """Give a part of the batch."""
        return Blocks([part[slices] for part in self.parts], self.layout)

    def _event_shape(self) -> tf.TensorShape:
        return self._like.event_shape[:-1].concatenate([sum(self.layout.sizes)])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._event_shape().as_list())

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        seeds = [random.fold(seed, number) for number in range(len(self.parts))]
        drawn = [part.sample(sample_shape, seed=s, alike=alike) for part, s in zip(self.parts, seeds, strict=True)]
        return self.layout.join([tf.cast(block, tf.float32) for block in drawn])

    def _mean(self) -> tf.Tensor:
        return self.layout.join([part.mean() for part in self.parts])

    def _variance(self) -> tf.Tensor:
        return self.layout.join([part.variance() for part in self.parts])


@log_prob_of_elements.register
def _(distribution: Blocks, x: tf.Tensor, missing: tf.Tensor | None = None) -> tf.Tensor:
    gaps = [None] * len(distribution.parts) if missing is None else distribution.layout.split(missing)
    blocks = zip(distribution.parts, distribution.layout.split(x), gaps, strict=True)
    return distribution.layout.join([log_prob_of_elements(*block) for block in blocks])


class Observed(_Joint):
    """The distribution of what is observed of x, whose missing elements are NaN: log_prob sums over the others.

    As elements are independent, that is the distribution with the missing ones summed out: Nazabal et al. 2018,
    arXiv:1807.03653; Mattei and Frellsen 2019, arXiv:1812.02633.

    Args:
        whole: the distribution of x, whose elements are independent.
        filler: values that x may have, a number or `[*event]`, put where elements are missing.
        missing: logits of the probability that an element is missing, `[..., *event]`. log_prob is then that of which
            elements are missing too, and samples have NaN in their places. None: that is not modelled.
    """

    def __init__(self, whole: tfd.Distribution, filler: Any = 0.0, missing: tf.Tensor | None = None):
        parameters = dict(locals())
        self.whole, self.filler, self.missing = whole, filler, missing
        super().__init__(whole, parameters, "Observed")

    def __getitem__(self, slices: Any) -> "Observed":
        """Give a part of the batch."""
        return Observed(self.whole[slices], self.filler, None if self.missing is None else self.missing[slices])

    def _event_shape(self) -> tf.TensorShape:
        return self.whole.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self.whole.event_shape_tensor()

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        x = self.whole.sample(sample_shape, seed=seed, alike=alike)
        if self.missing is None:
            return x
        shape = self._noise_shape(sample_shape, alike)
        flat = tf.concat([shape[: tf.size(shape) - self.event_shape.rank], [self.event_shape.num_elements()]], axis=0)
        level = tf.reshape(open_uniform(flat, random.fold(random.fold(seed, 1), 1)), shape)
        return tf.where(level < tf.sigmoid(self.missing), np.float32(np.nan), x)

    def _mean(self) -> tf.Tensor:
        return self.whole.mean()

    def _variance(self) -> tf.Tensor:
        return self.whole.variance()


@log_prob_of_elements.register
def _(distribution: Observed, x: tf.Tensor, missing: tf.Tensor | None = None) -> tf.Tensor:
    missing = tf.math.is_nan(x) if missing is None else missing
    # the second `where` keeps the gradient finite: what was put in place of a missing value has none
    filled = tf.where(missing, tf.cast(distribution.filler, x.dtype), x)
    found = tf.where(missing, 0.0, log_prob_of_elements(distribution.whole, filled, missing))
    if distribution.missing is None:
        return found
    logits = distribution.missing
    return found + tf.where(missing, tf.math.log_sigmoid(logits), tf.math.log_sigmoid(-logits))
