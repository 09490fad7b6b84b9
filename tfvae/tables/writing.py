"""Writing tables in pieces: the file is there whole, or not at all."""

from __future__ import annotations

import contextlib
import csv
import gzip
import os
import pathlib
from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tfvae import files
from tfvae.tables.errors import TableError, nearest
from tfvae.tables.optional import optional
from tfvae.tables.options import default_separator
from tfvae.tables.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Writer"]

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")


class Writer:
    """Writes a table in pieces, within a `with` statement.

        with Writer("samples.parquet", schema) as writer:
            writer.write(frame)

    The file appears when the block ends. If the block fails, nothing is written, and a file that was there stays.
    Text that CSV files write missing cells as, such as NA, is read back as missing: parquet files keep it.
    """

    def __init__(self, path: str | os.PathLike[str], columns: Schema | Sequence[str]) -> None:
        """Say what to write.

        Args:
            path: A .csv, .tsv (both packed too, .gz) or .parquet file.
            columns: The schema of the table, or the names of its columns. Pieces of parquet files have the dtypes of
                the schema, or else those of the first piece.

        Raises:
            TableError: The ending stands for no format, or a name is there twice.
        """
        self.path = pathlib.Path(path)
        if not self.path.name.lower().endswith(ENDINGS):
            raise TableError(f"{self.path}: is of a format that is not known: name it by one of {', '.join(ENDINGS)}")
        if isinstance(columns, str):
            raise TableError(f"columns: must be a Schema or a list of names, not {columns!r}")
        self.names = list(columns.names if isinstance(columns, Schema) else columns)
        twice = [name for place, name in enumerate(self.names) if name in self.names[:place]]
        if twice or not self.names:
            raise TableError(f"columns: {f'{twice[0]!r} is there twice' if twice else 'there are none'}")
        self._schema = columns if isinstance(columns, Schema) else None
        self._format: _Csv | _Parquet | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Writer:
        opened = _Parquet if self.path.name.lower().endswith(".parquet") else _Csv
        with contextlib.ExitStack() as stack:
            partial = stack.enter_context(files.beside(self.path))
            self._format = stack.enter_context(contextlib.closing(opened(partial, self.names, self._schema)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._format = None
        return self._stack.__exit__(kind, error, trace)

    def write(self, frame: pd.DataFrame) -> None:
        """Write the rows of a DataFrame below those before it; columns are put in order by name.

        Raises:
            TableError: Columns are missing or too many, or have another dtype than before.
        """
        if self._format is None:
            raise TableError(f"{self.path}: is not open: write within `with Writer(...) as writer:`")
        given = list(frame.columns)
        for name in self.names:
            if name not in given:
                raise TableError(f"{self.path}: column {name!r} is missing; {nearest(name, given)}")
        for name in given:
            if name not in self.names:
                raise TableError(f"{self.path}: there is no column {name!r} to write; {nearest(name, self.names)}")
        self._format.write(frame[self.names])


class _Csv:
    def __init__(self, path: pathlib.Path, names: Sequence[str], schema: Schema | None) -> None:
        self._separator = default_separator(path)
        packed = path.name.lower().endswith(".gz")
        self._file: IO[str] = (
            gzip.open(path, "wt", encoding="utf-8", newline="")
            if packed
            else open(path, "w", encoding="utf-8", newline="")
        )
        self._write(optional("pandas").DataFrame(columns=list(names)), header=True)

    def write(self, frame: pd.DataFrame) -> None:
        self._write(frame, header=False)

    def _write(self, frame: pd.DataFrame, header: bool) -> None:
        # carriage returns end rows, and pandas does not see that they need quotes
        returns = any("\r" in name for name in frame.columns) or any(map(_has_returns, frame.items()))
        quoting: Any = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
        frame.to_csv(self._file, index=False, header=header, sep=self._separator, lineterminator="\n", quoting=quoting)

    def close(self) -> None:
        self._file.close()


def _has_returns(column: tuple[Hashable, pd.Series]) -> bool:
    """Return whether a column of text has carriage returns."""
    series = column[1]
    if hasattr(series, "cat"):
        return any("\r" in str(category) for category in series.cat.categories)
    text = series.dtype == object or str(series.dtype) in ("str", "string")
    return text and any("\r" in value for value in series if isinstance(value, str))


class _Parquet:
    def __init__(self, path: pathlib.Path, names: Sequence[str], schema: Schema | None) -> None:
        self._path = path
        self._names = names
        self._types: Any = None
        self._writer: Any = None
        if schema is not None:
            blank = schema.decode(np.zeros((1, len(names)), np.float32))
            self._open(optional("pyarrow").Table.from_pandas(blank, preserve_index=False).schema)

    def _open(self, types: Any) -> None:
        self._types = types
        self._writer = optional("pyarrow.parquet").ParquetWriter(self._path, types)

    def write(self, frame: pd.DataFrame) -> None:
        pa = optional("pyarrow")
        if self._writer is None:
            self._open(_without_nulls(pa.Table.from_pandas(frame, preserve_index=False).schema))
        try:
            table = pa.Table.from_pandas(frame, schema=self._types, preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            said = " ".join(str(part) for part in error.args)
            raise TableError(f"{self._path.name}: a piece is of other dtypes than the table: {said}") from None
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is None:
            self._open(optional("pyarrow").schema([(name, "string") for name in self._names]))
        self._writer.close()


def _without_nulls(schema: Any) -> Any:
    """Return an Arrow schema in which columns of nothing but missing cells are text."""
    pa = optional("pyarrow")
    fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
    return pa.schema(fields, metadata=schema.metadata)
