"""`Schema`: the columns of a table, which travel with a model, and turn its rows into numbers and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfvae.tables import stored, words
from tfvae.tables.coding import decode_column, encode_column
from tfvae.tables.column import KINDS, Column
from tfvae.tables.errors import CellError, TableError, nearest
from tfvae.tables.kinds import infer_column
from tfvae.tables.optional import pandas
from tfvae.tables.places import cell_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Schema", "check_names"]

OTHERS = "*"  # in place of a column's name: all that are not named


@dataclasses.dataclass(frozen=True)
class Schema:
    """The columns of a table, in order.

    Float32 keeps a number, or a date, to within 2^-24 of its distance from the column's `origin` (0 unless that would
    lose differences between values), and `decode` rounds it to the column's decimals or step. So whole numbers and
    decimals come back exactly where that is finer than half a unit of the last digit; days within 45,000 years do; and
    seconds within 194 days. Instants are kept in microseconds at best.

    Attributes:
        columns: All but the labels; those of kind `ignore` are known, and not encoded.
        labels: The names of columns kept aside: no part of what is encoded, and of no kind.
        rows: How many rows the schema was inferred from.
        duplicates: The share of them that repeat one before, 0 to 1.
        conditions: Columns that rows come with as conditions: kept aside as labels are, but of a known kind.
    """

    columns: tuple[Column, ...]
    labels: tuple[str, ...] = ()
    rows: int = 0
    duplicates: float = 0.0
    conditions: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        names = [*(column.name for column in (*self.columns, *self.conditions)), *self.labels]
        twice = (
            [name for place, name in enumerate(names) if name in names[:place]] if len(set(names)) < len(names) else []
        )
        if twice:
            raise TableError(f"column {twice[0]!r} is there twice: name columns differently")
        ignored = [column.name for column in self.conditions if column.kind == "ignore"]
        if ignored:
            raise TableError(f"column {ignored[0]!r} is a condition, and is ignored or has no values: leave it out")
        if not self.encoded:
            raise TableError("no column is left to model: each is a label, ignored, or has no values")

    @classmethod
    def infer(
        cls,
        frame: pd.DataFrame,
        kinds: Mapping[str, str] | None = None,
        labels: Sequence[str] = (),
        conditions: Sequence[str] = (),
    ) -> Schema:
        """Find the kinds of a table's columns.

        Args:
            frame: The table; a row or more.
            kinds: Column -> kind, where it shall not be found (`kinds.py` has the rules). "ordinal: low < high" also
                says the order of the categories. The kind of "*" is that of all columns that are not named.
            labels: Columns to keep aside.
            conditions: Columns to keep aside as conditions.

        Raises:
            TableError: The values of a column do not fit its kind, or a name is not there.
        """
        check_names(frame)
        names, kinds = list(frame.columns), dict(kinds or {})
        others = kinds.pop(OTHERS, None)
        for what, given in (("kinds", kinds), ("labels", labels), ("condition", conditions)):
            for name in given:
                if name not in names:
                    raise TableError(f"{what}: no such column {name!r}; {nearest(name, names)}")
        labels = [name for name in labels if name not in conditions]
        columns = {}
        for name in names:
            if name not in labels:
                kind, order = _read_kind(name, kinds.get(name, others))
                try:
                    columns[name] = infer_column(frame[name], kind, order)
                except CellError as error:
                    raise cell_error(frame, name, error) from None
        aside = tuple(columns.pop(name) for name in conditions)
        schema = cls(tuple(columns.values()), tuple(labels), len(frame), conditions=aside)
        repeated = frame[list(schema.names)].duplicated()
        return dataclasses.replace(schema, duplicates=float(repeated.mean()))

    @property
    def encoded(self) -> tuple[Column, ...]:
        """The columns that are encoded, in order: those not ignored."""
        return tuple(column for column in self.columns if column.kind != "ignore")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that are encoded, in order."""
        return tuple(column.name for column in self.encoded)

    @property
    def text(self) -> tuple[str, ...]:
        """The names of columns that hold text: what `read(text=)` keeps from becoming numbers."""
        return tuple(column.name for column in (*self.encoded, *self.conditions) if _is_text(column))

    def encode(self, frame: pd.DataFrame, unknown: Literal["refuse", "allow"] = "refuse") -> np.ndarray:
        """Return a table's rows as numbers.

        Args:
            frame: A table with the schema's columns, in any order; labels and ignored columns may be missing.
            unknown: Whether an unknown category is refused, or allowed, and then missing.

        Returns:
            float32 [N, D], a column for each of `names`. Missing cells are NaN; categories are codes 0, ..., K - 1;
            dates are days or seconds since the column's origin; numbers are in the column's units, less its origin.

        Raises:
            TableError: Columns are missing or too many, or a value does not fit its column.
        """
        if unknown not in ("refuse", "allow"):
            raise TableError(f"unknown: must be 'refuse' or 'allow', not {unknown!r}")
        check_names(frame, rows=False)
        self._check_columns(list(frame.columns))
        result = np.empty((len(frame), len(self.encoded)), np.float32)
        for place, column in enumerate(self.encoded):
            try:
                result[:, place] = encode_column(column, frame[column.name], unknown)
            except CellError as error:
                raise cell_error(frame, column.name, error) from None
        return result  # [N, D]

    def decode(self, array: np.ndarray, within: bool = False) -> pd.DataFrame:
        """Return the table that numbers stand for: the inverse of `encode`.

        Args:
            array: Float [N, D], as `encode` gives.
            within: Whether numbers and dates are brought into the range that their column had; if not, only into what
                its dtype holds.

        Returns:
            A DataFrame with the columns `names` in the dtypes they had. Of integers and booleans where cells are
            missing, these are the nullable ones, Int64 and boolean.

        Raises:
            TableError: The shape is another, or a number stands for no value.
        """
        array = np.asarray(array)
        if array.ndim != 2 or array.shape[1] != len(self.encoded) or array.dtype.kind not in "fiu":
            shape = f"{array.dtype} {list(array.shape)}"
            raise TableError(
                f"an array must be of floats [N, {len(self.encoded)}], a column for each name, not {shape}"
            )
        found = {}
        for place, column in enumerate(self.encoded):
            try:
                found[column.name] = decode_column(column, array[:, place], within)
            except CellError as error:
                row = "" if error.position is None else f"row {error.position} of the array, "
                value = "" if error.position is None else f"{error.value} "
                raise TableError(f"{row}column {column.name!r}: {value}{error.text}") from None
        return pandas().DataFrame(found)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as dicts, lists, text and numbers, for JSON."""
        return stored.to_json(self.columns, self.labels, self.rows, self.duplicates, self.conditions)

    @classmethod
    def from_json(cls, content: object) -> Schema:
        """Return the schema that `to_json` gave as dicts.

        Raises:
            TableError: Keys are unknown or missing, values of the wrong type, or the format is of another tfvae.
        """
        return cls(**stored.from_json(content))

    def describe(self) -> list[str]:
        """Return a line for each column: its kind, range or categories, share of missing cells, and dtype."""
        lines = [words.describe(column) for column in self.columns]
        lines += [f"{words.describe(column)}; a condition, kept aside" for column in self.conditions]
        return lines + [f"{name}: a label, kept aside" for name in self.labels]

    def odd(self) -> list[str]:
        """Return a line for each thing that is odd about the table, and what may be done about it."""
        return words.odd(self.columns, self.rows, self.duplicates)

    def _check_columns(self, given: list[str]) -> None:
        """Check that a table has the columns that are encoded, and none but the schema's."""
        known = {column.name: None for column in (*self.columns, *self.conditions)} | dict.fromkeys(self.labels)
        additional = [name for name in given if name not in known]
        lacking = [name for name in self.names if name not in given]
        if lacking:
            raise TableError(
                f"column {lacking[0]!r} is missing{_others(lacking)}; {nearest(lacking[0], additional or given)}"
            )
        if additional:
            what = f"column {additional[0]!r} is not in the schema{_others(additional)}"
            raise TableError(f"{what}: drop it; {nearest(additional[0], known)}")


def _is_text(column: Column) -> bool:
    return column.format is not None or (bool(column.categories) and isinstance(column.categories[0], str))


def _others(names: Iterable[str]) -> str:
    rest = len(list(names)) - 1
    return f", and {rest} more" if rest else ""


def _read_kind(name: str, given: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the kind, and the order that an ordinal is given in "ordinal: low < middle < high"."""
    if given is None:
        return None, ()
    kind, _, order = given.partition(":") if isinstance(given, str) else (given, "", "")
    if kind not in KINDS:
        raise TableError(f"kinds: column {name!r}: no such kind {kind!r}; {nearest(kind, KINDS)}")
    words = tuple(word.strip() for word in order.split("<")) if order.strip() else ()
    if words and (kind != "ordinal" or not all(words) or len(set(words)) < len(words)):
        raise TableError(f"kinds: column {name!r}: {given!r}: write an order as 'ordinal: low < middle < high'")
    return kind, words


def check_names(frame: pd.DataFrame, rows: bool = True) -> None:
    """Check that a table is a DataFrame whose columns have names, each once, and has rows where it must.

    Raises:
        TableError: It does not.
    """
    if not isinstance(frame, pandas().DataFrame):
        raise TableError(
            f"a table must be a pandas.DataFrame, not {type(frame).__name__}: read it by tfvae.tables.read"
        )
    if not len(frame.columns):
        raise TableError("the table has no columns")
    if frame.columns.nlevels > 1:
        raise TableError("the table's columns have several levels: join them, as frame.columns.map('_'.join)")
    for name in frame.columns:
        if not isinstance(name, str) or not name:
            raise TableError(f"column {name!r} has no name of text: rename it, as frame.rename(columns=str)")
    if not frame.columns.is_unique:
        name = frame.columns[frame.columns.duplicated()][0]
        raise TableError(f"column {name!r} is there twice: name columns differently")
    if rows and not len(frame):
        raise TableError("the table has no rows")
