"""A table's columns as inputs and outputs of signatures: raw values, a tensor `[B]` for each column.

Text, and dates in ISO 8601, are strings, "" where missing; all else is numbers, NaN where missing. What `Schema.encode`
and `decode` do is done in the graph, by comparison with constants: a table that is looked up would be a resource.
A value that does not fit is an InvalidArgument that begins with the column's name.
"""

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.exporting.table_dates import read_dates, write_dates
from tfvae.tables import Column, Schema

__all__ = ["column_specs", "example_rows", "keep_given", "name_columns", "plain", "read_columns", "write_columns"]

RESERVED = ("seed", "z", "condition", "label", "self")  # other inputs' names, and one that TensorFlow cannot have
SHOWN = 10  # categories that an error lists
NAN = float("nan")


def name_columns(schema: Schema) -> dict[str, Column]:
    """Give the encoded columns by the names of their inputs, in order: the column's own where it is a name that inputs
    can have, letters of ASCII, digits and underscores; else one made of it."""
    names = {column.name for column in schema.encoded if _is_name(column.name)}
    found: dict[str, Column] = {}
    for column in schema.encoded:
        name = column.name if column.name in names else _free_name(column.name, names | set(found))
        found[name] = column
    return found


def _is_name(name: str) -> bool:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None
    return plain and name not in RESERVED and not keyword.iskeyword(name)


def _free_name(name: str, taken: set[str]) -> str:
    """Make a name that inputs can have, and that is not taken."""
    base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    base = base if _is_name(base) else f"column_{base}".rstrip("_")
    tries = (base, *(f"{base}_{number}" for number in range(2, len(taken) + 3)))
    return next(found for found in tries if found not in taken)


def column_specs(schema: Schema) -> list[tf.TensorSpec]:
    """Give the inputs, one for each encoded column."""
    return [tf.TensorSpec([None], _dtype(column), name) for name, column in name_columns(schema).items()]


def _dtype(column: Column) -> tf.DType:
    """Give the type of a column's values: string; float64 where float32 would lose what the column tells apart."""
    if column.kind == "date" or _is_text(column):
        return tf.string
    if column.categories:
        held = all(float(np.float32(category)) == category for category in column.categories)
    elif column.decimals is None or column.minimum is None or column.maximum is None:
        held = column.decimals is None
    else:
        held = max(abs(column.minimum), abs(column.maximum)) * 10.0**column.decimals <= 2.0**24
    return tf.float32 if held and not column.origin else tf.float64


def _is_text(column: Column) -> bool:
    """Say whether categories are given as text: words, and whole numbers that no float holds."""
    return any(isinstance(category, str) or float(category) != category for category in column.categories)


def _constants(column: Column) -> tf.Tensor:
    """Give the categories, in the order of their codes."""
    if _is_text(column):
        return tf.constant([str(category) for category in column.categories])
    return tf.constant([float(category) for category in column.categories], _dtype(column))


# reading


def read_columns(schema: Schema, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Read rows as `Schema.encode` does: float32 `[B, D]`, NaN where missing.

    Args:
        schema: of the table.
        tensors: `[B]` each, for each of `column_specs`.
    """
    pairs = zip(schema.encoded, tensors, strict=True)
    return tf.stack([_read(column, values) for column, values in pairs], axis=1)


def _read(column: Column, values: tf.Tensor) -> tf.Tensor:
    missing = _missing(column, values)
    if column.categories:
        return _read_codes(column, values, missing)
    if column.kind == "date":
        found, good, example = read_dates(column, values)
        _refuse(~(good | missing), values, f"{column.name} must be dates such as {example}, not")
    else:
        found = _read_numbers(column, values)
    return tf.where(missing, NAN, tf.cast(found, tf.float32))


def _missing(column: Column, values: tf.Tensor) -> tf.Tensor:
    """Tell which values are missing; "" is not where it is a category."""
    if values.dtype == tf.string:
        return values == "" if "" not in column.categories else tf.zeros_like(values, tf.bool)
    return tf.math.is_nan(values)


def _read_codes(column: Column, values: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    same = values[:, None] == _constants(column)  # [B, K]
    listed = ", ".join(str(category) for category in column.categories[:SHOWN])
    listed += f", ... ({len(column.categories)} in all)" if len(column.categories) > SHOWN else ""
    wrong = ~(tf.reduce_any(same, axis=1) | missing)
    _refuse(wrong, values, f"{column.name} must be one of {listed}, not")
    code = tf.argmax(tf.cast(same, tf.int8), axis=1)
    return tf.where(missing, NAN, tf.cast(code, tf.float32))


def _read_numbers(column: Column, values: tf.Tensor) -> tf.Tensor:
    """Read numbers less the column's origin."""
    if column.kind == "count":
        wrong = (values < 0) | (values != tf.floor(values)) & ~tf.math.is_nan(values)
        _refuse(wrong, values, f"{column.name} must be 0, 1, 2, ..., not")
    if column.kind == "positive":
        _refuse(values <= 0, values, f"{column.name} must be above 0, not")
    found = tf.cast(tf.cast(values, tf.float64) - column.origin, tf.float32)
    lost = tf.math.is_inf(found) | ((found <= 0) if column.kind == "positive" else False)
    _refuse(lost, values, f"{column.name} is too large or too small for the model:")
    return found


def _refuse(wrong: tf.Tensor, values: tf.Tensor, message: str) -> None:
    """Refuse a request where any value is wrong; the first of them is named."""
    tf.debugging.Assert(~tf.reduce_any(wrong), [message, tf.boolean_mask(values, wrong)[:1]])


# writing


def write_columns(schema: Schema, x: tf.Tensor, gaps: bool = False) -> dict[str, tf.Tensor]:
    """Write rows x `[B, D]` as `Schema.decode(within=True)` does: input's name -> `[B]`, of the input's type; booleans
    as such.

    Args:
        schema: of the table.
        x: as `read_columns` gives them.
        gaps: whether cells may be missing; booleans are then 0, 1 or NaN.
    """
    columns = name_columns(schema).items()
    return {name: _write(column, x[:, place], gaps) for place, (name, column) in enumerate(columns)}


def _write(column: Column, x: tf.Tensor, gaps: bool) -> tf.Tensor:
    missing, dtype = tf.math.is_nan(x), _dtype(column)
    x = tf.cast(tf.where(missing, 0.0, x), tf.float64)
    if column.categories:
        code = tf.clip_by_value(tf.round(x), 0, len(column.categories) - 1)
        found = tf.gather(_constants(column), tf.cast(code, tf.int32))
        if isinstance(column.categories[0], bool) and not gaps:
            return found > 0.5
    else:
        if column.minimum is not None and column.maximum is not None:
            x = tf.clip_by_value(x, column.minimum - column.origin, column.maximum - column.origin)
        found = write_dates(column, x) if column.kind == "date" else tf.cast(_write_numbers(column, x), dtype)
    return tf.where(missing, "" if dtype == tf.string else tf.constant(NAN, dtype), found)


def _write_numbers(column: Column, x: tf.Tensor) -> tf.Tensor:
    """Give numbers with the column's origin, float64: rounded, and within what dtype and kind can hold."""
    kind = column.dtype.lower()
    if column.kind == "count":
        x = tf.maximum(x, 0.0)
    if "int" in kind:
        limits = np.iinfo(kind)
        return tf.clip_by_value(tf.round(x) + column.origin, float(limits.min), float(limits.max))
    found = x + column.origin
    if column.decimals is not None:
        found = tf.round(found * 10.0**column.decimals) / 10.0**column.decimals
        found = tf.maximum(found, 10.0**-column.decimals) if column.kind == "positive" else found  # not rounded to 0
    if kind.startswith("bool"):
        return tf.clip_by_value(found, 0.0, 1.0)
    return tf.cast(tf.cast(found, kind), tf.float64)  # in float32 numbers are rougher


def keep_given(schema: Schema, given: Sequence[tf.Tensor], filled: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Give rows whose cells are those given, and where they are missing those of `filled`, as `write_columns` has
    them."""
    found = {}
    for (name, column), values in zip(name_columns(schema).items(), given, strict=True):
        own = values > 0.5 if filled[name].dtype == tf.bool else values
        found[name] = tf.where(_missing(column, values), filled[name], own)
    return found


def example_rows(schema: Schema, rows: int) -> dict[str, np.ndarray]:
    """Make rows that signatures take, name -> array `[rows]`: categories in turn, numbers and dates between the least
    and the greatest; every second cell of the last row is missing."""
    x = np.empty([rows, len(schema.encoded)], np.float32)
    turn = np.arange(rows)
    for place, column in enumerate(schema.encoded):
        low, high = (1.0, 2.0) if column.minimum is None or column.maximum is None else (column.minimum, column.maximum)
        between = low + (high - low) * (turn + 1) / (rows + 1) - column.origin
        x[:, place] = turn % len(column.categories) if column.categories else between
    x[-1, ::2] = NAN
    return {name: plain(values) for name, values in write_columns(schema, tf.constant(x), gaps=True).items()}


def plain(values: Any) -> np.ndarray:
    """Give a tensor as an array that needs no pickle; strings are bytes."""
    array = np.asarray(values)
    return np.array(array.tolist(), np.bytes_) if array.dtype == object else array
