"""`load`: a TFDS data set, an .npz file or a folder of images -> batched `tf.data` of images or vectors."""

import operator
import types
import zlib
from typing import Literal

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae import random
from tfvae.data import sources
from tfvae.data.batches import (
    Batches,
    Position,
    batch_arrays,
    disable_tuning,
    group_batches,
    number_passes,
    read_ahead,
)
from tfvae.data.notes import say
from tfvae.data.protocol import Part, one_line

__all__ = [
    "Batches",
    "Position",
    "batch_arrays",
    "class_names",
    "disable_tuning",
    "group_batches",
    "load",
    "say",
]

MOST_PIXELS = 2**15  # of a height or width
BLOCK = 1000  # examples that are read at once
NUMBERS = (tf.uint32, tf.int32, tf.int32)  # of a draw: seed, split, index of the first example


def load(
    name: str,
    split: str = "train",
    batch_size: int = 100,
    binarize: Literal["static", "threshold"] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    size: list[int] | None = None,
    in_memory: bool | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    condition: str | list[str] | None = None,
    channels: Literal[1, 3, 4] | None = None,
    position: "Position | None" = None,
    kept: dict | None = None,
) -> tf.data.Dataset:
    """Batches `[B, H, W, C]` uint8, or `[B, n]` float32; the last may be smaller. With `condition`, pairs of such a
    batch and of conditions `[B, k]` float32, as a conditional VAE takes them.

    Args:
        name: a TFDS data set of images ("digits" comes with tfvae and needs no download); or an .npz file whose arrays
            are named for splits (`train`, `test`, or as Keras does `x_train`, `x_test`), uint8 `[N, H, W]` or
            `[N, H, W, C]`, or floats `[N, n]` or `[N, H, W, C]`; or a folder of images, with a separator ("./photos"),
            whose subfolders `train`, `test`, ... (or `Training`, `Testing`) are splits; without any, all of it is
            `train`. A folder is searched in depth, but for what is hidden; its order follows from a hash of the paths,
            with each class spread evenly, so a part of a split has its share of each.
        split: TFDS' split syntax, such as "test", "train[:90%]", "train[100:200]+test".
        batch_size: examples per batch; under several replicas, of all together.
        binarize: "static" draws each pixel once, by `seed`, with its grey value as probability; "threshold" cuts at one
            half. Either gives uint8 pixels of 0 and 255. "static" depends on nothing but seed, split and position.
        shuffle: anew each epoch, by `seed`; unless given, where the split begins with "train".
        seed: of shuffling and static binarisation.
        size: (height, width) to which images are cropped (to its aspect, around the centre) and resized.
        in_memory: hold the data in memory; unless given, where a quarter of the free memory holds it. Data that is not
            held is read and decoded while one trains; TFDS data is then shuffled within a buffer.
        data_dir: where TFDS keeps prepared data sets; its own default unless given.
        manual_dir: folder with a TFDS data set's original files, for machines that cannot download them.
        condition: what the examples come with, one name or several (put side by side): a feature of the TFDS data set;
            or in an .npz arrays named for it and the splits (`train_label`, `y_train`); or, of a folder of images,
            "label", the name of the subfolder below the split. Classes (integers, words) become one-hot vectors.
        channels: of a folder's images, 1 (grey), 3 (colours) or 4 (and transparency); unless given, 3 where any image
            has colours, else 1. Images are turned as their EXIF data says; those of 16 bits are refused.
        position: where the next pass begins, and how many there were; for a run that goes on.
        kept: a dict that keeps what is held in memory, for the next call with it that asks for the same.

    Raises:
        ValueError: when name, split or data cannot be used; it says what to do. OSError: from reading files.
    """
    batch_size = _whole("batch_size", batch_size, 1)
    seed = _whole("seed", seed)
    size = None if size is None else _size(size)
    if not isinstance(split, str) or not split.strip():
        raise ValueError(f"split must be such as 'train' or 'train[:90%]', not {split!r}")
    if channels not in (None, 1, 3, 4) or isinstance(channels, bool):
        raise ValueError(f"channels must be 1 (grey), 3 (colours) or 4 (and transparency), not {channels!r}")
    shuffle = split.startswith("train") if shuffle is None else shuffle
    drawn = seed if binarize == "static" else None
    key = (name, split, binarize, drawn, str(size), in_memory, data_dir, manual_dir, str(condition), channels)
    if kept and key in kept:
        return batch_arrays(list(kept[key]), batch_size, shuffle, seed, position)
    source = sources.find(name, size, data_dir, manual_dir, _names(condition), channels)
    parts = _parts(split, source.counts, name)
    binary = _binarizer(binarize, seed, source.dtype)
    source.say(parts)
    count = sum(part.stop - part.start for part in parts)
    batch_size = min(batch_size, count)
    nbytes = count * int(np.prod(source.shape)) * source.dtype.itemsize
    if in_memory is None:
        in_memory = nbytes <= psutil.virtual_memory().available // 4
    if in_memory:
        arrays = _read(source, parts, binary, count)
        del source  # what it may hold in memory too
        if kept is not None:
            arrays[:] = kept[key] = [tf.convert_to_tensor(arrays.pop(0)) for _ in range(len(arrays))]
        return batch_arrays(arrays, batch_size, shuffle, seed, position)
    batches = _streamed(source, parts, binary, batch_size, count, shuffle, seed, in_order=binarize == "static")
    return read_ahead(number_passes(batches, position), -(-count // batch_size), position)


def class_names(
    name: str, condition: str, data_dir: str | None = None, manual_dir: str | None = None
) -> tuple[str, ...] | None:
    """Names of the classes of a condition, in the order of its one-hot vectors; None where it has numbers.

    Of a TFDS data set they are its labels, of an .npz its classes as words, of a folder the subfolders of the splits.
    Arguments and errors are those of `load`.
    """
    if str(name).lower().endswith(".npz"):
        return sources.find(name, None, data_dir, manual_dir, [condition]).classes[0]
    return sources.find(name, [1, 1], data_dir, manual_dir, [condition]).classes[0]  # of any size


def _names(condition):
    """What `condition` may be -> a list of names."""
    names = [condition] if isinstance(condition, str) else list(condition or ())
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"condition must be a name, or several that differ, not {condition!r}")
    return names


def _whole(name, value, least=0):
    """The value as an integer; ValueError when it is none, or is below the least or beyond 64 bits."""
    try:
        if not isinstance(value, (bool, np.bool_)) and least <= operator.index(value) < 2**63:
            return operator.index(value)
    except TypeError:
        pass  # the same message
    raise ValueError(f"{name} must be {least} or more, a whole number below 2^63, not {value!r}")


def _size(size):
    """[height, width], checked."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"size must be (height, width), not {size!r}") from None
    sides = [_whole("a height or width in size", side, 1) for side in (height, width)]
    if max(sides) > MOST_PIXELS:
        raise ValueError(f"size must be at most {MOST_PIXELS} pixels high and wide, not {size!r}")
    return sides


def _example(x, *condition):
    """x, or where there is a condition the pair."""
    return (x, *condition) if condition else x


def _parts(split, counts, name):
    """TFDS' split syntax -> the parts it names, none of them empty."""
    if "shard" in split:
        raise ValueError(f"split {split!r} of {name}: shards are no units here; give examples, or 'train[:10%]'")
    infos = {key: types.SimpleNamespace(num_examples=count) for key, count in counts.items()}
    try:
        instructions = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except (ValueError, AssertionError, OverflowError, TypeError) as error:
        raise ValueError(f"split {split!r} of {name}, which has {counts}: {one_line(error)}") from None
    parts = [Part(i.splitname, i.from_ or 0, counts[i.splitname] if i.to is None else i.to) for i in instructions]
    for part in parts:
        if part.stop <= part.start:
            raise ValueError(f"split {split!r} of {name}, which has {counts}, holds no example")
    return parts


def _binarizer(binarize, seed, dtype):
    """-> function(images uint8 [N, H, W, C], split, index of the first in it) -> pixels of 0 and 255."""
    if binarize is None:
        return lambda images, split, first: images
    if dtype != np.uint8:
        raise ValueError(f"binarize={binarize!r} is for uint8 images; the data is {dtype}")
    if binarize == "threshold":
        return lambda images, split, first: 255 * tf.cast(images >= 128, tf.uint8)
    if binarize != "static":
        raise ValueError(f"binarize is 'static' or 'threshold', not {binarize!r}")

    def static(images, split, first):
        return _drawn(images, tf.constant(seed & 0xFFFFFFFF, tf.uint32), zlib.crc32(split.encode()) & 0x7FFFFFFF, first)

    return static


@tf.function(input_signature=[tf.TensorSpec(None, tf.uint8), *(tf.TensorSpec([], t) for t in NUMBERS)])
def _drawn(images, seed, split, first):
    """Pixels of 0 and 255, drawn with their grey values as probability: one program for all data."""
    stream = random.seed(seed, random.Stream.DATA, split, first)
    flat = tf.reshape(images, [tf.shape(images)[0], -1])
    drawn = random.uniform(tf.shape(flat), stream) < tf.cast(flat, tf.float32) / 255.0
    return tf.reshape(255 * tf.cast(drawn, tf.uint8), tf.shape(images))


def _read(source, parts, binary, count):
    """All examples of the parts, as one array [count, *shape], and their conditions [count, k] where there are any."""
    arrays = [np.empty((count, *source.shape), source.dtype)]
    if source.condition_size:
        arrays.append(np.empty((count, source.condition_size), np.float32))
    filled = 0
    for part in parts:
        index = part.start
        for x, *condition in source.blocks(part, BLOCK):
            rows = slice(filled, filled + len(x))
            for array, values in zip(arrays, (binary(x, part.split, tf.constant(index)), *condition), strict=True):
                array[rows] = values
            filled, index = rows.stop, index + len(x)
    return arrays


def _streamed(source, parts, binary, batch_size, count, shuffle, seed, in_order):
    """-> function: the number of a pass -> batches read as they are wanted.

    With `in_order` from files in order, so that each example's place is known. Files are shuffled once, and what is
    read of them anew in each pass, within a buffer.
    """
    buffer = max(1, min(10_000, 2**28 // int(np.prod(source.shape) * source.dtype.itemsize)))
    dataset = None
    for part in parts:
        files = (seed % 2**31) + 1 if shuffle and not in_order else 0  # tf.data takes 0 for no seed
        examples = source.examples(part, files).enumerate(part.start)
        examples = examples.map(
            lambda i, e, split=part.split: (binary(e[0][None], split, tf.cast(i, tf.int32))[0], *e[1:])
        )
        dataset = examples if dataset is None else dataset.concatenate(examples)
    batch = None if count % batch_size else batch_size
    shapes = [[batch, *source.shape], [batch, source.condition_size]]

    def batches(number):
        tf.compat.v1.set_random_seed(1)  # of this function: `shuffle` compares a seed of 0 with the tensor
        key = seed % 2**31 + (number + 1) * 2**31
        examples = dataset.shuffle(buffer, key, reshuffle_each_iteration=False) if shuffle else dataset
        return examples.batch(batch_size).map(
            lambda *arrays: _example(*map(tf.ensure_shape, arrays, shapes[: len(arrays)]))
        )

    return batches
