"""Dates: how text writes them, in which steps they go, and back from numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.tables import values
from tfvae.tables.column import DAY, Column
from tfvae.tables.errors import CellError
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dates_of_instants", "describe", "find_format", "instants_of", "relative"]

MICRO = 1_000_000  # microseconds in a second
STEPS = (DAY, 3600.0, 60.0, 1.0, 1e-3, 1e-6)  # seconds
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:([T ])\d\d:\d\d(:\d\d(\.\d{6})?)?(Z|[+-]\d\d:?\d\d)?)?")
_NANOSECONDS = (-9_223_372_036_854_775, 9_223_372_036_854_775)  # microseconds that datetime64[ns] holds
_YEARS = (-62_135_596_800 * MICRO, 253_402_300_799 * MICRO)  # the years 1 to 9999


def find_format(series: pd.Series) -> str | None:
    """Return how text writes dates, as `strftime` understands it, or None where one cell is no date written so.

    Formats are those of ISO 8601 that can be given back to the letter: 2020-01-31, and with a time of day 13:45,
    13:45:10 or 13:45:10.123456 after a T or a space, and a time zone (Z or +02:00) where it is that of all.
    """
    pd = pandas()
    distinct = pd.Series(pd.unique(series.dropna()), dtype=object)
    if not len(distinct) or not isinstance(distinct.iloc[0], str):
        return None
    found = _ISO.fullmatch(distinct.iloc[0])
    if found is None:
        return None
    format = "%Y-%m-%d"
    if found[1]:
        seconds = "" if not found[2] else ":%S.%f" if found[3] else ":%S"
        format += f"{found[1]}%H:%M{seconds}{found[4] or ''}"
    read = pd.to_datetime(distinct, format=format, errors="coerce")
    same = not read.isna().any() and bool((_write(read, format).to_numpy() == distinct.to_numpy()).all())
    return format if same else None


def _write(dates: Any, format: str) -> Any:
    return dates.dt.strftime(format).astype(object)


def describe(found: np.ndarray) -> dict[str, Any]:
    """Return the attributes of a column of dates: of microseconds, int64 [N], none missing."""
    step = next(step for step in STEPS if not (found % round(step * MICRO)).any())
    unit = DAY if step == DAY else 1.0
    middle = np.percentile(found, 50, method="lower").astype(np.int64)
    size = round(unit * MICRO)
    return {
        "step": step,
        "origin": float(middle // size),
        "minimum": float(found.min() / size),
        "maximum": float(found.max() / size),
        "distinct": len(np.unique(found)),
    }


def relative(column: Column, found: np.ndarray) -> np.ndarray:
    """Return microseconds, int64 [N], as days or seconds since the column's origin: float64 [N], NaN where missing."""
    size = round(column.unit * MICRO)
    missing = found == values.NAT
    differences = np.where(missing, 0, found) - round(column.origin) * size
    return np.where(missing, np.nan, differences / size)


def instants_of(column: Column, numbers: np.ndarray) -> np.ndarray:
    """Return days or seconds since the column's origin, float64 [N], as microseconds: int64 [N].

    They are multiples of the column's step, and brought into the range that its dtype holds.
    """
    assert column.step is not None
    missing = np.isnan(numbers)
    size, step = round(column.unit * MICRO), round(column.step * MICRO)
    low, high = _NANOSECONDS if column.dtype.startswith("datetime64[ns") else _YEARS
    steps = np.rint(np.where(missing, 0.0, numbers) * (size / step))
    start = round(column.origin) * size
    steps = np.clip(steps, np.ceil((low - start) / step), np.floor((high - start) / step))
    found = start + steps.astype(np.int64) * step
    return np.where(missing, values.NAT, found)


def dates_of_instants(column: Column, found: np.ndarray) -> pd.Series:
    """Return microseconds, int64 [N], as dates in the column's dtype."""
    pd = pandas()
    dates: Any = pd.Series(found.view("datetime64[us]"))
    if column.format is not None:
        written = _write(dates, column.format).where(~dates.isna(), None)
        return pd.Series(written, dtype=column.dtype)
    if column.dtype == "date":
        return dates.dt.date.astype(object).where(~dates.isna(), None)
    dtype = pd.api.types.pandas_dtype(column.dtype)
    if getattr(dtype, "tz", None) is not None:
        dates = dates.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
    try:
        return dates.astype(dtype)
    except pd.errors.OutOfBoundsDatetime as error:
        raise CellError(None, None, f"holds dates out of range: {error}") from None
