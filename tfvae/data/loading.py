"""`load`: from the name of a data set to its batches. Also the names of classes, and the schema of a table."""

import os
from collections.abc import MutableMapping
from typing import Any, Literal

import numpy as np
import psutil
import tensorflow as tf

from tfvae.data import table_source
from tfvae.data.arguments import LoadArguments, check_arguments, check_table_arguments, condition_names, label_of
from tfvae.data.array_batches import batch_arrays
from tfvae.data.batches import Position, number_passes, read_ahead
from tfvae.data.binarization import make_binarizer
from tfvae.data.protocol import Source
from tfvae.data.reading import make_pass_reader, read_into_memory
from tfvae.data.sources import find_source, is_table
from tfvae.data.splits import count_examples, resolve_split
from tfvae.tables import Schema

__all__ = ["class_names", "load", "table_schema"]

HINT = " To split rows at random give splits={'train': '80%', 'test': '20%'}; in a yaml train: 80%, test: 20%"


def load(
    name: Any,
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
    position: Position | None = None,
    kept: dict | None = None,
    columns: dict[str, str] | None = None,
    labels: str | list[str] | None = None,
    schema: Schema | None = None,
    splits: dict[str, str] | None = None,
    split_seed: int = 0,
    stratify: str | None = None,
) -> tf.data.Dataset:
    """Load batches `[B, H, W, C]` uint8, or `[B, n]` float32; the last may be smaller.

    With `condition` each batch is a pair of such a batch and of conditions `[B, k]` float32, as a conditional VAE takes
    it.

    Args:
        name: a TFDS data set of images ("digits" comes with tfvae and needs no download); or an .npz file whose arrays
            are named for splits (`train`, `test`, or as in Keras `x_train`, `x_test`), uint8 `[N, H, W]` or
            `[N, H, W, C]`, or floats `[N, n]` or `[N, H, W, C]`; or a folder of images, with a separator ("./photos"),
            whose subfolders `train`, `test`, ... (or `Training`, `Testing`) are splits; without such subfolders all of
            it is `train`. Folders are searched in depth; hidden files are left out. The order of a folder follows from
            a hash of the paths, with each class spread evenly, so a part of a split has its share of each; or a table,
            as `tables.read` takes it: a path to a .csv, .tsv, .parquet or .h5ad file, to a folder of such without
            images, a pattern, or a DataFrame and its like. Its rows are those of `Schema.encode`: NaN where a cell is
            missing.
        split: in TFDS' syntax, such as "test", "train[:90%]", "train[100:200]+test"; see `splits`.
        batch_size: examples per batch; with several replicas, of all together.
        binarize: "static" draws each pixel once, by `seed`, with its grey value as probability; "threshold" cuts at one
            half. Either gives uint8 pixels of 0 and 255. "static" depends on nothing but seed, split and position.
        shuffle: whether the order is another one in each epoch, by `seed`; by default where the split begins with
            "train".
        seed: of shuffling and static binarisation.
        size: (height, width) to which images are cropped (to its aspect, around the centre) and resized.
        in_memory: whether to hold the data in memory; by default where it takes at most a quarter of the free memory.
            Other data is read and decoded during training; TFDS data is then shuffled within a buffer.
        data_dir: where TFDS keeps prepared data sets; its own default unless given.
        manual_dir: folder with a TFDS data set's original files, for machines that cannot download them.
        condition: what the examples come with, one name or several (put side by side): a feature of the TFDS data set;
            or in an .npz arrays named for it and the splits (`train_label`, `y_train`); or, of a folder of images,
            "label", the name of the subfolder below the split; or a column of a table, which then is no part of x.
            Classes (integers, words) become one-hot vectors; numbers and dates are as the schema encodes them.
        channels: of a folder's images, 1 (grey), 3 (colours) or 4 (and transparency); by default 3 where any image has
            colours, else 1. Images are turned as their EXIF data says; those of 16 bits are refused.
        position: where the next pass begins, and how many there were; for a run that goes on.
        kept: a dict in which data that is held in memory is kept, for the next call that asks for the same.
        columns: of a table, column -> its kind, where it shall not be found; "ignore" leaves it out.
        labels: of a table, columns to keep aside.
        schema: of a table, by which its rows are encoded, such as that of a trained model; found unless given.
        splits: of a table, split -> its share of the rows, "80%", drawn at random (`tables.split`): the same rows
            wherever they are drawn, and disjoint. Without, the whole table is the split "train".
        split_seed: of `splits`.
        stratify: of a table, a column: each split has its share of each of its values.

    Raises:
        ValueError: when name, split or data cannot be used; the message says what to do. OSError: from reading files.
    """
    table = check_table_arguments(columns, labels, schema, splits, split_seed, stratify)
    arguments = check_arguments(name, split, batch_size, binarize, shuffle, seed, size, condition, channels, table)
    pixels = (binarize, arguments.binarization_seed, str(arguments.size), channels)
    key = (arguments.label, split, *pixels, in_memory, data_dir, manual_dir, str(condition), table.key)
    kept = kept if isinstance(name, (str, os.PathLike)) else None  # what has no name cannot be found again
    if kept and key in kept:
        return batch_arrays(list(kept[key]), arguments.batch_size, arguments.shuffle, arguments.seed, position)
    folders = (data_dir, manual_dir)
    return _read_batches(arguments, channels, folders, in_memory, position, None if kept is None else (kept, key))


def _read_batches(
    arguments: LoadArguments,
    channels: int | None,
    folders: tuple[str | None, str | None],
    in_memory: bool | None,
    position: Position | None,
    cache: tuple[MutableMapping[Any, Any], Any] | None,
) -> tf.data.Dataset:
    """Find the source and give its batches.

    The source is a variable of this function alone, so that its own arrays are gone before others are made of them.

    Args:
        folders: `data_dir` and `manual_dir` of `load`.
        cache: dict in which data that is held in memory is kept, and its key there.
    """
    conditions, table = arguments.conditions, arguments.table
    source: Source = find_source(
        arguments.name, arguments.size, *folders, conditions, channels, table, arguments.binarize
    )
    hint = HINT if table.splits is None and isinstance(source, table_source.TableSource) else ""
    parts = resolve_split(arguments.split, source.counts, arguments.label, hint)
    binarizer = make_binarizer(arguments.binarize, arguments.seed, source.dtype)
    source.say(parts)
    count = count_examples(parts)
    batch_size, shuffle, seed = min(arguments.batch_size, count), arguments.shuffle, arguments.seed
    if in_memory is None:
        nbytes = count * int(np.prod(source.shape)) * source.dtype.itemsize
        in_memory = nbytes <= psutil.virtual_memory().available // 4
    if not in_memory:
        in_order = arguments.binarize == "static"  # which depends on each example's place
        batches = make_pass_reader(source, parts, binarizer, batch_size, shuffle, seed, in_order)
        return read_ahead(number_passes(batches, position), -(-count // batch_size), position)
    arrays = read_into_memory(source, parts, binarizer)
    del source
    if cache is not None:
        kept, key = cache
        arrays[:] = kept[key] = [tf.convert_to_tensor(arrays.pop(0)) for _ in range(len(arrays))]
    return batch_arrays(arrays, batch_size, shuffle, seed, position)


def class_names(
    name: Any,
    condition: str,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    columns: dict[str, str] | None = None,
    schema: Schema | None = None,
) -> tuple[str, ...] | None:
    """Give the names of the classes of a condition, in the order of its one-hot vectors; None where it has numbers.

    Of a TFDS data set they are its labels, of an .npz its classes as words, of a folder the subfolders of the splits,
    of a table the values of the column. Arguments and errors are those of `load`.
    """
    if is_table(name):
        (column,) = condition_names(condition)
        return table_source.class_names(name, column, columns, schema)
    size = None if str(name).lower().endswith(".npz") else [1, 1]  # images of different sizes have classes too
    return find_source(name, size, data_dir, manual_dir, condition_names(condition)).classes[0]


def table_schema(
    name: Any,
    columns: dict[str, str] | None = None,
    labels: str | list[str] | None = None,
    condition: str | list[str] | None = None,
) -> Schema:
    """Give the schema that `load` finds for a table; arguments and errors are those of `load`."""
    if not is_table(name):
        raise ValueError(f"{label_of(name)} is no table, and has no schema")
    table = check_table_arguments(columns, labels)
    return table_source.schema_of(name, table.columns, table.labels, condition_names(condition))
