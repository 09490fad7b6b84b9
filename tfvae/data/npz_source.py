"""Arrays of an .npz file as a source."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.data.conditions import Conditions, concatenate_conditions, one_hot_conditions
from tfvae.data.npz_file import read_arrays
from tfvae.data.protocol import Part

__all__ = ["NpzSource", "from_file"]


class NpzSource(NamedTuple):
    """A source of arrays.

    Attributes:
        arrays: split -> examples `[N, *shape]`.
        conditions: split -> float32 `[N, k]`; {} where there are none.
        classes: see `Source`.
    """

    arrays: dict[str, np.ndarray]
    conditions: dict[str, np.ndarray]
    classes: list[tuple[str, ...] | None]

    @property
    def counts(self) -> dict[str, int]:
        """See `Source`."""
        return {split: len(array) for split, array in self.arrays.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Source`."""
        return next(iter(self.arrays.values())).shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """See `Source`."""
        return next(iter(self.arrays.values())).dtype

    @property
    def condition_size(self) -> int:
        """See `Source`."""
        return next(iter(self.conditions.values())).shape[1] if self.conditions else 0

    def _columns(self, part: Part) -> tuple[np.ndarray, ...]:
        rows = slice(part.start, part.stop)
        return tuple(column[part.split][rows] for column in (self.arrays, self.conditions) if column)

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """See `Source`; not shuffled, as data in memory is shuffled when it is read from there."""
        del shuffle
        return tf.data.Dataset.from_tensor_slices(self._columns(part))

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """See `Source`."""
        columns = self._columns(part)
        for start in range(0, part.stop - part.start, size):
            yield tuple(column[start : start + size] for column in columns)

    def say(self, parts: Sequence[Part]) -> None:
        """Say nothing: the arrays are as they were saved."""


def from_file(path: pathlib.Path, conditions: Sequence[str]) -> NpzSource:
    """Make the source of an .npz file; `conditions` are names.

    Raises:
        ValueError: when the file cannot be read, or its arrays are no examples; it names file and array.
    """
    found = read_arrays(path)
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
    encoded = [_encode_condition(path, name, named, counts) for name, named in given.items()]
    return NpzSource(examples, concatenate_conditions(encoded), [named.names for named in encoded])


def _examples(path: pathlib.Path, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Convert arrays by key to examples by split."""
    made: dict[str, np.ndarray] = {}
    for key, array in found.items():
        split = key.removeprefix("x_")
        if split in made:
            raise ValueError(f"{path} holds both {split} and x_{split}: leave out one")
        made[split] = _as_examples(path, key, array)
    return made


def _as_examples(path: pathlib.Path, key: str, array: np.ndarray) -> np.ndarray:
    """Convert an array as it is in the file to uint8 [N, H, W, C], or float32."""
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


def _encode_condition(
    path: pathlib.Path, name: str, named: Mapping[str, np.ndarray], counts: Mapping[str, int]
) -> Conditions:
    """Encode the arrays of the condition `name`, such as `train_label` or `y_train`."""
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
            return one_hot_conditions(columns)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
    columns = {split: np.reshape(array, (len(array), -1)).astype(np.float32) for split, array in columns.items()}
    for split, column in columns.items():
        if not np.isfinite(column).all():
            raise ValueError(f"{path}: {name} has values for {split} that are not finite")
    return Conditions(columns)
