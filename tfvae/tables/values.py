"""Raw access to the values of a column: as plain pandas dtypes, numbers, codes of distinct values, or instants."""

from __future__ import annotations

import datetime
import decimal
import numbers
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfvae.tables import arrow
from tfvae.tables.errors import CellError
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAT", "Numbers", "family", "instants", "plain", "read_numbers"]

NAT = np.iinfo(np.int64).min  # a missing instant
_REFUSED = {
    "complex": "complex numbers: make columns of the real and the imaginary parts",
    "timedelta": "durations: make them numbers, such as frame[name].dt.total_seconds()",
    "period": "periods: make them dates by frame[name].dt.to_timestamp()",
    "interval": "intervals: make them text by frame[name].astype(str)",
}
_TEXTS = (str, np.str_)
_FAMILIES = {
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "decimal": "numbers",
    "boolean": "booleans",
    "datetime": "instants",
    "datetime64": "instants",
    "date": "dates",
    "string": "text",
    "empty": "empty",
}


class Numbers(NamedTuple):
    """A column's numbers, [N]."""

    values: np.ndarray  # float64; NaN where missing
    exact: np.ndarray | None  # int64, where the dtype is of whole numbers; 0 where missing


def plain(series: pd.Series) -> pd.Series:
    """Return a column in a dtype of NumPy's or pandas' own: dense, not Arrow's, and no objects but text and dates.

    Raises:
        CellError: The column holds what no column of a schema can, or values of several kinds.
    """
    pd = pandas()
    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series), index=series.index, name=series.name)
    if isinstance(series.dtype, pd.ArrowDtype):
        series = arrow.series_from_arrow(series)
    text = str(series.dtype)
    for name, what in _REFUSED.items():
        if text.startswith(name):
            raise CellError(None, None, f"holds {what}")
    return _without_objects(series) if series.dtype == object else series


def _without_objects(series: pd.Series) -> pd.Series:
    """Return a column of objects as a column of what they all are; text and dates stay objects."""
    pd = pandas()
    found = _FAMILIES.get(pd.api.types.infer_dtype(series, skipna=True))
    if found in ("text", "dates", "empty"):
        return series
    missing = series.isna().any()
    if found == "numbers":
        kinds = {type(value) for value in series.dropna()}
        if all(issubclass(kind, numbers.Integral) for kind in kinds):
            try:
                return series.astype("Int64" if missing else "int64")
            except OverflowError:
                pass
        return pd.Series(series.to_numpy(dtype=np.float64, na_value=np.nan), index=series.index, name=series.name)
    if found == "booleans":
        return series.astype("boolean" if missing else "bool")
    if found == "instants":
        try:
            return pd.to_datetime(series)
        except (ValueError, TypeError) as error:
            raise CellError(None, None, f"holds instants that do not go together: {error}: use one time zone") from None
    raise _mixed(series)


def _mixed(series: pd.Series) -> CellError:
    """Return the error about the first value whose type is another than that of the values before it."""
    first = None
    for position, (value, missing) in enumerate(zip(series, series.isna(), strict=True)):
        if isinstance(missing, (bool, np.bool_)) and missing:
            continue
        kind = type_of(value)
        if kind is None:
            mend = "make it a number or text, or drop the column"
            return CellError(position, value, f"is of type {type(value).__name__}, which no column can hold: {mend}")
        first = first or kind
        if kind != first:
            return CellError(
                position, value, f"is {kind} in a column of {first}: mend it, or make all text by .astype(str)"
            )
    return CellError(None, None, "holds values of several types: make them all numbers or all text")


def type_of(value: object) -> str | None:
    """Return the sort of thing a cell holds, in the plural, or None when no column can hold it."""
    if isinstance(value, (bool, np.bool_)):
        return "booleans"
    if isinstance(value, _TEXTS):
        return "text"
    if isinstance(value, (datetime.date, np.datetime64)):
        return "dates"
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return "numbers"
    return None


def family(series: pd.Series) -> str:
    """Return what a plain column holds: number, boolean, text, categorical, date or nothing."""
    pd = pandas()
    types = pd.api.types
    if series.isna().all():
        return "nothing"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "categorical"
    if types.is_bool_dtype(series.dtype):
        return "boolean"
    if types.is_numeric_dtype(series.dtype):
        return "number"
    if types.is_datetime64_any_dtype(series.dtype):
        return "date"
    return "date" if types.infer_dtype(series, skipna=True) == "date" else "text"


def read_numbers(series: pd.Series) -> Numbers:
    """Return the numbers of a plain column.

    Raises:
        CellError: A value is no number, infinite, or beyond int64.
    """
    pd = pandas()
    missing = series.isna().to_numpy()
    kind = family(series)
    if kind == "categorical":
        return read_numbers(plain(series.astype(series.cat.categories.dtype)))
    if kind == "nothing":
        return Numbers(np.full(len(series), np.nan), None)
    if kind not in ("number", "boolean"):
        position = int(np.argmin(missing))
        value = series.iloc[position]
        raise CellError(position, value, "is no number, and the column holds numbers: mend it, or leave the cell empty")
    if not pd.api.types.is_float_dtype(series.dtype):
        exact = series.to_numpy(dtype=np.uint64, na_value=0) if "uint64" in str(series.dtype).lower() else None
        if exact is not None and (exact > np.iinfo(np.int64).max).any():
            position = int(np.argmax(exact > np.iinfo(np.int64).max))
            raise CellError(position, exact[position], "is beyond int64: divide the column, or make it text")
        whole = series.to_numpy(dtype=np.int64, na_value=0) if missing.any() else series.to_numpy(dtype=np.int64)
        values = whole.astype(np.float64)
        values[missing] = np.nan
        return Numbers(values, whole)
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        position = int(np.argmax(np.isinf(values)))
        raise CellError(position, values[position], "is infinite: mend it, or leave the cell empty")
    return Numbers(values, None)


def instants(series: pd.Series, format: str | None, zone: bool | None = None) -> np.ndarray:
    """Return the dates of a plain column as microseconds since 1970-01-01 (UTC when there is a time zone).

    Args:
        series: Datetimes, `datetime.date`s, or text.
        format: How text is written; None for any of ISO 8601.
        zone: Whether there must be a time zone; None when that is all the same.

    Returns:
        int64 [N]; `NAT` where missing.

    Raises:
        CellError: A value is no date, or out of range, or the time zone is missing or one too many.
    """
    pd = pandas()
    missing = series.isna().to_numpy()
    kind = family(series)
    if kind not in ("date", "text", "nothing", "categorical"):
        raise CellError(_first(~missing), series.iloc[_first(~missing)], "is no date: write it as 2020-01-31")
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        dates: Any = series
    else:
        text = series.astype(object)
        utc = bool(zone) and format is None
        dates = pd.to_datetime(text, format=format or "ISO8601", errors="coerce", utc=utc)
        wrong = dates.isna().to_numpy() & ~missing
        if wrong.any():
            position = _first(wrong)
            raise CellError(position, series.iloc[position], f"is no date: write it as {_example(format)}")
        if dates.dtype == object:
            raise CellError(None, None, "holds dates of several time zones: use one")
    aware = getattr(dates.dtype, "tz", None) is not None
    if zone is not None and aware != zone and not missing.all():
        needs = "has no time zone, and must have one" if zone else "has a time zone, and must have none"
        raise CellError(_first(~missing), series.iloc[_first(~missing)], f"{needs}: use frame[name].dt.tz_localize")
    if aware:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    try:
        return dates.astype("datetime64[us]").to_numpy().astype("datetime64[us]").astype(np.int64)
    except pd.errors.OutOfBoundsDatetime as error:
        raise CellError(None, None, f"holds dates out of range: {error}") from None


def _first(flags: np.ndarray) -> int:
    return int(np.argmax(flags))


def _example(format: str | None) -> str:
    return datetime.datetime(2020, 1, 31, 13, 45).strftime(format) if format else "2020-01-31 or 2020-01-31T13:45:00"
