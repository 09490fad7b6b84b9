"""Arrow's tables as DataFrames of pandas' own dtypes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tfvae.tables.errors import TableError
from tfvae.tables.optional import optional, pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_arrow", "frame_from_arrow", "series_from_arrow"]

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def check_arrow(schema: Any, place: str) -> None:
    """Check that the columns of an Arrow schema have a name each, and hold single values.

    Args:
        schema: A `pyarrow.Schema`.
        place: What an error begins with, such as the file.

    Raises:
        TableError: Names are missing or there twice, or a column is nested or of bytes.
    """
    types = optional("pyarrow").types
    if not schema.names:
        raise TableError(f"{place}: has no columns")
    for number, field in enumerate(schema):
        if not field.name:
            raise TableError(f"{place}: column {number + 1} has no name: name it")
        if field.name in schema.names[:number]:
            raise TableError(f"{place}: column {field.name!r} is there twice: name columns differently")
        inner = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_nested(inner) or types.is_binary(inner) or types.is_large_binary(inner):
            mend = "make it columns of single values, or leave it out"
            raise TableError(f"{place}: column {field.name!r}: holds {inner}, which no column of a table can: {mend}")


def frame_from_arrow(table: Any, nullable: Collection[str] | None = None) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame.

    Integers and booleans with missing values become Int64 (Int8, ...) and boolean, and not floats and objects;
    decimals become float64.

    Args:
        table: A `pyarrow.Table`.
        nullable: The columns that get such a dtype when they are of integers or booleans; None for those with missing
            values.
    """
    pa, pd = optional("pyarrow"), pandas()
    decimals = [field.name for field in table.schema if pa.types.is_decimal(field.type)]
    for name in decimals:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.float64()))
    if nullable is None:
        nullable = {name for name in table.column_names if table.column(name).null_count}
    mapped = {getattr(pa, name)(): pd.api.types.pandas_dtype(_capital(name)) for name in _INTEGERS}
    mapped[pa.bool_()] = pd.BooleanDtype()
    some = [field.name for field in table.schema if field.name in nullable and field.type in mapped]
    frame = table.drop_columns(some).to_pandas(ignore_metadata=True)
    frame.index = pd.RangeIndex(table.num_rows)
    if some:
        others = table.select(some).to_pandas(ignore_metadata=True, types_mapper=mapped.get)
        frame = pd.concat([frame, others], axis=1)[table.column_names]
    return frame


def _capital(name: str) -> str:
    return name.replace("uint", "UInt") if name.startswith("u") else name.replace("int", "Int")


def series_from_arrow(series: pd.Series) -> pd.Series:
    """Return a column of one of Arrow's dtypes as one of pandas' own."""
    pa = optional("pyarrow")
    table = pa.table({"x": pa.chunked_array([series.array.__arrow_array__()])})
    found = frame_from_arrow(table)["x"]
    found.index, found.name = series.index, series.name
    return found
