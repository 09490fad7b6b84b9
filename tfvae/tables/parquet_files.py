"""Parquet files as tables: one file, or several with the same columns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from tfvae.tables.arrow import check_arrow
from tfvae.tables.errors import TableError
from tfvae.tables.optional import optional
from tfvae.tables.same_columns import check_same

__all__ = ["ParquetFiles"]


class ParquetFiles:
    """Parquet files with the same columns, as one table."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Look at the files' schemas.

        Raises:
            TableError: A file is no parquet, has no rows, or its columns are others than the first one's.
        """
        self.paths = list(paths)
        self.rows: list[int] = []
        nulls: set[str] = set()
        for path in self.paths:
            with _open(path) as file:
                schema = file.schema_arrow
                check_arrow(schema, path)
                if path == self.paths[0]:
                    self.schema = schema.remove_metadata()
                self._check_same(path, schema)
                self.rows.append(file.metadata.num_rows)
                nulls |= _columns_with_nulls(file)
        self.nullable = nulls
        self.names = list(self.schema.names)
        if not sum(self.rows):
            raise TableError(f"{self.paths[0]}: has no rows: a table needs one")

    def _check_same(self, path: str, schema: Any) -> None:
        first = self.paths[0]
        check_same(path, schema.names, first, self.schema.names)
        for field in self.schema:
            other = schema.field(field.name).type
            if other != field.type:
                raise TableError(f"{path}: column {field.name!r}: is of {other}, and in {first} of {field.type}")

    def files(self) -> list[tuple[str, int, str, str]]:
        """Return of each file the path and the first row among all; no separator and no encoding."""
        starts = [sum(self.rows[:place]) for place in range(len(self.rows))]
        return [(path, start, "", "") for path, start in zip(self.paths, starts, strict=True)]

    def tables(self, rows: int) -> Iterator[Any]:
        """Yield Arrow tables of so many rows at most.

        Raises:
            TableError: A file is damaged.
        """
        pa = optional("pyarrow")
        for path in self.paths:
            with _open(path) as file:
                try:
                    for batch in file.iter_batches(batch_size=rows):
                        yield pa.Table.from_batches([batch]).select(self.names).replace_schema_metadata()
                except (pa.ArrowException, OSError) as error:
                    raise TableError(f"{path}: is damaged: {' '.join(str(error).split())}") from None


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    pa = optional("pyarrow")
    try:
        file = optional("pyarrow.parquet").ParquetFile(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: is no parquet file: {' '.join(str(error).split())}") from None
    with file:
        yield file


def _columns_with_nulls(file: Any) -> set[str]:
    """Return the columns that have missing values, or whose file does not say."""
    found = set()
    metadata = file.metadata
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count:
                found.add(column.path_in_schema)
    return found
