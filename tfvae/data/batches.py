"""Examples -> batches -> groups of batches, as `tf.data`.

What is known of a data set beyond what `tf.data` itself knows (where its arrays are, how many batches a whole pass has)
is asked of `Batches`.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

__all__ = [
    "Batches",
    "Pass",
    "Passes",
    "Position",
    "disable_tuning",
    "group_batches",
    "number_passes",
    "read_ahead",
    "remember",
]


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


class Pass(Iterator[Any]):
    """A pass over data, begun when its first element is asked for."""

    def __init__(self, begin: Callable[[], Iterator[Any]]):
        self._begin = begin
        self._running: Iterator[Any] | None = None

    def __next__(self) -> Any:
        if self._running is None:
            self._running = self._begin()
        return next(self._running)


class Passes(NamedTuple):
    """Passes over data, of which each `iter` gives another; `begin` begins one.

    Keras makes an iterator more than it reads, for each epoch, and those of `tf.data` take longer to make than a small
    model takes to train on what they give.
    """

    begin: Callable[[], Iterator[Any]]

    def __iter__(self) -> Pass:
        return Pass(self.begin)


class Batches:
    """Batches that steps are taken on: a data set, and what is known of it.

    Attributes:
        dataset: `tf.data` of batches, each a tensor `[B, ...]` or a tuple of tensors.
        count: batches of a whole pass; None where that is not known, or there is no end.
        in_memory: whether `pieces` gives all examples.
    """

    count: int | None
    in_memory = False

    def __init__(self, dataset: tf.data.Dataset, count: int | None = None):
        self._dataset, self.count = dataset, count

    @property
    def dataset(self) -> tf.data.Dataset:
        return self._dataset

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

    def passes(self, size: int) -> Passes:
        """Give passes over groups of `size` batches; of a size of 1, over batches."""
        dataset = self.dataset if size == 1 else self.groups(size)
        return Passes(lambda: iter(dataset))

    def pieces(self, size: int) -> Iterator[Any]:
        """Go over the examples that are in memory, in their order, `size` at a time; over none of a stream."""
        return iter(())


# what makes the `Batches` of a data set that this module made; `tf.data` has no place to write it down
_makers: weakref.WeakKeyDictionary[Any, Callable[[tf.data.Dataset], Batches]] = weakref.WeakKeyDictionary()


def remember(dataset: tf.data.Dataset, maker: Callable[[tf.data.Dataset], Batches]) -> None:
    """Have `Batches.of` this data set be what the maker makes of it."""
    _makers[dataset] = maker


def _of_any(dataset: tf.data.Dataset) -> Batches:
    count = int(dataset.cardinality())
    return Batches(dataset, count if count >= 0 else None)


def number_passes(
    make_pass: Callable[[tf.Tensor], tf.data.Dataset], position: Position | None = None
) -> tf.data.Dataset:
    """Give a data set each pass of which is another: that which `make_pass` makes of the number of the pass."""
    position = position or Position()

    @tf.autograph.experimental.do_not_convert
    def begin(_):
        number, skip = position.begin()
        return make_pass(number).skip(skip)

    return tf.data.Dataset.range(1).flat_map(begin)


def read_ahead(batches: tf.data.Dataset, count: int, position: Position | None = None) -> tf.data.Dataset:
    """Read batches before they are wanted, and make known how many a whole pass has."""
    if position is None or not int(position.skip):
        return disable_tuning(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))
    batches = disable_tuning(batches.prefetch(2))  # the next pass is short: `tf.data` cannot be told the count
    remember(batches, functools.partial(Batches, count=count))
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


def _count_rows(batch: Any) -> tf.Tensor:
    return tf.shape(tf.nest.flatten(batch)[0])[0]
