"""Examples -> batches -> groups of batches, as `tf.data`.

Data that is in memory is copied once only, when a batch or a group of batches is read from it. What is known of a data
set beyond what `tf.data` itself knows (where its arrays are, how many batches a whole pass has) is asked of `Batches`.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["Batches", "Position", "batch_arrays", "disable_tuning", "group_batches", "number_passes", "read_ahead"]


class Position(tf.Module):
    """How far a data set has been read, for a run that goes on.

    Attributes:
        passes: int64 variable, how often the data set has been begun; the order of a pass follows from its number.
        skip: int64 variable, batches to leave out of the next pass.
    """

    passes: tf.Variable
    skip: tf.Variable

    def __init__(self, skip: int = 0):
        super().__init__()
        with tf.init_scope():
            self.passes = tf.Variable(0, dtype=tf.int64, trainable=False)
            self.skip = tf.Variable(skip, dtype=tf.int64, trainable=False)

    def begin(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Begin the next pass: give its number, and how many of its batches to leave out."""
        number = self.passes.assign_add(1) - 1
        skip = tf.identity(self.skip.read_value())
        with tf.control_dependencies([skip]):
            self.skip.assign(0)
        return number, skip


class Batches:
    """Batches that steps are taken on: a data set, and what is known of it.

    Attributes:
        dataset: `tf.data` of batches, each a tensor `[B, ...]` or a tuple of tensors.
        count: batches of a whole pass; None where that is not known, or there is no end.
        in_memory: whether `pieces` gives all examples.
    """

    dataset: tf.data.Dataset
    count: int | None
    in_memory = False

    def __init__(self, dataset: tf.data.Dataset, count: int | None = None):
        self.dataset, self.count = dataset, count

    @staticmethod
    def of(dataset: tf.data.Dataset) -> "Batches":
        """Give the batches of any data set: with all that is known of it."""
        return _makers.get(dataset, _of_any)(dataset)

    def map(self, function: Callable[..., Any]) -> "Batches":
        """Give the batches that a function makes of these, one of each."""
        return Batches(self.dataset.map(function), self.count)

    def groups(self, size: int) -> tf.data.Dataset:
        """Put batches `[B, ...]` into groups: the rows that each batch has `[g]`, and the batches `[g, B, ...]`.

        A group has `size` batches, the last one as many as are left; batches with fewer rows than others are filled up.
        """
        counted = self.dataset.map(lambda *batch: (_count_rows(batch), batch if len(batch) > 1 else batch[0]))
        return disable_tuning(counted.padded_batch(size).prefetch(1))

    def pieces(self, size: int) -> Iterator[Any]:
        """Go over the examples that are in memory, in their order, `size` at a time; over none of a stream."""
        return iter(())


class _Arrays(NamedTuple):
    """What `batch_arrays` knows of its data set: N examples, the function (rows -> batch) that reads them, and the
    data set of the rows of each batch `[B]`, -1 where the last batch has none."""

    examples: int
    read: Callable[[tf.Tensor], Any]
    indices: tf.data.Dataset


class _ArrayBatches(Batches):
    """Batches of arrays that are in memory."""

    in_memory = True

    def __init__(self, dataset: tf.data.Dataset, count: int, arrays: _Arrays):
        super().__init__(dataset, count)
        self._arrays = arrays

    def groups(self, size: int) -> tf.data.Dataset:
        """As `Batches.groups`; examples are copied straight from the arrays into the group."""
        read = self._arrays.read
        groups = self._arrays.indices.batch(size).map(
            lambda rows: (_count_rows_of_each(rows), read(tf.maximum(rows, 0)))
        )
        return disable_tuning(groups.prefetch(1))

    def pieces(self, size: int) -> Iterator[Any]:
        """Go over all examples, in the order of the arrays, `size` at a time."""
        count = self._arrays.examples
        return (self._arrays.read(tf.range(start, min(start + size, count))) for start in range(0, count, size))


# what makes the `Batches` of a data set that this module made; `tf.data` has no place to write it down
_makers: weakref.WeakKeyDictionary[Any, Callable[[tf.data.Dataset], Batches]] = weakref.WeakKeyDictionary()


def _of_any(dataset: tf.data.Dataset) -> Batches:
    count = int(dataset.cardinality())
    return Batches(dataset, count if count >= 0 else None)


def number_passes(
    make_pass: Callable[[tf.Tensor], tf.data.Dataset], position: Position | None = None
) -> tf.data.Dataset:
    """Give a data set each pass of which is another: that which `make_pass` makes of the number of the pass."""
    position = position or Position()

    def begin(_):
        number, skip = position.begin()
        return make_pass(number).skip(skip)

    return tf.data.Dataset.range(1).flat_map(begin)


def batch_arrays(
    arrays: list[Any], batch_size: int, shuffle: bool = False, seed: int = 0, position: Position | None = None
) -> tf.data.Dataset:
    """Give batches of arrays that stay in memory: an array `[N, ...]` gives `[B, ...]`, several give tuples.

    Args:
        arrays: list of arrays of the same length; it is emptied, so that no array is in memory twice.
        batch_size: examples per batch; the last may have fewer.
        shuffle: whether the order is another one in each pass.
        seed: integer, of the order.
        position: where the next pass begins.
    """
    tensors = tuple(_to_tensor(arrays.pop(0)) for _ in range(len(arrays)))
    count, position = len(tensors[0]), position or Position()
    missing = -count % batch_size  # rows of the last batch

    def order(_):  # [batches, batch_size], -1 for rows that are missing
        number, skip = position.begin()
        rows = tf.range(count)
        if shuffle:
            rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([seed % 2**63, number]))
        return tf.reshape(tf.pad(rows, [[0, missing]], constant_values=-1), [-1, batch_size])[skip:]

    def read(rows):
        found = tuple(tf.gather(tensor, rows) for tensor in tensors)
        return found if len(found) > 1 else found[0]

    indices = tf.data.Dataset.range(1).map(order).unbatch()
    number = -(-count // batch_size)
    batches = read_ahead(indices.map(lambda rows: read(rows[rows >= 0] if missing else rows)), number, position)
    _makers[batches] = functools.partial(_ArrayBatches, count=number, arrays=_Arrays(count, read, indices))
    return batches


def read_ahead(batches: tf.data.Dataset, count: int, position: Position | None = None) -> tf.data.Dataset:
    """Read batches before they are wanted, and make known how many a whole pass has."""
    if position is None or not int(position.skip):
        return disable_tuning(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))
    batches = disable_tuning(batches.prefetch(2))  # the next pass is short: `tf.data` cannot be told the count
    _makers[batches] = functools.partial(Batches, count=count)
    return batches


def group_batches(dataset: tf.data.Dataset, size: int) -> tf.data.Dataset:
    """Put the batches of a data set into groups, see `Batches.groups`."""
    return Batches.of(dataset).groups(size)


def disable_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keep `tf.data` from rewriting and tuning a data set.

    The tuner's thread makes the end of an iterator wait, for seconds at times, and a rewritten pipeline copies what it
    holds in memory.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def _to_tensor(array: Any) -> tf.Tensor:
    """Convert an array to a tensor of the types that Keras uses: floats as float32, the rest as it is."""
    if isinstance(array, tf.Tensor):
        return array
    array = np.asarray(array)
    return tf.convert_to_tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def _count_rows_of_each(rows: tf.Tensor) -> tf.Tensor:
    """Count the rows of each batch in a group of indices `[g, B]`, -1 where there is none: `[g]`."""
    return tf.reduce_sum(tf.cast(rows >= 0, tf.int32), axis=1)


def _count_rows(batch: Any) -> tf.Tensor:
    return tf.shape(tf.nest.flatten(batch)[0])[0]
