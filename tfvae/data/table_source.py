"""A table as a source: its rows as numbers, by a schema; columns as conditions; random parts of its rows as splits."""

import collections
import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae import tables
from tfvae.data.arguments import NO_TABLE, TableArguments, label_of
from tfvae.data.messages import say
from tfvae.data.protocol import Part
from tfvae.data.table_conditions import encode_condition
from tfvae.data.table_reading import infer_schema, read_table
from tfvae.tables import Column, Schema, TableError
from tfvae.tables.column import CODED
from tfvae.tables.errors import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableSource", "class_names", "from_table", "schema_of"]

MAX_DESCRIBED = 12  # columns that have a line each
MAX_ODD = 10  # lines on what is odd
WORDS = {  # of errors of `tfvae.tables` -> what the same is called here
    "kinds={": "columns={",
    "kinds: ": "columns: ",
    "parts: ": "splits: ",
    "text: no such column": "there is no column",
    ", or say unknown='allow' to make it missing": "",
}


class TableSource(NamedTuple):
    """A source of rows.

    Attributes:
        x: all rows, float32 `[N, D]`, NaN where a cell is missing.
        conditions: of all rows, float32 `[N, k]`; None without.
        rows: split -> the positions of its rows.
        classes: see `Source`.
        told: lines on the table, and their levels.
    """

    x: np.ndarray
    conditions: np.ndarray | None
    rows: dict[str, np.ndarray]
    classes: list[tuple[str, ...] | None]
    told: list[tuple[str, int]]

    @property
    def counts(self) -> dict[str, int]:
        """See `Source`."""
        return {split: len(rows) for split, rows in self.rows.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Source`."""
        return self.x.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """See `Source`."""
        return self.x.dtype

    @property
    def condition_size(self) -> int:
        """See `Source`."""
        return 0 if self.conditions is None else self.conditions.shape[1]

    def _take(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(array[rows] for array in (self.x, self.conditions) if array is not None)

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """See `Source`; not shuffled, as the rows are shuffled in a buffer when they are read."""
        del shuffle
        return tf.data.Dataset.from_tensor_slices(self._take(self.rows[part.split][part.start : part.stop]))

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """See `Source`."""
        rows = self.rows[part.split][part.start : part.stop]
        for start in range(0, len(rows), size):
            yield self._take(rows[start : start + size])

    def say(self, parts: Sequence[Part]) -> None:
        """Say which columns were found, and what is odd about them."""
        for line, level in self.told:
            say(line, level)


def from_table(name: Any, conditions: Sequence[str] = (), table: TableArguments = NO_TABLE) -> TableSource:
    """Make the source of a table.

    Args:
        name: a path or a pattern, or a table in memory.
        conditions: columns, which are no part of x unless the schema that is given has them.
        table: further arguments of `data.load`.

    Raises:
        TableError: when it cannot be read, or does not fit; it names file, row and column.
    """
    with _naming(name):
        frame = read_table(name, _text_in(table.schema, conditions))
        schema = table.schema or infer_schema(name, table.columns, table.labels, conditions, frame)
        columns = [_condition(frame, column, schema) for column in conditions]
        rows = {"train": np.arange(len(frame))}
        if table.splits is not None:
            rows = tables.split(frame, table.splits, table.split_seed, table.stratify)
        aside = {*conditions, *table.labels} - _known(schema)
        x = schema.encode(frame.drop(columns=[column for column in frame.columns if column in aside]))
        encoded = [encode_condition(frame, column) for column in columns]
    told = [] if table.schema else _describe(label_of(name), schema)
    joined = np.concatenate(encoded, axis=1) if encoded else None
    return TableSource(x, joined, rows, [_class_names(column) for column in columns], told)


def schema_of(
    name: Any, columns: Mapping[str, str] | None = None, labels: Sequence[str] = (), conditions: Sequence[str] = ()
) -> Schema:
    """Find the schema of a table; labels and conditions are lists of names.

    Raises:
        TableError: when it cannot be read, or its columns are not of the kinds that are given.
    """
    with _naming(name):
        return infer_schema(name, columns, labels, conditions)


def class_names(
    name: Any, condition: str, columns: Mapping[str, str] | None = None, schema: Schema | None = None
) -> tuple[str, ...] | None:
    """Give the names of the classes of a column, in the order of its one-hot vectors; None where it has numbers."""
    with _naming(name):
        return _class_names(_condition(read_table(name, _text_in(schema, [condition])), condition, schema, columns))


@contextlib.contextmanager
def _naming(name: Any) -> Iterator[None]:
    """Have errors name the table, and the arguments of `data.load`."""
    try:
        yield
    except TableError as error:
        label, said = label_of(name), _in_terms_of_load(str(error))
        begin = re.split(r"[*?[]", label)[0] or label  # of the names of the files that a pattern stands for
        raise TableError(said if said.startswith(begin) else f"{label}: {said}") from None


def _in_terms_of_load(line: str) -> str:
    for there, here in WORDS.items():
        line = line.replace(there, here)
    return line


def _text_in(schema: Schema | None, conditions: Sequence[str]) -> tuple[str, ...]:
    """Give the columns that the table must have as text."""
    known = schema.text if schema is not None else ()
    return tuple(name for name in known if schema is not None and name in (*schema.names, *conditions))


def _known(schema: Schema) -> set[str]:
    return {column.name for column in (*schema.columns, *schema.conditions)} | set(schema.labels)


def _condition(
    frame: "pd.DataFrame", name: str, schema: Schema | None = None, columns: Mapping[str, str] | None = None
) -> Column:
    """Give the column of a condition: as the schema knows it, or else as it is found in the table."""
    if name not in frame.columns:
        raise TableError(f"condition: no such column {name!r}; {nearest(name, frame.columns)}")
    known = [c for c in (*schema.conditions, *schema.encoded) if c.name == name] if schema is not None else []
    if known:
        return known[0]
    part = frame[[name]]
    return Schema.infer(part, {key: kind for key, kind in (columns or {}).items() if key == name}).columns[0]


def _class_names(column: Column) -> tuple[str, ...] | None:
    return tuple(map(str, column.categories)) if column.kind in CODED else None


def _describe(label: str, schema: Schema) -> list[tuple[str, int]]:
    """Give lines on the kinds of columns, and on what is odd, and their levels."""
    lines = schema.describe()
    if len(lines) > MAX_DESCRIBED:
        kinds = collections.Counter(column.kind for column in schema.columns)
        counts = [f"{count} {kind}" for kind, count in kinds.most_common()]
        more = {"condition": len(schema.conditions), "label": len(schema.labels)}
        counts += [f"{count} kept aside as {what}" for what, count in more.items() if count]
        lines = [f"{len(lines)} columns: {', '.join(counts)}"]
    odd = [_in_terms_of_load(line) for line in schema.odd()]
    if len(odd) > MAX_ODD:
        odd[MAX_ODD:] = [f"{len(odd) - MAX_ODD} more lines on what is odd are left out: data.table_schema(...).odd()"]
    return [(f"{label}: {line}", logging.INFO) for line in lines] + [
        (f"{label}: {line}", logging.WARNING) for line in odd
    ]
