"""CSV files as tables: one file, or several with the same columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tfvae.tables.csv_dialect import explain, find_dialect
from tfvae.tables.csv_types import Survey, choose_decimal, choose_types, convert, no_number
from tfvae.tables.errors import TableError, nearest
from tfvae.tables.optional import optional
from tfvae.tables.options import Dialect, Options
from tfvae.tables.places import records
from tfvae.tables.same_columns import check_same

__all__ = ["CsvFiles"]

BLOCK = 2**23  # bytes read at once; no row may be longer

Batch = tuple[Dialect, int, Any]  # the file, the position in it of the first row, and Arrow's batch of text


class CsvFiles:
    """CSV files with the same columns, as one table."""

    def __init__(self, paths: Sequence[str], options: Options) -> None:
        """Look at the files' headers.

        Raises:
            TableError: A file is no CSV, or its columns are others than the first one's.
        """
        options.check()
        self.options = options
        self.dialects = [find_dialect(path, options, say=not place) for place, path in enumerate(paths)]
        self.names = self.dialects[0].names
        for dialect in self.dialects[1:]:
            check_same(dialect.path, dialect.names, paths[0], self.names)
        for name in options.text:
            if name not in self.names:
                raise TableError(f"{paths[0]}: text: no such column {name!r}; {nearest(name, self.names)}")
        self._starts: list[tuple[str, int, str, str]] = []
        self._missing = optional("pyarrow").array(["", *options.missing], optional("pyarrow").string())

    def read(self) -> tuple[Any, set[str], list[tuple[str, int, str, str]]]:
        """Return all rows as an Arrow table, the columns that have missing values, and `files()`.

        Raises:
            TableError: A row or a cell cannot be read.
        """
        batches = list(self._batches())
        tables, nullable = self._convert(lambda: batches)
        return optional("pyarrow").concat_tables(tables), nullable, self.files()

    def tables(self) -> tuple[Iterator[Any], set[str]]:
        """Return Arrow tables of some rows each, and the columns that have missing values anywhere.

        The files are read twice: first to find the columns' types.

        Raises:
            TableError: A row or a cell cannot be read.
        """
        return self._convert(self._batches)

    def files(self) -> list[tuple[str, int, str, str]]:
        """Return of each file the path, its first row among all, the separator and the encoding, once they are read."""
        return self._starts

    def _batches(self) -> Iterator[Batch]:
        """Yield the rows of all files as text."""
        pa, csv = optional("pyarrow"), optional("pyarrow.csv")
        for dialect in self.dialects:
            start = 0
            packed = dialect.path.lower().endswith(".gz")
            encoding = "utf8" if dialect.encoding.startswith("utf-8") else dialect.encoding
            try:
                with csv.open_csv(
                    pa.input_stream(dialect.path, compression="gzip" if packed else None),
                    read_options=csv.ReadOptions(block_size=BLOCK, encoding=encoding),
                    parse_options=csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
                    convert_options=csv.ConvertOptions(
                        column_types={name: pa.string() for name in self.names},
                        strings_can_be_null=False,
                        include_columns=self.names,
                    ),
                ) as reader:
                    for batch in reader:
                        yield dialect, start, batch
                        start += batch.num_rows
            except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
                raise explain(dialect, error) from None

    def _convert(self, batches: Callable[[], Iterable[Batch]]) -> tuple[Iterator[Any], set[str]]:
        surveys = [Survey(name) for name in self.names]
        self._starts = []
        rows = 0
        for dialect, start, batch in batches():
            if not start:
                self._starts.append((dialect.path, rows, dialect.separator, dialect.encoding))
            for survey, cells in zip(surveys, batch.columns, strict=True):
                survey.add(cells, self._missing, rows)
            rows += batch.num_rows
        if not rows:
            raise TableError(f"{self.dialects[0].path}: has a row of names and no rows below it: a table needs one")
        decimal = choose_decimal(surveys, self.options.decimal, self.dialects[0].path)
        types = choose_types(surveys, decimal, self.options.text)
        if isinstance(types, Survey):
            raise _cell_error(types, decimal, self._starts)
        self._say(surveys, types, decimal)
        return self._tables(batches, types, decimal), {item.name for item in surveys if item.present < item.rows}

    def _tables(self, batches: Callable[[], Iterable[Batch]], types: dict[str, str], decimal: str) -> Iterator[Any]:
        for _, _, batch in batches():
            columns = zip(self.names, batch.columns, strict=True)
            arrays = [convert(cells, types[name], decimal, self._missing) for name, cells in columns]
            yield optional("pyarrow").table(dict(zip(self.names, arrays, strict=True)))

    def _say(self, surveys: Sequence[Survey], types: dict[str, str], decimal: str) -> None:
        """Warn of what was found and could have been meant otherwise."""
        path = self.dialects[0].path
        commas = [survey.name for survey in surveys if survey.comma and types[survey.name] == "float"]
        if decimal == "," and self.options.decimal is None:
            found = f"column {commas[0]!r}: numbers have decimal commas, as it seems"
            warnings.warn(f"{path}: {found}: say decimal=',' to be sure", stacklevel=2)
        asked = {survey.name: survey.asked for survey in surveys if survey.asked}
        if asked:
            cells = ", ".join(f"{count} of column {name!r}" for name, count in asked.items())
            warnings.warn(f"{path}: cells '?' are read as missing: {cells}: say missing= what else is", stacklevel=2)


def _cell_error(survey: Survey, decimal: str, files: Sequence[tuple[str, int, str, str]]) -> TableError:
    """Return the error about the first cell that is no number."""
    position, value = survey.first[decimal]
    path, start, separator, encoding = [file for file in files if file[1] <= position][-1]
    rows = records(path, separator, encoding)
    next(rows)
    row, line = next(found[:2] for place, found in enumerate(rows) if place == position - start)
    where = f"row {row}" if row == line else f"row {row} (line {line})"
    return TableError(f"{path}: {where}, column {survey.name!r}: {no_number(value)}")
