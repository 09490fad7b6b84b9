"""Random splits of a table's rows: disjoint, and the same wherever they are made."""

from __future__ import annotations

import fractions
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfvae.tables.errors import TableError, nearest
from tfvae.tables.optional import pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["split"]

_PERCENT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")


def split(
    table: pd.DataFrame | int,
    parts: Mapping[str, float | str],
    seed: int = 0,
    stratify: str | None = None,
) -> dict[str, np.ndarray]:
    """Split rows at random into parts.

    Which rows a part gets is a function of the seed, the number of rows and, when stratified, the column's values: not
    of the machine, nor of the versions of NumPy and pandas. Rows are ordered by a hash of seed and position.

    Args:
        table: A DataFrame, or how many rows there are.
        parts: Name -> share of the rows, 0.8 or "80%"; together 1 or less, and what is left is in no part.
        seed: 0, 1, 2, ...
        stratify: A column: of the rows with each of its values, missing ones alike, each part has its share, to within
            less than one row.

    Returns:
        Name -> positions of the rows, int64, rising; within less than one row of the share.

    Raises:
        TableError: Shares are no shares, or more than 1 together; a part would have no rows; no such column.
    """
    count = table if isinstance(table, int) else len(table)
    if count < 1:
        raise TableError(f"there must be a row at least to split, not {count}")
    shares = {name: _read_share(name, given) for name, given in parts.items()}
    if not shares or sum(shares.values()) > 1:
        raise TableError(f"parts: must be shares that sum to 1 at most, not {dict(parts)!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise TableError(f"seed: must be a whole number of 0 or above, not {seed!r}")
    order = np.argsort(_hash(seed, count), kind="stable")
    if stratify is None:
        classes = [order]
    elif isinstance(table, int):
        raise TableError(f"stratify: needs the table that column {stratify!r} is of, not a number of rows")
    else:
        classes = _classes(table, stratify, order)
    found = _deal(classes, list(shares.values()))
    for (name, share), rows in zip(shares.items(), found, strict=False):
        if share and not len(rows):
            raise TableError(f"parts: {name!r} gets no rows: {count} are too few for a share of {float(share):g}")
    return {name: np.sort(rows) for name, rows in zip(shares, found, strict=False)}


def _read_share(name: str, given: float | str) -> fractions.Fraction:
    """Return a share exactly as it is written."""
    written = _PERCENT.fullmatch(given.strip()) if isinstance(given, str) else None
    if written:
        share = fractions.Fraction(written[1]) / 100
    elif isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given):
        share = fractions.Fraction(repr(float(given)))
    else:
        raise TableError(f"parts: {name!r}: must be a share such as 0.8 or '80%', not {given!r}")
    if not 0 <= share <= 1:
        raise TableError(f"parts: {name!r}: must be from 0 to 1, not {given!r}")
    return share


def _hash(seed: int, count: int) -> np.ndarray:
    """Return a number for each row, uint64 [count], all different (splitmix64; Steele, Lea, Flood 2014)."""
    numbers = np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        key = _mix(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        return _mix(key + (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _mix(numbers: np.ndarray) -> np.ndarray:
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _classes(table: pd.DataFrame, column: str, order: np.ndarray) -> list[np.ndarray]:
    """Return the rows with each value of a column, in the given order; values in the order of their first rows."""
    if column not in table.columns:
        raise TableError(f"stratify: no such column {column!r}; {nearest(column, table.columns)}")
    codes, found = pandas().factorize(table[column])
    codes = np.where(codes < 0, len(found), codes)[order]
    rows = order[np.argsort(codes, kind="stable")]
    return np.split(rows, np.cumsum(np.bincount(codes, minlength=len(found) + 1))[:-1])


def _deal(classes: list[np.ndarray], shares: list[fractions.Fraction]) -> list[np.ndarray]:
    """Return the rows of each part: of each class its share, rounded down, and the rest to those furthest behind."""
    shares = [*shares, fractions.Fraction(1 - sum(shares))]  # the last one: rows in no part
    behind = [fractions.Fraction(0)] * len(shares)
    dealt: list[list[np.ndarray]] = [[] for _ in shares]
    for rows in classes:
        exact = [share * len(rows) for share in shares]
        counts = [math.floor(number) for number in exact]
        behind = [late + number - count for late, number, count in zip(behind, exact, counts, strict=True)]
        open_parts = [part for part, number in enumerate(exact) if number != counts[part]]
        open_parts.sort(key=lambda part: (-behind[part], part))
        for part in open_parts[: len(rows) - sum(counts)]:
            counts[part] += 1
            behind[part] -= 1
        for part, piece in enumerate(np.split(rows, np.cumsum(counts)[:-1])):
            dealt[part].append(piece)
    return [np.concatenate(pieces) for pieces in dealt]
