"""Reading tables: from files, folders, and whatever is in memory, whole or in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tfvae.tables.arrow import frame_from_arrow
from tfvae.tables.csv_files import CsvFiles
from tfvae.tables.errors import TableError
from tfvae.tables.memory import frame_from_memory, read_h5ad
from tfvae.tables.optional import optional, pandas
from tfvae.tables.options import MISSING, Options
from tfvae.tables.parquet_files import ParquetFiles
from tfvae.tables.places import mark_file
from tfvae.tables.schema import check_names
from tfvae.tables.sources import find_files, is_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chunks", "read"]

ROWS = 2**16  # of parquet files, read at once


def read(
    source: Any,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    missing: Sequence[str] = MISSING,
    text: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a table.

    Args:
        source: A path to a .csv, .tsv (both may be packed, .gz), .parquet or .h5ad file; to a folder of such with the
            same columns, in the order of their names; a pattern such as "parts/*.csv"; or what `frame_from_memory`
            takes: DataFrames, Arrow's and polars' tables, AnnData, NumPy's arrays and SciPy's sparse matrices.
        separator: What is between cells of CSV files; None to find it, where it is unambiguous.
        decimal: What is before the decimals in CSV files, "." or ","; None to find it, where it is unambiguous.
        encoding: How CSV files write characters; None for UTF-8.
        missing: How CSV files write missing cells; empty ones always are.
        text: Columns of CSV files that are text, though their cells are numbers; `Schema.text` has those of a schema.

    Returns:
        A DataFrame with a row at least. From files, integers and booleans with missing cells are Int64 and boolean, and
        dates in CSV files are text.

    Raises:
        TableError: The table cannot be read; one line, which names file, row and column, and how to mend it.
        FileNotFoundError: There is no such file.
        ImportError: A library is missing; says which.
    """
    if not isinstance(source, (str, os.PathLike)):
        frame = frame_from_memory(source)
        check_names(frame)
        return frame
    options = Options(separator, decimal, encoding, missing, text)
    options.check()
    paths = find_files(source)
    if paths[0].lower().endswith(".h5ad"):
        frame = read_h5ad(paths[0])
        check_names(frame)
        return frame
    if is_csv(paths[0]):
        table, nullable, files = CsvFiles(paths, options).read()
    else:
        parquet = ParquetFiles(paths)
        table, nullable = optional("pyarrow").concat_tables(parquet.tables(ROWS)), parquet.nullable
        files = parquet.files()
    return mark_file(frame_from_arrow(table, nullable), files)


def chunks(
    path: str | os.PathLike[str],
    rows: int = 50_000,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    missing: Sequence[str] = MISSING,
    text: Sequence[str] = (),
) -> Iterator[pd.DataFrame]:
    """Read a table in pieces, in memory that does not grow with it.

    CSV files are read twice: first to find the types of their columns, which are those of all pieces. Files are looked
    at when this is called; the index goes on from piece to piece.

    Args:
        path: A CSV or parquet file, a folder of such, or a pattern.
        rows: How many rows each piece has, but the last.
        separator, decimal, encoding, missing, text: As of `read`.

    Returns:
        An iterator of DataFrames.

    Raises:
        TableError: The table cannot be read.
        FileNotFoundError: There is no such file.
    """
    if type(rows) is not int or rows < 1:
        raise TableError(f"rows: must be a whole number above 0, not {rows!r}")
    options = Options(separator, decimal, encoding, missing, text)
    options.check()
    paths = find_files(path)
    tables: Iterable[Any]
    if is_csv(paths[0]):
        csv = CsvFiles(paths, options)
        tables, nullable = csv.tables()
        files = csv.files()
    elif paths[0].lower().endswith(".parquet"):
        parquet = ParquetFiles(paths)
        tables, nullable, files = parquet.tables(rows), parquet.nullable, parquet.files()
    else:
        raise TableError(f"{paths[0]}: cannot be read in pieces: use tfvae.tables.read, or save it as .parquet")
    return _frames(tables, rows, nullable, files)


def _frames(
    tables: Iterable[Any], rows: int, nullable: set[str], files: list[tuple[str, int, str, str]]
) -> Iterator[pd.DataFrame]:
    """Yield DataFrames of so many rows from Arrow tables of any number."""
    start = 0
    for table in _pieces(tables, rows):
        frame = frame_from_arrow(table, nullable)
        frame.index = pandas().RangeIndex(start, start + len(frame))
        start += len(frame)
        yield mark_file(frame, files)


def _pieces(tables: Iterable[Any], rows: int) -> Iterator[Any]:
    """Yield Arrow tables of so many rows, but the last."""
    pa = optional("pyarrow")
    waiting: list[Any] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count < rows:
            continue
        joined = pa.concat_tables(waiting)
        for first in range(0, count - rows + 1, rows):
            yield joined.slice(first, rows)
        rest = count % rows
        waiting, count = ([joined.slice(joined.num_rows - rest)] if rest else []), rest
    if count:
        yield pa.concat_tables(waiting)
