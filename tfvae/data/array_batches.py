"""Arrays that are in memory -> batches -> groups of batches.

Data that is in memory is copied once only, when a batch or a group of batches is read from it. Where all batches of a
pass are one group, one program reads it, without `tf.data`.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.data.batches import Batches, Passes, Position, disable_tuning, read_ahead, remember
from tfvae.programs import program

__all__ = ["ArrayBatches", "batch_arrays"]

MAX_KEPT = 2**23  # bytes of a group that is read once for all passes


class ArrayBatches(Batches):
    """Batches of arrays `[N, ...]` that stay in memory: of one array tensors `[B, ...]`, of several tuples.

    Args:
        arrays: list of arrays of the same length; it is emptied, so that no array is in memory twice.
        batch_size: examples per batch; the last may have fewer.
        shuffle: whether the order is another one in each pass.
        seed: integer, of the order.
        position: where the next pass begins.
    """

    in_memory = True
    count: int
    _only_group: Any = None  # of passes that are alike

    def __init__(
        self,
        arrays: list[Any],
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        position: Position | None = None,
    ):
        self._tensors = tuple(_to_tensor(arrays.pop(0)) for _ in range(len(arrays)))
        self._examples, self._batch_size = len(self._tensors[0]), batch_size
        self._seed = seed % 2**63 if shuffle else None
        small = sum(tf.size(tensor).numpy() * tensor.dtype.size for tensor in self._tensors) <= MAX_KEPT
        self._alike = small and not shuffle and position is None  # one pass as the other
        self._position = position or Position()
        self.count = -(-self._examples // batch_size)

    @property
    def dataset(self) -> tf.data.Dataset:
        """Data set of the batches; made anew, for it is what keeps these."""
        read = self._read if self._examples % self._batch_size == 0 else lambda rows: self._read(rows[rows >= 0])
        return read_ahead(self._indices.map(_plain(read)), self.count, self._position)

    def groups(self, size: int) -> tf.data.Dataset:
        """As `Batches.groups`; examples are copied straight from the arrays into the group."""
        return disable_tuning(self._indices.batch(size).map(_plain(self._read_group)).prefetch(1))

    def passes(self, size: int) -> Passes:
        """As `Batches.passes`."""
        if size == 1 or self.count > size:
            return super().passes(size)
        return Passes(self._begin)

    def pieces(self, size: int) -> Iterator[Any]:
        """Go over all examples, in the order of the arrays, `size` at a time."""
        count = self._examples
        return (self._read(tf.range(start, min(start + size, count))) for start in range(0, count, size))

    def _begin(self) -> Iterator[Any]:
        """Begin a pass of one group."""
        if self._only_group is not None:
            yield self._only_group
            return
        group = self._next_group()
        if self._alike:
            self._only_group = group
        yield group

    @functools.cached_property
    def _next_group(self) -> Any:
        """Program: () -> all batches of the next pass, in a group."""
        return program(lambda: self._read_group(self._order()), autograph=False)

    @property
    def _indices(self) -> tf.data.Dataset:
        """The rows of each batch `[B]`, -1 where the last batch has none."""
        return tf.data.Dataset.range(1).map(_plain(lambda _: self._order())).unbatch()

    def _order(self) -> tf.Tensor:
        """Begin the next pass: the rows of its batches `[batches, B]`, -1 for rows that are missing."""
        number, skip = self._position.begin()
        rows = tf.range(self._examples)
        if self._seed is not None:
            rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([self._seed, number]))
        missing = -self._examples % self._batch_size  # rows of the last batch
        return tf.reshape(tf.pad(rows, [[0, missing]], constant_values=-1), [-1, self._batch_size])[skip:]

    def _read(self, rows: tf.Tensor) -> Any:
        """Give the examples of these rows."""
        found = tuple(tf.gather(tensor, rows) for tensor in self._tensors)
        return found if len(found) > 1 else found[0]

    def _read_group(self, rows: tf.Tensor) -> tuple[tf.Tensor, Any]:
        """Give a group of the batches of these rows `[g, B]`: how many rows each has `[g]`, and the batches."""
        return tf.reduce_sum(tf.cast(rows >= 0, tf.int32), axis=1), self._read(tf.maximum(rows, 0))


def batch_arrays(
    arrays: list[Any], batch_size: int, shuffle: bool = False, seed: int = 0, position: Position | None = None
) -> tf.data.Dataset:
    """Give the batches of arrays as a data set: see `ArrayBatches`."""
    batches = ArrayBatches(arrays, batch_size, shuffle, seed, position)
    dataset = batches.dataset
    remember(dataset, lambda _: batches)
    return dataset


def _plain(function: Any) -> Any:
    """Keep TensorFlow from rewriting a function, which has no Python conditions of tensors."""
    return tf.autograph.experimental.do_not_convert(function)


def _to_tensor(array: Any) -> tf.Tensor:
    """Convert an array to a tensor of the types that Keras uses: floats as float32, the rest as it is."""
    if isinstance(array, tf.Tensor):
        return array
    array = np.asarray(array)
    return tf.convert_to_tensor(array.astype(np.float32) if array.dtype == np.float64 else array)
