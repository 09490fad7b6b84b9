"""Arrays of an .npz file as a source."""

import collections
import pathlib
import zipfile
from typing import NamedTuple

import numpy as np
import psutil
import tensorflow as tf

from tfvae.data.protocol import Conditions, joined, of_classes, one_line

__all__ = ["Arrays", "arrays", "of_file"]


class Arrays(NamedTuple):
    """A source of arrays: of examples, split -> `[N, *shape]`, and of conditions, split -> float32 `[N, k]`, or {}."""

    arrays: dict
    encoded: dict
    classes: list

    @property
    def counts(self):
        return {split: len(array) for split, array in self.arrays.items()}

    @property
    def shape(self):
        return next(iter(self.arrays.values())).shape[1:]

    @property
    def dtype(self):
        return next(iter(self.arrays.values())).dtype

    @property
    def condition_size(self):
        return next(iter(self.encoded.values())).shape[1] if self.encoded else 0

    def _columns(self, part):
        rows = slice(part.start, part.stop)
        return tuple(column[part.split][rows] for column in (self.arrays, self.encoded) if column)

    def examples(self, part, shuffle):
        """As `Source` says; what is in memory is shuffled by whoever reads it."""
        del shuffle
        return tf.data.Dataset.from_tensor_slices(self._columns(part))

    def blocks(self, part, size):
        columns = self._columns(part)
        for start in range(0, part.stop - part.start, size):
            yield tuple(column[start : start + size] for column in columns)

    def say(self, parts):
        """Nothing: the arrays are as they were saved."""


def of_file(path: pathlib.Path, conditions: list[str]) -> Arrays:
    """The source of an .npz file; `conditions` are names.

    Raises:
        ValueError: for a file that cannot be read, or arrays that are no examples; it names file and array.
    """
    found = arrays(path)
    given = {
        name: {k: v for k, v in found.items() if k.endswith(f"_{name}") or k.startswith(f"{name}_")}
        for name in conditions
    }
    rest = {k: v for k, v in found.items() if not any(k in named for named in given.values())}
    examples = _examples(path, {k: v for k, v in rest.items() if v.ndim > 1})
    kinds = {(array.shape[1:], array.dtype) for array in examples.values()}
    if len(kinds) != 1:
        has = ", ".join(f"{k} {v.dtype} {v.shape}" for k, v in found.items())
        raise ValueError(f"{path} must hold arrays of examples, alike in shape and type; it has {has or 'none'}")
    counts = {split: len(array) for split, array in examples.items()}
    encoded = [_condition(path, name, named, counts) for name, named in given.items()]
    return Arrays(examples, joined(encoded), [named.names for named in encoded])


def arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Raises:
        ValueError: when something of it cannot be read, or needs more memory than there is.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, and no .npz file")
    if not path.exists():
        raise ValueError(f"no such file: {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a pipe or a device, and no .npz file")
    with open(path, "rb") as file:
        start = file.read(6)
    if not start:
        raise ValueError(f"{path} is empty: write it anew by np.savez")
    if start == b"\x93NUMPY":
        raise ValueError(f"{path} is an .npy file by what it holds: save its array by np.savez(path, train=array)")
    try:
        with zipfile.ZipFile(path) as file:
            members = [member for member in file.infolist() if member.filename.endswith(".npy")]
            if not members:
                inside = ", ".join(file.namelist()[:3]) or "nothing"
                raise ValueError(f"it holds no arrays, but {inside}")
            twice = [name for name, n in collections.Counter(m.filename for m in members).items() if n > 1]
            if twice:
                raise ValueError(f"it holds {twice[0]} twice")
            _check_memory(sum(_size(file, member) for member in members))
            return {member.filename.removesuffix(".npy"): _array(file, member) for member in members}
    except Exception as error:  # whatever foreign bytes make the readers of zip files and arrays raise
        if isinstance(error, zipfile.BadZipFile) and not zipfile.is_zipfile(path):
            error = ValueError("it is damaged, or another kind of file: write it anew by np.savez")
        raise ValueError(f"{path} cannot be read as .npz: {one_line(error)}") from error


def _size(file, member):
    """Bytes that an array takes in memory, as its header says, which must be what the file has."""
    try:
        with file.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in read:
                raise ValueError(f"format {version} of .npy is not read: save plain numbers by np.savez")
            shape, _, dtype = read[version](stream)
            header = stream.tell()
    except Exception as error:  # as above
        raise ValueError(f"array {_key(member)}: {one_line(error)}") from error
    if dtype.hasobject:
        raise ValueError(f"array {_key(member)} holds Python objects, which are not loaded: save plain numbers")
    size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if min(shape, default=0) < 0 or size != member.file_size - header:
        raise ValueError(
            f"array {_key(member)} is {dtype} {shape} by its header, {size:,} bytes, but the file has "
            f"{member.file_size - header:,}"
        )
    return size


def _check_memory(size):
    free = psutil.virtual_memory().available
    if size > free:
        raise ValueError(f"its arrays take {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free")


def _array(file, member):
    try:
        with file.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:  # as above
        raise ValueError(f"array {_key(member)}: {one_line(error)}") from error


def _key(member):
    return member.filename.removesuffix(".npy")


def _examples(path, found):
    """Arrays by key -> by split, as `_as_examples` makes them."""
    made = {}
    for key, array in found.items():
        split = key.removeprefix("x_")
        if split in made:
            raise ValueError(f"{path} holds both {split} and x_{split}: leave out one")
        made[split] = _as_examples(path, key, array)
    return made


def _as_examples(path, key, array):
    """An array as loaded -> uint8 [N, H, W, C], or float32."""
    what = f"{path}: array {key} is {array.dtype} {array.shape}"
    if 0 in array.shape[1:]:
        raise ValueError(f"{what}: its examples hold nothing")
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[-1] > 4:
            raise ValueError(
                f"{what}: channels come last, [N, H, W, C]; it looks like [N, C, H, W]: save "
                "array.transpose(0, 2, 3, 1)"
            )
        return array if array.ndim == 4 else array[..., None]
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinity is found below
            single = array.astype(np.float32)
        finite = np.isfinite(single)
        if not finite.all():
            place = np.argwhere(~finite)[0]
            value = array[tuple(place)]
            raise ValueError(
                f"{path}: array {key} has values that are not finite numbers of float32: {value} in row {place[0]}"
            )
        return single
    raise ValueError(f"{what}; images are uint8 [N, H, W] or [N, H, W, C], vectors floats [N, n]")


def _condition(path, name, named, counts):
    """Arrays `train_label` or `y_train` and so on, of the condition `name` -> `Conditions`."""
    columns = {key.removesuffix(f"_{name}").removeprefix(f"{name}_"): array for key, array in named.items()}
    for split, count in counts.items():
        if split not in columns:
            raise ValueError(f"{path} has no array {split}_{name} (nor {name}_{split}) for the condition {name}")
        if columns[split].ndim < 1 or len(columns[split]) != count:
            rows = len(columns[split]) if columns[split].ndim else "no"
            raise ValueError(f"{path}: {name} has {rows} rows for {split}, which has {count}")
    columns = {split: columns[split] for split in counts}
    kinds = {column.dtype.kind for column in columns.values()}
    if kinds != {"f"}:
        try:
            return of_classes(columns)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
    columns = {split: np.reshape(array, (len(array), -1)).astype(np.float32) for split, array in columns.items()}
    for split, column in columns.items():
        if not np.isfinite(column).all():
            raise ValueError(f"{path}: {name} has values for {split} that are not finite")
    return Conditions(columns)
