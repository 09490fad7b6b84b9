"""Where a cell is: the row of the file that a table was read from, or else the row's label in the DataFrame."""

from __future__ import annotations

import csv
import gzip
import io
import numbers
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from tfvae.tables.errors import CellError, TableError, quote

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cell_error", "mark_file", "open_bytes", "records"]

FILES = "tfvae.files"  # the key in DataFrame.attrs: of each file its path, its first row's label, separator, encoding
MAX_FILES = 100  # attrs are copied with every frame that pandas derives


def open_bytes(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file, unpacked when its name ends in .gz."""
    return gzip.open(path) if os.fspath(path).lower().endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def records(path: str, separator: str, encoding: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the rows of a CSV file that are not blank: row and line, both counted from 1, and fields."""
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=separator)
        for row, fields in enumerate(reader, 1):
            if fields:
                yield row, reader.line_num, fields


def mark_file(frame: pd.DataFrame, files: list[tuple[str, int, str, str]]) -> pd.DataFrame:
    """Note in a DataFrame which files its rows are of, so that errors can name them.

    Args:
        frame: As read; its index counts rows from 0.
        files: Of each file its path, its first row's label, and of CSV files the separator and the encoding.
    """
    if len(files) <= MAX_FILES:
        frame.attrs[FILES] = [list(file) for file in files]
    return frame


def cell_error(frame: pd.DataFrame, column: str, error: CellError) -> TableError:
    """Return the error about a column's cell, with its file and row."""
    if error.position is None:
        return TableError(f"column {column!r}: {error.text}")
    label = frame.index[error.position]
    file, row = _file_row(frame, label, column, frame[column].iloc[error.position])
    return TableError(f"{file}row {row}, column {column!r}: {quote(error.value)} {error.text}")


def _file_row(frame: pd.DataFrame, label: object, column: str, value: object) -> tuple[str, str]:
    """Return "FILE: " and the row in it, or "" and the label where the file is not known or has changed."""
    files = [file for file in frame.attrs.get(FILES, ()) if isinstance(label, numbers.Integral) and file[1] <= label]
    if not files:
        return "", str(label)
    path, first, separator, encoding = files[-1]
    place = int(str(label)) - first
    if not separator:
        return f"{path}: ", str(place + 1)
    try:
        rows = records(path, separator, encoding)
        names = next(rows)[2]
        row, line, fields = next(found for place_now, found in enumerate(rows) if place_now == place)
        same = str(value) in fields[names.index(column)] or not isinstance(value, str)
    except (OSError, StopIteration, ValueError, IndexError):
        return "", str(label)
    if not same:  # rows have been counted anew since
        return "", str(label)
    return f"{path}: ", str(row) if row == line else f"{row} (line {line})"
