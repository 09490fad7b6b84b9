"""Categories: which values a column has, and codes for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.tables import values
from tfvae.tables.column import Category, Column
from tfvae.tables.errors import CellError, nearest
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["codes", "describe", "is_pair", "values_of_codes", "whole_with_gaps"]

MAX_WHOLE = 2.0**53  # up to which float64 holds every whole number
PAIRS = (("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("off", "on"))


def is_pair(categories: Iterable[object]) -> bool:
    """Return whether categories are the two words of a pair such as yes and no, in capitals or not."""
    found = sorted(category.casefold() if isinstance(category, str) else "" for category in categories)
    return tuple(found) in {tuple(sorted(pair)) for pair in PAIRS}


def describe(series: pd.Series, kind: str, order: Sequence[str] = ()) -> dict[str, Any]:
    """Return the attributes `categories` and `distinct` of a column of codes.

    Raises:
        CellError: The values cannot be categories, are more than two of a boolean, or an ordinal's order is not known.
    """
    pd = pandas()
    codes, found = pd.factorize(series)
    distinct = [_plain(value) for value in found]
    if whole_with_gaps(series):
        distinct = [int(value) for value in distinct]
    if values.family(series) == "categorical":
        categories = [_plain(value) for value in series.cat.categories]
    elif values.family(series) == "boolean":
        categories = [False, True]
    elif values.family(series) == "date":
        raise CellError(None, None, f"holds dates, and cannot be of kind {kind}: make it text by .astype(str)")
    else:
        categories = sorted(distinct)
    kinds = {type(category) for category in categories}
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        raise CellError(None, None, "has categories that are not text, numbers or booleans: make them text")
    if kind == "ordinal":
        categories = _ordered(series, categories, order)
        unknown = [value for value in distinct if value not in set(categories)]
        if unknown:
            position = int(np.argmax(codes == distinct.index(unknown[0])))
            raise CellError(position, unknown[0], f"is not in the order given; {nearest(unknown[0], categories)}")
    if kind == "boolean" and len(categories) > 2:
        third = int(np.argmax(codes == 2)) if len(distinct) > 2 else None
        value = None if third is None else distinct[2]
        raise CellError(third, value, "is a third value, and kind 'boolean' takes two: use kind 'category'")
    return {"categories": tuple(_false_first(categories)), "distinct": len(distinct)}


def whole_with_gaps(series: pd.Series) -> bool:
    """Return whether a plain column is of floats, all whole, with gaps: what pandas makes of such integers."""
    pd = pandas()
    if not (isinstance(series.dtype, np.dtype) and pd.api.types.is_float_dtype(series.dtype)):
        return False
    shown = series.dropna().to_numpy(dtype=np.float64)
    return len(shown) < len(series) and bool((np.abs(shown) < MAX_WHOLE).all() and (np.floor(shown) == shown).all())


def _plain(value: Any) -> Category:
    return value.item() if hasattr(value, "item") else value


def _false_first(categories: list[Any]) -> list[Any]:
    """Return the words of a pair with the one that says no first; others as they are."""
    if is_pair(categories):
        return sorted(categories, key=lambda word: word.casefold() not in {no for no, _ in PAIRS})
    return categories


def _ordered(series: pd.Series, categories: list[Any], order: Sequence[str]) -> list[Any]:
    """Return an ordinal's categories from low to high."""
    if order:
        if categories and not isinstance(categories[0], str):
            return [_number(word) for word in order]
        return list(order)
    if values.family(series) == "text" or (values.family(series) == "categorical" and not series.cat.ordered):
        order_by = "say it, as 'ordinal: low < middle < high', or make it an ordered pandas.Categorical"
        raise CellError(None, None, f"is text, whose order is not known: {order_by}")
    return categories


def _number(word: str) -> float:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        raise CellError(None, None, f"holds numbers, and its order has {word!r}: name numbers") from None


def codes(column: Column, series: pd.Series, unknown: str) -> np.ndarray:
    """Return the codes of a plain column, float32 [N]; NaN where missing.

    Args:
        column: Of a kind with categories.
        series: The values.
        unknown: "refuse" or "allow": what becomes of values that are no categories; allowed, they are missing.

    Raises:
        CellError: A value is no category, and that is refused.
    """
    pd = pandas()
    found, distinct = pd.factorize(series)
    table = np.full(len(distinct) + 1, np.nan, np.float32)  # the last is what -1, missing, stands for
    for place, value in enumerate(distinct):
        code = column.codes.get(_plain(value), _code_by_spelling(column, value))
        if code is not None:
            table[place] = code
        elif unknown == "refuse":
            position = int(np.argmax(found == place))
            more = nearest(value, column.categories)
            raise CellError(
                position, value, f"is no category ({more}): mend it, or say unknown='allow' to make it missing"
            )
    return table[found]


def _code_by_spelling(column: Column, value: Any) -> int | None:
    """Return the code of a number whose category is text: a file with no other values reads as numbers."""
    if isinstance(value, str) or not isinstance(column.categories[0], str):
        return None
    return column.codes.get(str(_plain(value)))


def values_of_codes(column: Column, numbers: np.ndarray) -> pd.Series:
    """Return the categories of codes, float64 [N] with NaN for missing ones, in the column's dtype.

    Raises:
        CellError: A number is no code.
    """
    pd = pandas()
    missing = np.isnan(numbers)
    found = np.where(missing, -1, numbers)
    wrong = ~missing & ~((found >= 0) & (found < len(column.categories)) & (np.floor(found) == found))
    if wrong.any():
        position = int(np.argmax(wrong))
        raise CellError(position, numbers[position], f"is no code from 0 to {len(column.categories) - 1}")
    positions = found.astype(np.int64)
    as_category = column.category_dtype
    if as_category is not None:
        index = pd.Index(list(column.categories), dtype=as_category[0])
        return pd.Series(pd.Categorical.from_codes(positions, dtype=pd.CategoricalDtype(index, as_category[1])))
    if isinstance(column.categories[0], str):
        words = np.array([*column.categories, None], dtype=object)[positions]
        return pd.Series(words, dtype=column.dtype)
    dtype = nullable(column.dtype) if missing.any() else column.dtype
    if dtype.startswith("float"):
        return pd.Series(np.array([*column.categories, np.nan])[positions], dtype=dtype)
    kept = np.array([*column.categories, column.categories[0]])[positions]
    result = pd.Series(kept).astype(dtype)
    result[missing] = pd.NA if missing.any() else None
    return result


def nullable(dtype: str) -> str:
    """Return the dtype that holds missing values too: Int64 for int64, boolean for bool."""
    if dtype == "bool":
        return "boolean"
    return {"i": "I", "u": "U"}.get(dtype[0], dtype[0]) + dtype[1:].replace("int", "Int", dtype[0] == "u")
