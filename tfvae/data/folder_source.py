"""A folder of images as a source."""

import collections
import concurrent.futures
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.data.conditions import one_hot_conditions
from tfvae.data.folder_files import class_of_file, find_splits, order_files
from tfvae.data.image_files import Header, read_header, read_pixels
from tfvae.data.messages import say
from tfvae.data.protocol import Part
from tfvae.data.resizing import crop_and_resize

__all__ = ["FolderSource", "from_folder"]

LABEL = "label"  # the one condition of a folder
THREADS = 4
MAX_CLASSES = 10  # that a line counts one by one


class FolderSource(NamedTuple):
    """A source whose examples are files.

    Attributes:
        path: of the folder.
        files: split -> paths, in the order of the examples.
        labels: split -> name of each file's subfolder below the split; {} where there are no subfolders.
        conditions: split -> one-hot vectors float32 `[N, k]`; {} unless asked for.
        classes, shape: see `Source`.
        size: to which images are resized.
    """

    path: pathlib.Path
    files: dict[str, list[str]]
    labels: dict[str, list[str]]
    conditions: dict[str, np.ndarray]
    classes: list[tuple[str, ...] | None]
    shape: tuple[int, ...]
    size: list[int] | None

    @property
    def dtype(self) -> np.dtype:
        """See `Source`."""
        return np.dtype(np.uint8)

    @property
    def counts(self) -> dict[str, int]:
        """See `Source`."""
        return {split: len(files) for split, files in self.files.items()}

    @property
    def condition_size(self) -> int:
        """See `Source`."""
        return next(iter(self.conditions.values())).shape[1] if self.conditions else 0

    def _read_image(self, file: str) -> np.ndarray:
        """Read uint8 [H, W, C]; raise ValueError, which names the file, when it cannot be read."""
        image = read_pixels(file, self.shape[-1])
        return image if self.size is None else crop_and_resize(tf.constant(image), self.size).numpy()

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """See `Source`."""
        rows = tf.data.Dataset.range(part.start, part.stop)
        if shuffle:
            rows = rows.shuffle(part.stop - part.start, shuffle, reshuffle_each_iteration=False)
        files, conditions = self.files[part.split], self.conditions.get(part.split)

        def read(row):
            image = tf.numpy_function(lambda i: self._read_image(files[i]), [row], tf.uint8)
            image = tf.ensure_shape(image, self.shape)
            return (image,) if conditions is None else (image, tf.gather(conditions, row))

        return rows.map(read, num_parallel_calls=THREADS)

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """See `Source`."""
        files, conditions = self.files[part.split], self.conditions.get(part.split)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for start in range(part.start, part.stop, size):
                rows = slice(start, min(start + size, part.stop))
                images = np.stack(list(pool.map(self._read_image, files[rows])))
                yield (images,) if conditions is None else (images, conditions[rows])

    def say(self, parts: Sequence[Part]) -> None:
        """Say how many of each class the parts have."""
        if not self.labels:
            return
        names = sorted({label for labels in self.labels.values() for label in labels})
        for part in parts:
            whole = part.stop - part.start == self.counts[part.split]
            where = part.split if whole else f"{part.split}[{part.start}:{part.stop}]"
            count = collections.Counter(self.labels[part.split][part.start : part.stop])
            counts = [f"{count[name]} {name}" for name in names[:MAX_CLASSES]]
            if names[MAX_CLASSES:]:
                rest = sum(count[name] for name in names[MAX_CLASSES:])
                counts.append(f"{rest} of {len(names) - MAX_CLASSES} classes more")
            say(f"{self.path}: {where} has {', '.join(counts)}")


def from_folder(
    path: pathlib.Path, size: list[int] | None = None, conditions: Sequence[str] = (), channels: int | None = None
) -> FolderSource:
    """Make the source of a folder of images; arguments as for `data.load`.

    Raises:
        ValueError: when there are none, or one of them cannot be used; it names the file.
    """
    if set(conditions) - {LABEL}:
        raise ValueError(f"a folder of images has the condition {LABEL} alone, not {', '.join(conditions)}")
    found = find_splits(path)
    headers = _read_headers([file for _, files in found.values() for file in files])
    if channels is None:
        channels = 3 if any(header.colour for header in headers.values()) else 1
    _warn_of_losses(path, headers, channels)
    shape = (*(size or _common_size(headers)), channels)
    files = {split: order_files(root, names) for split, (root, names) in found.items()}
    classes = {split: [class_of_file(found[split][0], file) for file in names] for split, names in files.items()}
    outside = [f for split in files for f, name in zip(files[split], classes[split], strict=True) if name is None]
    labels = {split: [name for name in names if name is not None] for split, names in classes.items()}
    if not conditions:
        return FolderSource(path, files, {} if outside else labels, {}, [], shape, size)
    if outside:
        raise ValueError(f"{min(outside)} is outside of subfolders, whose names would be the labels")
    encoded = one_hot_conditions({split: np.array(names) for split, names in labels.items()})
    return FolderSource(path, files, labels, encoded.columns, [encoded.names], shape, size)


def _read_headers(files: Sequence[str]) -> dict[str, Header]:
    """Read the headers of all files."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(files, pool.map(read_header, files), strict=True))


def _common_size(headers: Mapping[str, Header]) -> tuple[int, int]:
    """Give the (height, width) that all have; raise ValueError, which names two files, where they differ."""
    first = next(iter(headers))
    size = headers[first][:2]
    for file, header in headers.items():
        if header[:2] != size:
            raise ValueError(
                f"{file} is {header[0]} x {header[1]}, but {first} {size[0]} x {size[1]}: give size=(H, W)"
            )
    return size


def _warn_of_losses(path: pathlib.Path, headers: Mapping[str, Header], channels: int) -> None:
    """Say what of the images is not used."""
    lost = {
        "have transparency, which is dropped": sum(h.alpha for h in headers.values()) if channels != 4 else 0,
        "have colours, which become grey": sum(h.colour for h in headers.values()) if channels == 1 else 0,
        "have several frames or pages, of which the first is taken": sum(h.frames for h in headers.values()),
    }
    for what, count in lost.items():
        if count:
            say(f"{path}: {count} of {len(headers)} pictures {what}", logging.WARNING)
