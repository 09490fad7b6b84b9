"""Read the examples of a source: all at once into memory, or batch by batch while one trains."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfvae.data.binarization import Binarizer
from tfvae.data.protocol import Part, Source
from tfvae.data.splits import count_examples

__all__ = ["make_pass_reader", "read_into_memory"]

BLOCK = 1000  # examples that are read at once
BUFFER_BYTES, MAX_BUFFER = 2**28, 10_000  # of the buffer that data is shuffled in: its bytes, its examples


def read_into_memory(source: Source, parts: Sequence[Part], binarizer: Binarizer) -> list[np.ndarray]:
    """Read all examples of the parts, as one array `[N, *shape]`; with conditions also an array `[N, k]`."""
    count = count_examples(parts)
    arrays = [np.empty((count, *source.shape), source.dtype)]
    if source.condition_size:
        arrays.append(np.empty((count, source.condition_size), np.float32))
    filled = 0
    for part in parts:
        index = part.start
        for x, *condition in source.blocks(part, BLOCK):
            rows = slice(filled, filled + len(x))
            for array, values in zip(arrays, (binarizer(x, part.split, tf.constant(index)), *condition), strict=True):
                array[rows] = values
            filled, index = rows.stop, index + len(x)
    return arrays


def make_pass_reader(
    source: Source,
    parts: Sequence[Part],
    binarizer: Binarizer,
    batch_size: int,
    shuffle: bool,
    seed: int,
    in_order: bool,
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Make the function that gives the batches of a pass, by its number; they are read when they are wanted.

    Files are shuffled once, and what is read of them anew in each pass, within a buffer. With `in_order` files are
    read in order, so that each example's place is known.
    """
    nbytes = int(np.prod(source.shape) * source.dtype.itemsize)
    buffer = max(1, min(MAX_BUFFER, BUFFER_BYTES // nbytes))
    file_seed = (seed % 2**31) + 1 if shuffle and not in_order else 0  # tf.data takes 0 for no seed
    first, *others = [_binarize_examples(source, part, binarizer, file_seed) for part in parts]
    dataset = first
    for other in others:
        dataset = dataset.concatenate(other)
    batch = None if count_examples(parts) % batch_size else batch_size
    shapes = [[batch, *source.shape], [batch, source.condition_size]]

    def read_pass(number: tf.Tensor) -> tf.data.Dataset:
        tf.compat.v1.set_random_seed(1)  # of this graph: `shuffle` compares a seed of 0 with the tensor
        key = seed % 2**31 + (number + 1) * 2**31
        examples = dataset.shuffle(buffer, key, reshuffle_each_iteration=False) if shuffle else dataset
        return examples.batch(batch_size).map(lambda *arrays: _set_shapes(arrays, shapes))

    return read_pass


def _binarize_examples(source: Source, part: Part, binarizer: Binarizer, file_seed: int) -> tf.data.Dataset:
    """Give the examples of a part, binarised: tuples of x and, where there are conditions, of its condition."""
    examples = source.examples(part, file_seed).enumerate(part.start)
    return examples.map(lambda i, e: (binarizer(e[0][None], part.split, tf.cast(i, tf.int32))[0], *e[1:]))


def _set_shapes(arrays: Sequence[tf.Tensor], shapes: Sequence[list]) -> tf.Tensor | tuple[tf.Tensor, ...]:
    """Give a batch with known shapes: x alone, or the pair with its conditions."""
    x, *condition = map(tf.ensure_shape, arrays, shapes[: len(arrays)])
    return (x, *condition) if condition else x
