"""Rows of a table, as data frames: a VAE that knows the table's schema takes them as numbers, and gives them back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfvae import tables
from tfvae.compatibility.protocol import VAELike

__all__ = ["as_numbers", "fill_frame", "fill_gaps", "is_frame"]


def is_frame(data: Any) -> bool:
    """Say whether data is a data frame, of pandas or another library."""
    return hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "__dataframe__"))


def as_numbers(vae: VAELike, data: Any) -> Any:
    """Give the rows of a data frame, also in a pair with conditions, as float32 `[N, D]`; other data as it is.

    Raises:
        ValueError: when the VAE has no schema; TableError: when the rows do not fit it.
    """
    if isinstance(data, tuple) and data and is_frame(data[0]):
        return (as_numbers(vae, data[0]), *data[1:])
    if not is_frame(data):
        return data
    schema = vae.preprocessor_view.schema
    if schema is None:
        raise ValueError(
            "the data is a data frame, and the VAE has no schema of its columns: give it preprocessing.Table(schema), "
            "or the rows as an array"
        )
    return schema.encode(tables.read(data))


def fill_gaps(vae: VAELike, data: Any, function: Callable[..., np.ndarray], several: bool) -> Any:
    """Give function(x, condition), which fills gaps of data as loaded, or of a data frame, as data frames.

    Args:
        vae: the model.
        data: as loaded, `[N, ...]`, of a conditional VAE a pair.
        function: (x, condition or None) -> x `[K, N, *event]`.
        several: whether K counts; else the first is given alone.
    """
    frame = data[0] if isinstance(data, tuple) else data
    x, condition = vae.split(data)
    found: Any = function(np.asarray(x), None if condition is None else np.asarray(condition))
    if is_frame(frame) and vae.preprocessor_view.schema is not None:
        found = [fill_frame(vae.preprocessor_view.schema, tables.read(frame), rows) for rows in found]
    return found if several else found[0]


def fill_frame(schema: tables.Schema, frame: Any, x: np.ndarray) -> Any:
    """Give a data frame whose missing cells are filled from x `[N, D]`; the others stay as they are."""
    filled = schema.decode(x, within=True).set_index(frame.index)
    for name in filled.columns:
        filled[name] = filled[name].where(frame[name].isna(), frame[name])
    return filled
