"""A folder of pictures as a source: which files there are, their splits and classes, and their order."""

import collections
import concurrent.futures
import hashlib
import logging
import os
import pathlib
import unicodedata
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.data import pictures
from tfvae.data.notes import say
from tfvae.data.protocol import of_classes
from tfvae.data.sizes import resized

__all__ = ["Folder", "of_path"]

SPLITS = {"training": "train", "testing": "test"} | {s: s for s in ("train", "test", "validation", "valid", "val")}
LABEL = "label"  # the one condition of a folder
THREADS = 4
MOST_CLASSES = 10  # that a line counts one by one


class Folder(NamedTuple):
    """A source whose examples are files: `files` and `labels`, split -> list, in one order."""

    path: pathlib.Path
    files: dict
    labels: dict  # names of the subfolders below the split, {} where files are in none
    encoded: dict
    classes: list
    shape: tuple
    size: list | None
    dtype = np.dtype(np.uint8)

    @property
    def counts(self):
        return {split: len(files) for split, files in self.files.items()}

    @property
    def condition_size(self):
        return next(iter(self.encoded.values())).shape[1] if self.encoded else 0

    def read(self, file):
        """uint8 [H, W, C]; ValueError with the file's name when it cannot be read."""
        image = pictures.pixels(file, self.shape[-1])
        return image if self.size is None else resized(tf.constant(image), self.size).numpy()

    def examples(self, part, shuffle):
        rows = tf.data.Dataset.range(part.start, part.stop)
        if shuffle:
            rows = rows.shuffle(part.stop - part.start, shuffle, reshuffle_each_iteration=False)
        files, encoded = self.files[part.split], self.encoded.get(part.split)

        def read(row):
            image = tf.numpy_function(lambda i: self.read(files[i]), [row], tf.uint8)
            image = tf.ensure_shape(image, self.shape)
            return (image,) if encoded is None else (image, tf.gather(encoded, row))

        return rows.map(read, num_parallel_calls=THREADS)

    def blocks(self, part, size):
        files, encoded = self.files[part.split], self.encoded.get(part.split)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for start in range(part.start, part.stop, size):
                rows = slice(start, min(start + size, part.stop))
                images = np.stack(list(pool.map(self.read, files[rows])))
                yield (images,) if encoded is None else (images, encoded[rows])

    def say(self, parts):
        """How many of each class the parts have."""
        if not self.labels:
            return
        names = sorted({label for labels in self.labels.values() for label in labels})
        for part in parts:
            whole = part.stop - part.start == self.counts[part.split]
            where = part.split if whole else f"{part.split}[{part.start}:{part.stop}]"
            count = collections.Counter(self.labels[part.split][part.start : part.stop])
            told = [f"{count[name]} {name}" for name in names[:MOST_CLASSES]]
            if names[MOST_CLASSES:]:
                rest = sum(count[name] for name in names[MOST_CLASSES:])
                told.append(f"{rest} of {len(names) - MOST_CLASSES} classes more")
            say(f"{self.path}: {where} has {', '.join(told)}")


def of_path(path: pathlib.Path, size=None, conditions=(), channels=None) -> Folder:
    """The source of a folder of pictures; arguments as for `data.load`.

    Raises:
        ValueError: when there are none, or one of them cannot be used; it names the file.
    """
    if set(conditions) - {LABEL}:
        raise ValueError(f"a folder of images has the condition {LABEL} alone, not {', '.join(conditions)}")
    found = _splits(path)
    headers = _headers([file for _, files in found.values() for file in files])
    if channels is None:
        channels = 3 if any(header.colour for header in headers.values()) else 1
    _tell_of(path, headers, channels)
    shape = (*(size or _one_size(headers)), channels)
    files = {split: _in_order(root, names) for split, (root, names) in found.items()}
    labels = {split: [_label(found[split][0], file) for file in names] for split, names in files.items()}
    outside = [f for split in files for f, label in zip(files[split], labels[split], strict=True) if label is None]
    if not conditions:
        return Folder(path, files, {} if outside else labels, {}, [], shape, size)
    if outside:
        raise ValueError(f"{min(outside)} is outside of subfolders, whose names would be the labels")
    encoded = of_classes({split: np.array(names) for split, names in labels.items()})
    return Folder(path, files, labels, encoded.columns, [encoded.names], shape, size)


def _splits(path):
    """split -> (its folder, files of pictures). Files that belong to no split are told of."""
    found, other = _walk(path)
    tops = {top: SPLITS[top.lower()] for top in _tops(path, found) if top.lower() in SPLITS}
    twice = [split for split, count in collections.Counter(tops.values()).items() if count > 1]
    if twice:
        names = " and ".join(sorted(top for top, split in tops.items() if split == twice[0]))
        raise ValueError(f"{path} has the folders {names}, which are both the split {twice[0]}: join them")
    if other:
        kinds = ", ".join(sorted({file.suffix.lower() or file.name for file in map(pathlib.Path, other)})[:5])
        say(f"{path}: {len(other)} files are left out, which are no pictures that are read ({kinds})", logging.WARNING)
    if not found:
        raise ValueError(f"{path} has no images ({', '.join(pictures.SUFFIXES)})")
    if not tops:
        _check_splits_below(path, found)
        return {"train": (path, found)}
    splits = {split: (path / top, []) for top, split in sorted(tops.items(), key=lambda item: item[1])}
    left_out = collections.Counter()
    for file in found:
        top = _relative(path, file)[0]
        if top in tops:
            splits[tops[top]][1].append(file)
        else:
            left_out[top] += 1
    if left_out:
        some = ", ".join(sorted(left_out)[:5])
        say(
            f"{path}: {sum(left_out.values())} pictures are left out, which are in none of its splits "
            f"{', '.join(sorted(tops))} but in {some}",
            logging.WARNING,
        )
    return splits


def _tops(path, files):
    return {parts[0] for parts in (_relative(path, file) for file in files) if len(parts) > 1}


def _check_splits_below(path, files):
    """ValueError when folders below the first level are named for splits: all would be one split, in silence."""
    for file in files:
        parts = _relative(path, file)
        deep = [index for index, name in enumerate(parts[1:-1], 1) if name.lower() in SPLITS]
        if deep:
            inner = "/".join(parts[: deep[0] + 1])
            first = parts[deep[0]] + "/" + "/".join(parts[: deep[0]])
            raise ValueError(
                f"{path}/{inner} is named for a split, but splits come first: name {path}/{parts[0]} as the data, or "
                f"move its files to {path}/{first}"
            )


def _walk(path):
    """-> pictures, and other files, below a folder; links are followed, what is hidden is left out."""
    found, other, seen = [], [], set()
    for folder, folders, files in os.walk(path, followlinks=True, onerror=_raise):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(name for name in folders if not _hidden(name))
        files = [] if real in seen else sorted(name for name in files if not _hidden(name))
        seen.add(real)
        for name in files:
            which = found if name.lower().endswith(pictures.SUFFIXES) else other
            which.append(os.path.join(folder, name))
    return found, other


def _raise(error):
    raise error


def _hidden(name):
    """Of the system, or of an editor: `._a.jpg` and `__MACOSX` of macOS, `.ipynb_checkpoints`, `Thumbs.db`."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


def _relative(path, file):
    return pathlib.PurePath(file).relative_to(path).parts


def _label(root, file):
    """The name of the first subfolder below root that holds the file; None where there is none."""
    parts = _relative(root, file)
    return parts[0] if len(parts) > 1 else None


def _in_order(root, files):
    """Files in an order that follows from their paths below root, as if drawn by lot, on any machine.

    Each class is spread evenly: so any part of the order has of each as many as its share.
    """
    by_class = collections.defaultdict(list)
    for file in files:
        by_class[_label(root, file)].append((_hash(root, file), file))
    places = []
    for members in by_class.values():
        places += [((rank + 0.5) / len(members), *member) for rank, member in enumerate(sorted(members))]
    return [file for *_, file in sorted(places)]


def _hash(root, file):
    name = unicodedata.normalize("NFC", "/".join(_relative(root, file)))
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _headers(files):
    """file -> `pictures.Header`."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(files, pool.map(pictures.header, files), strict=True))


def _one_size(headers):
    """(height, width) of all; ValueError that names two files which differ."""
    first = next(iter(headers))
    size = headers[first][:2]
    for file, header in headers.items():
        if header[:2] != size:
            raise ValueError(
                f"{file} is {header[0]} x {header[1]}, but {first} {size[0]} x {size[1]}: give size=(H, W)"
            )
    return size


def _tell_of(path, headers, channels):
    """What of the pictures is not looked at."""
    lost = {
        "have transparency, which is dropped": sum(h.alpha for h in headers.values()) if channels != 4 else 0,
        "have colours, which become grey": sum(h.colour for h in headers.values()) if channels == 1 else 0,
        "have several frames or pages, of which the first is taken": sum(h.frames for h in headers.values()),
    }
    for what, count in lost.items():
        if count:
            say(f"{path}: {count} of {len(headers)} pictures {what}", logging.WARNING)
