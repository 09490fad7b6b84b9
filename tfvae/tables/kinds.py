"""What kind a column is, as its values tell, and the `Column` that this makes.

The rules, in this order:
- nothing but missing cells: `ignore`;
- booleans, the whole numbers 0 and 1, and the two words of a pair such as yes and no: `boolean`;
- a Categorical with an order: `ordinal`; without: `category`;
- datetimes, `datetime.date`s, and text that is a date in ISO 8601 in every cell: `date`; other text: `category`;
- whole numbers (floats too, when all are whole): `count` when none is negative, there are two values at least, and the
  smallest is at most 10; so a number of visits is a count, and an age of adults, a weight or a year is a number;
- floats: `positive` when all are above 0, their skewness is above 1.5, and that of their logarithms below half of it;
- other numbers: `number`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.tables import categories, dates, values
from tfvae.tables.column import CODED, NUMERIC, Column
from tfvae.tables.errors import CellError
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_numbers", "infer_column"]

SKEWNESS = 1.5  # of floats, above which they are `positive`
SMALL = 10  # whole numbers that start at or below this count something
MAX_DECIMALS = 6
FLOAT32 = np.finfo(np.float32)


def infer_column(series: pd.Series, kind: str | None = None, order: Sequence[str] = ()) -> Column:
    """Return the column that a series is.

    Args:
        series: The values; its name is the column's.
        kind: The kind, where the user says it; None to find it by the rules above.
        order: Of an ordinal, the categories from low to high, where the user says them.

    Raises:
        CellError: The values do not fit the kind, or no kind.
    """
    if kind == "ignore":
        return Column(str(series.name), "ignore", str(series.dtype), missing=_share_missing(series))
    series = values.plain(series)
    family = values.family(series)
    if family == "nothing":
        if kind is not None:
            raise CellError(None, None, f"has no values, and cannot be of kind {kind}: leave it out, or 'ignore' it")
        return Column(str(series.name), "ignore", str(series.dtype), missing=1.0)
    if family == "categorical" and kind is not None and kind not in CODED:
        series = values.plain(series.astype(series.cat.categories.dtype))
    if kind is None:
        kind, found = _choose_kind(series, family)
    elif kind == "date":
        found = _date(series)
    elif kind in CODED:
        found = categories.describe(series, kind, order)
    else:
        found = _number(series, kind)
    return Column(str(series.name), kind, **{"dtype": _dtype(series), **found}, missing=_share_missing(series))


def _share_missing(series: pd.Series) -> float:
    return float(series.isna().mean())


def _choose_kind(series: pd.Series, family: str) -> tuple[str, dict[str, Any]]:
    """Return the kind of a column, and the attributes of its `Column`."""
    if family == "categorical":
        if series.cat.ordered:
            return "ordinal", categories.describe(series, "ordinal")
        pair = categories.is_pair(series.cat.categories)
        return ("boolean" if pair else "category"), categories.describe(series, "boolean" if pair else "category")
    if family == "boolean":
        return "boolean", categories.describe(series, "boolean")
    if family == "date":
        return "date", _date(series)
    if family == "text":
        if dates.find_format(series) is not None:
            return "date", _date(series)
        found = categories.describe(series, "category")
        return ("boolean" if categories.is_pair(found["categories"]) else "category"), found
    found = _number(series, "number")
    kind = _kind_of_numbers(values.read_numbers(series).values, found)
    return kind, categories.describe(series, "boolean") if kind == "boolean" else found


def _kind_of_numbers(numbers: np.ndarray, found: dict[str, Any]) -> str:
    """Return boolean, count, positive or number."""
    low, high, distinct = found["minimum"], found["maximum"], found["distinct"]
    if found["decimals"] == 0:
        if (low, high, distinct) == (0, 1, 2):
            return "boolean"
        counts = low >= 0 and distinct > 1 and not found["origin"] and low <= SMALL
        return "count" if counts else "number"
    present = numbers[~np.isnan(numbers)]
    if low < FLOAT32.tiny or found["origin"] or distinct < 3:
        return "number"
    skewness = _skewness(present)
    return "positive" if skewness > SKEWNESS and abs(_skewness(np.log(present))) < skewness / 2 else "number"


def _skewness(numbers: np.ndarray) -> float:
    """Return the third moment of the standardised values."""
    centred = numbers / np.abs(numbers).max()  # which cannot overflow
    centred = centred - centred.mean()
    spread = centred.std()
    return float(((centred / spread) ** 3).mean()) if spread > 0 else 0.0


def _number(series: pd.Series, kind: str) -> dict[str, Any]:
    """Return the attributes of a numeric column."""
    numbers = values.read_numbers(series)
    check_numbers(numbers.values, kind)
    present = ~np.isnan(numbers.values)
    shown = numbers.values[present]
    decimals = 0 if numbers.exact is not None else _decimals(shown, series)
    origin = 0.0
    if kind == "number":
        origin = _origin(shown, None if numbers.exact is None else numbers.exact[present], decimals)
    found = {"decimals": decimals, "origin": origin, "minimum": float(shown.min()), "maximum": float(shown.max())}
    distinct = len(np.unique(shown if numbers.exact is None else numbers.exact[present]))
    return {**found, "distinct": distinct}


def check_numbers(numbers: np.ndarray, kind: str) -> None:
    """Check that numbers, float64 [N] with NaN for missing ones, fit a numeric kind.

    Raises:
        CellError: One is not above 0 for `positive`, or not 0, 1, 2, ... for `count`.
    """
    assert kind in NUMERIC
    with np.errstate(invalid="ignore"):
        if kind == "positive":
            wrong, what = numbers <= 0, "is not above 0, and kind 'positive' takes only such: use kind 'number'"
        elif kind == "count":
            wrong = (numbers < 0) | (np.floor(numbers) < numbers)
            what = "is not 0, 1, 2, ..., and kind 'count' takes only such: use kind 'number'"
        else:
            return
    if wrong.any():
        position = int(np.argmax(wrong))
        raise CellError(position, numbers[position], what)


def _decimals(shown: np.ndarray, series: pd.Series) -> int | None:
    """Return the fewest decimals, up to `MAX_DECIMALS`, that all values keep to, or None."""
    small = np.dtype(str(series.dtype).lower()) if "64" not in str(series.dtype) else np.dtype(np.float64)
    for decimals in range(MAX_DECIMALS + 1):
        if np.abs(shown).max() * 10.0**decimals > categories.MAX_WHOLE:
            return None
        for part in (shown[:1000], shown):  # the first are cheap, and mostly enough to see that it is not so
            if (np.round(part, decimals).astype(small) != part.astype(small)).any():
                break
        else:
            return decimals
    return None


def _origin(shown: np.ndarray, exact: np.ndarray | None, decimals: int | None) -> float:
    """Return what to subtract so that float32 keeps the values' differences: 0, or the median.

    It is the median where that is needed, as float32 does not hold the values to their decimals, and where it helps, as
    the values are nearer to the median than half of the largest magnitude: a 256th where their decimals have no end.
    """
    middle = float(np.percentile(shown, 50, method="lower"))
    far, near = np.abs(shown).max(), np.abs(shown - middle).max()
    if near * 2 > far:
        return 0.0
    if decimals is None:
        return middle if near * 256 <= far else 0.0
    with np.errstate(over="ignore"):
        held = shown.astype(np.float32).astype(np.float64)
    kept = np.round(held, decimals) == shown
    return 0.0 if kept.all() and (exact is None or far <= categories.MAX_WHOLE) else middle


def _date(series: pd.Series) -> dict[str, Any]:
    """Return the attributes of a column of dates."""
    text = values.family(series) == "text"
    format = dates.find_format(series) if text else None
    if text and format is None:
        values.instants(series, None)  # names the first cell that is no date
        what = "holds dates written in several ways, or in one that cannot be given back: write them as 2020-01-31"
        raise CellError(None, None, what)
    found = values.instants(series, format)
    return dates.describe(found[found != values.NAT]) | {"format": format}


def _dtype(series: pd.Series) -> str:
    """Return the dtype to give a column back in."""
    pd = pandas()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return f"{'ordered' if series.cat.ordered else 'category'}[{series.cat.categories.dtype}]"
    if categories.whole_with_gaps(series):
        return "Int64"
    if series.dtype == object and values.family(series) == "date":
        return "date"
    dtype = str(series.dtype)
    if pd.api.types.is_datetime64_any_dtype(series.dtype) and not _comes_back(series.dtype):
        raise CellError(None, None, f"has a time zone that cannot be stored: {dtype}: use .dt.tz_convert('UTC')")
    return dtype


def _comes_back(dtype: Any) -> bool:
    """Return whether a dtype is the one that its name stands for."""
    try:
        return bool(pandas().api.types.pandas_dtype(str(dtype)) == dtype)
    except (TypeError, ValueError, LookupError):
        return False
