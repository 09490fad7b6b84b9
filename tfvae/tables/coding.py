"""Columns to numbers and back: the codec of a single column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfvae.tables import categories, dates, kinds, values
from tfvae.tables.column import CODED, Column
from tfvae.tables.errors import CellError
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["decode_column", "encode_column"]

HUGE = 2**62  # differences below this go into int64 with any origin
EXACT = 2.0**53  # differences up to this are kept to the last digit


def encode_column(column: Column, series: pd.Series, unknown: str = "refuse") -> np.ndarray:
    """Return a column's values as float32 [N]; NaN where missing.

    Args:
        column: What the schema knows of the column; not of kind `ignore`.
        series: The values.
        unknown: "refuse" or "allow": what becomes of unknown categories.

    Raises:
        CellError: A value does not fit the column.
    """
    series = values.plain(series)
    if column.kind in CODED:
        return categories.codes(column, series, unknown)
    if column.kind == "date":
        zone = None if column.format or column.dtype == "date" else ", " in column.dtype
        found = dates.relative(column, values.instants(series, column.format, zone))
    else:
        found = _relative(column, values.read_numbers(series))
    with np.errstate(over="ignore", under="ignore"):
        result = found.astype(np.float32)
    lost = np.isinf(result) | ((result <= 0) & (found > 0) if column.kind == "positive" else False)
    if lost.any():
        position = int(np.argmax(lost))
        value = series.iloc[position]
        raise CellError(
            position, value, "is too large or too small for float32: scale the column, or take its logarithm"
        )
    return result


def _relative(column: Column, numbers: values.Numbers) -> np.ndarray:
    """Return numbers less the column's origin, float64 [N]; of whole numbers to the last digit."""
    kinds.check_numbers(numbers.values, column.kind)
    differences = numbers.values - column.origin
    if numbers.exact is None or not column.origin:
        return differences
    near = np.abs(differences) < EXACT
    exact = numbers.exact - np.int64(column.origin)  # may wrap around, where the difference is not near
    return np.where(near, exact.astype(np.float64), differences)


def decode_column(column: Column, numbers: np.ndarray, within: bool = False) -> pd.Series:
    """Return the values that numbers stand for, in the column's dtype.

    Args:
        column: What the schema knows of the column; not of kind `ignore`.
        numbers: Float [N]; NaN where missing.
        within: Whether numbers and dates are brought into the range that the column had.

    Raises:
        CellError: A number is no code, or infinite.
    """
    found = np.asarray(numbers, np.float64)
    if np.isinf(found).any():
        position = int(np.argmax(np.isinf(found)))
        raise CellError(position, found[position], "is infinite, and stands for no value")
    if column.kind in CODED:
        return categories.values_of_codes(column, found)
    if within and column.minimum is not None and column.maximum is not None:
        found = np.clip(found, column.minimum - column.origin, column.maximum - column.origin)
    if column.kind == "date":
        return dates.dates_of_instants(column, dates.instants_of(column, found))
    return _numbers(column, found)


def _numbers(column: Column, found: np.ndarray) -> pd.Series:
    """Return numbers in the column's dtype: rounded to its decimals, and within what dtype and kind can hold."""
    pd = pandas()
    missing = np.isnan(found)
    if column.kind == "count":
        found = np.where(missing, found, np.maximum(found, 0.0))
    if "int" not in column.dtype.lower():
        result = found + column.origin
        result = result if column.decimals is None else np.round(result, column.decimals)
        if column.kind == "positive" and column.decimals is not None:
            result = np.maximum(result, 10.0**-column.decimals)  # not rounded to 0
        if column.dtype in ("bool", "boolean"):
            result = np.clip(result, 0, 1)
        dtype = "boolean" if missing.any() and column.dtype == "bool" else column.dtype
        return pd.Series(pd.array(result, dtype="Float64") if dtype == "boolean" else result).astype(dtype)
    whole = _add_origin(np.rint(np.where(missing, 0.0, found)), column)
    result = pd.Series(whole).astype(categories.nullable(column.dtype) if missing.any() else column.dtype)
    if missing.any():
        result[missing] = pd.NA
    return result


def _add_origin(steps: np.ndarray, column: Column) -> np.ndarray:
    """Return whole numbers, float64 [N], and the column's origin together: int64, within what the dtype holds.

    The sums are exact, but where they are so large that float64 is not.
    """
    limits = np.iinfo(column.dtype.lower())
    low, high, origin = int(limits.min), min(int(limits.max), 2**63 - 1), int(column.origin)
    near = np.abs(steps) < HUGE
    exact = np.where(near, steps, 0.0).astype(np.int64)
    exact = np.clip(exact, max(low - origin, -HUGE), min(high - origin, HUGE)) + np.int64(origin)
    rough = steps + column.origin
    inside = (rough > low) & (rough < high)
    far = np.where(inside, rough, 0.0).astype(np.int64)
    return np.where(near, exact, np.where(inside, far, np.where(rough > 0, high, low)))
