"""What the text in a CSV file's columns stands for: numbers, booleans or text; and the columns made of it.

A column is of booleans when each cell is true or false (or True, TRUE, ...), and of numbers when each cell is one. It
is text when any number in it begins with a zero that would be lost (007), or does not fit in 64 bits. Where more cells
are numbers than not, but not all, that is an error, which names the first that is not. Dates stay text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfvae.tables.errors import TableError, quote
from tfvae.tables.optional import optional

__all__ = ["Survey", "choose_types", "convert"]

_DOT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_GROUPED = r"^[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,}|(\.\d{3})+,\d+|(\.\d{3}){2,})$"
_WHOLE = r"^[+-]?\d+$"
_TEXT = r"^[+-]?(0\d+|\d{19,})$"  # whole numbers that stay text: leading zeros, and too many digits
_BOOLEAN = r"^(true|True|TRUE|false|False|FALSE)$"


@dataclasses.dataclass
class Survey:
    """How many cells of a column are of which sort."""

    name: str
    rows: int = 0
    present: int = 0
    dot: int = 0  # numbers with a point or without
    whole: int = 0
    text: int = 0  # whole numbers to keep as text
    comma: int = 0  # numbers with a decimal comma
    thousands: int = 0  # of these, those that may be thousands
    boolean: int = 0
    grouped: int = 0  # numbers with thousands and decimals, such as 1,234.5
    asked: int = 0  # cells that are "?"
    # decimal separator -> position and text of the first cell that is no number
    first: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)

    def add(self, cells: Any, missing: Any, start: int) -> None:
        """Count the cells of a batch.

        Args:
            cells: An Arrow array of text.
            missing: An Arrow array of the spellings of missing cells.
            start: The position of the batch's first row.
        """
        pa, pc = optional("pyarrow"), optional("pyarrow.compute")
        cells = pc.utf8_trim_whitespace(cells)
        self.rows += len(cells)
        if "?" in missing.to_pylist():
            self.asked += _count(pc.equal(cells, "?"))
        found = pc.if_else(pc.is_in(cells, value_set=missing), pa.scalar(None, pa.string()), cells).drop_null()
        self.present += len(found)
        if not len(found) or self._add_numbers(found, cells, start):
            return
        counted = pc.value_counts(found)  # in the order in which values appear
        values, counts = counted.field("values"), counted.field("counts")
        dot, whole, text, comma, thousands, boolean, grouped = (
            pc.match_substring_regex(values, pattern)
            for pattern in (_DOT, _WHOLE, _TEXT, _COMMA, _THOUSANDS, _BOOLEAN, _GROUPED)
        )
        for name, flags in (("dot", dot), ("whole", whole), ("text", text), ("comma", comma)):
            setattr(self, name, getattr(self, name) + _count(flags, counts))
        self.thousands += _count(thousands, counts)
        self.boolean += _count(boolean, counts)
        self.grouped += _count(grouped, counts)
        for decimal, flags in ((".", dot), (",", pc.or_(whole, comma))):
            self._note_first(decimal, cells, values.filter(pc.invert(flags)), start)

    def _add_numbers(self, found: Any, cells: Any, start: int) -> bool:
        """Count cells that are numbers with points, or without, all of them; if they are not, return False."""
        pa, pc = optional("pyarrow"), optional("pyarrow.compute")
        unsigned = pc.utf8_ltrim(found, characters="+-")
        try:
            found.cast(pa.float64())
        except pa.ArrowInvalid:
            return False
        whole = pc.match_substring_regex(found, _WHOLE)
        zeros = pc.and_(pc.starts_with(unsigned, "0"), pc.greater(pc.utf8_length(unsigned), 1))
        self.dot += len(found)
        self.whole += _count(whole)
        self.text += _count(pc.and_(whole, zeros))
        try:
            unsigned.filter(whole).cast(pa.int64())
        except pa.ArrowInvalid:  # one is beyond it
            self.text += 1
        self._note_first(",", cells, found.filter(pc.invert(whole)), start)
        return True

    def _note_first(self, decimal: str, cells: Any, others: Any, start: int) -> None:
        if decimal not in self.first and len(others):
            value = others[0].as_py()
            self.first[decimal] = start + optional("pyarrow.compute").index(cells, value).as_py(), value

    def numbers(self, decimal: str) -> int:
        """Return how many cells are numbers, with that decimal separator."""
        return self.dot if decimal == "." else self.whole + self.comma


def _count(flags: Any, counts: Any = None) -> int:
    """Return how many flags are set, each as often as it counts."""
    return optional("pyarrow.compute").sum(flags if counts is None else counts.filter(flags)).as_py() or 0


def choose_decimal(surveys: Sequence[Survey], given: str | None, place: str) -> str:
    """Return the decimal separator of a file: what the user says, or a comma where all decimals have one.

    Raises:
        TableError: Some columns have points and others commas, or the commas may be of thousands.
    """
    if given is not None:
        return given
    commas = [survey for survey in surveys if survey.comma and survey.numbers(",") * 2 > survey.present]
    if not commas:
        return "."
    column = commas[0].name
    points = [survey for survey in surveys if survey.dot > survey.whole and survey.dot * 2 > survey.present]
    if points:
        found = f"column {column!r} has commas in its numbers, and column {points[0].name!r} points"
        raise TableError(f"{place}: {found}: write all alike, or say decimal=',' or decimal='.'")
    if all(survey.thousands == survey.comma for survey in commas):
        found = f"column {column!r}: the commas in its numbers may be of thousands or of decimals"
        raise TableError(f"{place}: {found}: remove them, or say decimal=','")
    return ","


def choose_types(surveys: Sequence[Survey], decimal: str, text: Sequence[str]) -> dict[str, str] | Survey:
    """Return what each column is: "empty", "bool", "int", "float" or "text"; or the first that is mostly numbers.

    Args:
        surveys: Of each column.
        decimal: The decimal separator.
        text: Columns to keep as text.
    """
    types = {}
    for survey in surveys:
        numbers, mostly = survey.numbers(decimal), max(survey.numbers("."), survey.numbers(",")) + survey.grouped
        if survey.name in text or not survey.present:
            types[survey.name] = "text" if survey.name in text else "empty"
        elif survey.boolean == survey.present:
            types[survey.name] = "bool"
        elif survey.text or mostly * 2 <= survey.present:
            types[survey.name] = "text"
        elif numbers < survey.present:
            return survey
        else:
            types[survey.name] = "int" if survey.whole == survey.present else "float"
    return types


def no_number(value: str) -> str:
    """Return what is wrong with a cell of text in a column of numbers, and how to mend it."""
    shown = quote(value)
    mend = f"mend it, leave the cell empty, say missing=[{shown}, ...], or text=[...] to read the column as text"
    return f"{shown} is no number, and most of the column are: {mend}"


def convert(cells: Any, kind: str, decimal: str, missing: Any) -> Any:
    """Return a column of text as the Arrow array that it stands for.

    Args:
        cells: An Arrow array of text.
        kind: One of `choose_types`.
        decimal: The decimal separator.
        missing: An Arrow array of the spellings of missing cells.
    """
    pa, pc = optional("pyarrow"), optional("pyarrow.compute")
    trimmed = pc.utf8_trim_whitespace(cells)
    empty = pc.is_in(trimmed, value_set=missing)
    null = pa.scalar(None, pa.string())
    if kind == "text":
        return pc.if_else(empty, null, cells)
    if kind == "empty":
        return pa.nulls(len(cells), pa.float64())
    found = pc.if_else(empty, null, trimmed)
    if kind == "bool":
        return pc.equal(pc.utf8_lower(found), "true")
    found = pc.utf8_ltrim(found, characters="+")
    if decimal == "," and kind == "float":
        found = pc.replace_substring(found, ",", ".")
    return found.cast(pa.int64() if kind == "int" else pa.float64())
