"""Examples -> batches -> groups of batches, as `tf.data`; what is in memory is copied but once, when it is read."""

import numpy as np
import tensorflow as tf

__all__ = ["Position", "finished", "grouped", "held", "passes", "untuned"]


class Position(tf.Module):
    """How far a data set has been read: for a run that goes on.

    Attributes:
        passes: int64 variable, how often it has been begun; the order of a pass follows from its number.
        skip: int64 variable, batches to leave out of the next pass.
    """

    def __init__(self, skip=0):
        super().__init__()
        with tf.init_scope():
            self.passes = tf.Variable(0, dtype=tf.int64, trainable=False)
            self.skip = tf.Variable(skip, dtype=tf.int64, trainable=False)

    def begin(self):
        """The number of the next pass, and how many of its batches to leave out."""
        number = self.passes.assign_add(1) - 1
        skip = tf.identity(self.skip.read_value())
        with tf.control_dependencies([skip]):
            self.skip.assign(0)
        return number, skip


def passes(batches, position=None):
    """Batches of one pass after the other. `batches` is a function: the number of a pass -> `tf.data`."""
    position = position or Position()

    def begin(_):
        number, skip = position.begin()
        return batches(number).skip(skip)

    return tf.data.Dataset.range(1).flat_map(begin)


def held(arrays, batch_size, shuffle=False, seed=0, position=None):
    """Batches of arrays that stay in memory as they are: an array `[N, ...]` gives `[B, ...]`, several give tuples.

    Args:
        arrays: list of arrays of the same length; it is emptied, so that none is held twice.
        batch_size: examples per batch; the last may have fewer.
        shuffle: anew in each pass.
        seed: integer, of the order.
        position: a `Position`, where the next pass begins.
    """
    tensors = tuple(_as_tensor(arrays.pop(0)) for _ in range(len(arrays)))
    count, position = len(tensors[0]), position or Position()
    missing = -count % batch_size  # rows of the last batch

    def order(_):  # [batches, batch_size], -1 for what is missing
        number, skip = position.begin()
        rows = tf.range(count)
        if shuffle:
            rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([seed % 2**63, number]))
        return tf.reshape(tf.pad(rows, [[0, missing]], constant_values=-1), [-1, batch_size])[skip:]

    def read(rows):
        found = tuple(tf.gather(tensor, rows) for tensor in tensors)
        return found if len(found) > 1 else found[0]

    indices = tf.data.Dataset.range(1).map(order).unbatch()
    batches = indices.map(lambda rows: read(rows[rows >= 0] if missing else rows))
    batches = finished(batches, -(-count // batch_size), position)
    batches.indices, batches.read, batches.count = indices, read, count
    return batches


def finished(batches, count, position=None):
    """The batches, read ahead, and how many they are."""
    if position is None or not int(position.skip):
        return untuned(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))
    batches = untuned(batches.prefetch(2))
    batches.cardinality = lambda: tf.constant(count, tf.int64)  # of each pass but the next, which is short
    return batches


def _as_tensor(array):
    """Keras' types of numbers: floats as float32, the rest as it is."""
    if isinstance(array, tf.Tensor):
        return array
    array = np.asarray(array)
    return tf.convert_to_tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def grouped(batches, size):
    """Batches `[B, ...]` -> groups: how many rows each batch of it has `[g]`, and the batches stacked `[g, B, ...]`.

    A group has `size` batches, the last as many as are left; those with fewer rows than others are filled up. What
    `held` holds is copied straight into the group.
    """
    if hasattr(batches, "indices"):
        read = batches.read
        groups = batches.indices.batch(size).map(lambda rows: (_count(rows >= 0), read(tf.maximum(rows, 0))))
    else:
        counted = batches.map(lambda *batch: (_rows(batch), batch if len(batch) > 1 else batch[0]))
        groups = counted.padded_batch(size)
    return untuned(groups.prefetch(1))


def _count(mask):
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)


def _rows(batch):
    return tf.shape(tf.nest.flatten(batch)[0])[0]


def untuned(dataset):
    """The data set without what tf.data does to it unasked.

    The thread of its tuner makes the end of an iterator wait, for seconds at times, and rewriting the pipeline copies
    what it holds in memory.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)
