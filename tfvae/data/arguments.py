"""The arguments of `load`, checked before anything is read."""

import operator
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from tfvae.tables import Schema

__all__ = [
    "NO_TABLE",
    "LoadArguments",
    "TableArguments",
    "check_arguments",
    "check_table_arguments",
    "condition_names",
    "label_of",
]

MAX_PIXELS = 2**15  # of a height or width


class TableArguments(NamedTuple):
    """Arguments of `load` that are for tables alone."""

    columns: Mapping[str, str] | None = None
    labels: Sequence[str] = ()
    schema: Schema | None = None
    splits: Mapping[str, str] | None = None
    split_seed: int = 0
    stratify: str | None = None

    @property
    def given(self) -> list[str]:
        """The names of those that were given."""
        return [name for name, value in self._asdict().items() if value != NO_TABLE[self._fields.index(name)]]

    @property
    def key(self) -> Hashable:
        """What two have in common where they are the same."""
        return tuple(tuple(value.items()) if isinstance(value, Mapping) else value for value in self)


NO_TABLE = TableArguments()


class LoadArguments(NamedTuple):
    """Arguments of `load`, checked; `conditions` are names, perhaps none."""

    name: Any
    split: str
    batch_size: int
    binarize: Literal["static", "threshold"] | None
    shuffle: bool
    seed: int
    size: list[int] | None
    conditions: list[str]
    table: TableArguments

    @property
    def binarization_seed(self) -> int | None:
        """The seed where pixels are drawn by it, else None."""
        return self.seed if self.binarize == "static" else None

    @property
    def label(self) -> str:
        """What messages call the data."""
        return label_of(self.name)


def label_of(name: Any) -> str:
    """Give what messages call the data of this name, which may be a table in memory."""
    return os.fspath(name) if isinstance(name, (str, os.PathLike)) else f"the {type(name).__name__}"


def check_arguments(
    name: Any,
    split: str,
    batch_size: int,
    binarize: Literal["static", "threshold"] | None,
    shuffle: bool | None,
    seed: int,
    size: Sequence[int] | None,
    condition: str | Sequence[str] | None,
    channels: int | None,
    table: TableArguments,
) -> LoadArguments:
    """Check arguments of `load`; raise ValueError where one of them cannot be used."""
    batch_size = _check_integer("batch_size", batch_size, 1)
    seed = _check_integer("seed", seed)
    size = None if size is None else _check_size(size)
    if not isinstance(split, str) or not split.strip():
        raise ValueError(f"split must be such as 'train' or 'train[:90%]', not {split!r}")
    if channels not in (None, 1, 3, 4) or isinstance(channels, bool):
        raise ValueError(f"channels must be 1 (grey), 3 (colours) or 4 (and transparency), not {channels!r}")
    shuffle = split.startswith("train") if shuffle is None else shuffle
    conditions = condition_names(condition)
    return LoadArguments(name, split, batch_size, binarize, shuffle, seed, size, conditions, table)


def check_table_arguments(
    columns: Mapping[str, str] | None,
    labels: str | Sequence[str] | None,
    schema: Schema | None = None,
    splits: Mapping[str, str] | None = None,
    split_seed: int = 0,
    stratify: str | None = None,
) -> TableArguments:
    """Check arguments of `load` that are for tables alone; raise ValueError where one of them cannot be used."""
    if columns is not None and not (isinstance(columns, Mapping) and _are_words([*columns, *columns.values()])):
        raise ValueError(f"columns must be kinds by the names of columns, such as {{'age': 'number'}}, not {columns!r}")
    names = [labels] if isinstance(labels, str) else list(labels or ())
    if not _are_words(names) or len(set(names)) < len(names):
        raise ValueError(f"labels must be the name of a column, or several that differ, not {labels!r}")
    if schema is not None and not isinstance(schema, Schema):
        raise ValueError(f"schema must be a tfvae.tables.Schema, not {type(schema).__name__}: see data.table_schema")
    if schema is not None and columns:
        raise ValueError("columns and schema both say of which kinds columns are: leave out columns")
    split_seed = _check_integer("split_seed", split_seed)
    if splits is not None:
        _check_splits(splits)
    elif split_seed or stratify is not None:
        which = "stratify" if stratify is not None else "split_seed"
        raise ValueError(f"{which} is for random splits: give splits, such as {{'train': '80%', 'test': '20%'}}")
    if stratify is not None and not _are_words([stratify]):
        raise ValueError(f"stratify must be the name of a column, not {stratify!r}")
    return TableArguments(columns or None, tuple(names), schema, splits, split_seed, stratify)


def _check_splits(splits: Any) -> None:
    example = "{'train': '80%', 'validation': '10%', 'test': '10%'}"
    if not isinstance(splits, Mapping) or not splits:
        raise ValueError(f"splits must be shares by the names of splits, such as {example}, not {splits!r}")
    for name in splits:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name):
            raise ValueError(f"splits: {name!r} is no name of a split: use letters, digits and _, as in {example}")


def _are_words(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value for value in values)


def condition_names(condition: str | Sequence[str] | None) -> list[str]:
    """Give what `condition` may be as a list of names."""
    names = [condition] if isinstance(condition, str) else list(condition or ())
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"condition must be a name, or several that differ, not {condition!r}")
    return names


def _check_integer(name: str, value: Any, least: int = 0) -> int:
    """Give the value as an integer; raise ValueError where it is none, is below the least, or beyond 64 bits."""
    try:
        if not isinstance(value, (bool, np.bool_)) and least <= operator.index(value) < 2**63:
            return operator.index(value)
    except TypeError:
        pass  # the same message
    raise ValueError(f"{name} must be {least} or more, a whole number below 2^63, not {value!r}")


def _check_size(size: Any) -> list[int]:
    """Give [height, width]."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"size must be (height, width), not {size!r}") from None
    sides = [_check_integer("a height or width in size", side, 1) for side in (height, width)]
    if max(sides) > MAX_PIXELS:
        raise ValueError(f"size must be at most {MAX_PIXELS} pixels high and wide, not {size!r}")
    return sides
