"""Columns of a table as conditions: one-hot vectors of categories, or numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfvae.tables import Column, Schema, TableError
from tfvae.tables.coding import encode_column
from tfvae.tables.column import CODED
from tfvae.tables.errors import CellError, nearest
from tfvae.tables.optional import pandas
from tfvae.tables.places import cell_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["condition_from_text", "conditions_of", "encode_condition"]


def conditions_of(frame: "pd.DataFrame", schema: Schema) -> np.ndarray | None:
    """Give the conditions of a table's rows, float32 `[N, k]`, by the schema of a model; None where it has none.

    Raises:
        TableError: when a column is missing, or a cell; it names file, row and column.
    """
    if not schema.conditions:
        return None
    for column in schema.conditions:
        if column.name not in frame.columns:
            raise TableError(f"column {column.name!r} is missing, on which the model is conditioned")
    return np.concatenate([encode_condition(frame, column) for column in schema.conditions], axis=1)


def condition_from_text(given: Mapping[str, str], schema: Schema) -> np.ndarray | None:
    """Give the condition `[k]`, float32, that columns of these values stand for, as text; None where there is none.

    Raises:
        TableError: when a column is missing, or not one of the model's conditions, or has no such value.
    """
    names = [column.name for column in schema.conditions]
    for name in given:
        if name not in names:
            what = f"; {nearest(name, names)}" if names else ", which is conditioned on no column"
            raise TableError(f"{name!r} is no condition of the model{what}")
    for name in names:
        if name not in given:
            raise TableError(f"the model is conditioned on the column {name!r}: say which value it shall have")
    if not names:
        return None
    values = {column.name: [_value(column, given[column.name])] for column in schema.conditions}
    found = conditions_of(pandas().DataFrame(values), schema)
    return None if found is None else found[0]


def _value(column: Column, text: str) -> object:
    """Give the value of a column that a text stands for."""
    if column.kind in CODED:
        words = {str(category): category for category in column.categories}
        if text not in words:
            raise TableError(f"column {column.name!r} has no value {text!r}; {nearest(text, words)}")
        return words[text]
    if column.kind == "date":
        return pandas().to_datetime(text)
    try:
        return float(text)
    except ValueError:
        raise TableError(f"column {column.name!r} holds numbers, and {text!r} is none") from None


def encode_condition(frame: "pd.DataFrame", column: Column) -> np.ndarray:
    """Give a condition of all rows, float32: one-hot `[N, K]`, or numbers `[N, 1]`."""
    try:
        found = encode_column(column, frame[column.name])
        missing = np.isnan(found)
        if missing.any():
            position = int(np.argmax(missing))
            value = frame[column.name].iloc[position]
            raise CellError(position, value, "is a missing cell, and a condition needs a value: fill or drop it")
    except CellError as error:
        raise cell_error(frame, column.name, error) from None
    if column.kind in CODED:
        return (found[:, None] == np.arange(len(column.categories))).astype(np.float32)  # [N, K]
    return found[:, None]  # [N, 1]
