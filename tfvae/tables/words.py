"""What a schema says of a table: a line for each column, and a line for each thing that is odd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfvae.tables.column import Column

__all__ = ["describe", "odd"]

MAX_SHOWN = 4  # categories in a line
MOSTLY_MISSING = 0.99
MOSTLY_DISTINCT = 0.9  # share of different values among those that are there, from which a column may be an id
ENOUGH = 20  # values, with fewer of which that says nothing
MANY = 1000  # categories


def describe(column: Column) -> str:
    """Return a line about a column: its kind, range or categories, share of missing cells, and dtype."""
    parts = [column.kind]
    if column.categories:
        shown = ", ".join(str(value) for value in column.categories[:MAX_SHOWN])
        more = f", ... ({len(column.categories)})" if len(column.categories) > MAX_SHOWN else ""
        parts.append(f"{shown}{more}")
    elif column.minimum is not None and column.maximum is not None:
        parts.append(f"{_shown(column, column.minimum)} to {_shown(column, column.maximum)}")
    if column.missing:
        parts.append(f"{100 * column.missing:.2g} % missing")
    return f"{column.name}: {', '.join(parts)}, {column.dtype}"


def _shown(column: Column, value: float) -> str:
    if column.kind != "date":
        return f"{value:.{column.decimals}f}" if column.decimals is not None else f"{value:.6g}"
    found = np.array(int(value)).astype("datetime64[D]" if column.unit > 1 else "datetime64[s]")
    return str(found).replace("T", " ")


def odd(columns: Sequence[Column], rows: int, duplicates: float) -> list[str]:
    """Return a line for each thing that is odd about a table of so many rows, and what may be done about it."""
    lines = [f"column {column.name!r}: {what}" for column in columns if (what := _odd(column, rows))]
    if duplicates:
        lines.append(
            f"{100 * duplicates:.2g} % of rows repeat one before: if that is a mistake, frame.drop_duplicates()"
        )
    return lines


def _odd(column: Column, rows: int) -> str | None:
    ignore = f"kinds={{{column.name!r}: 'ignore'}} leaves it out"
    if column.kind == "ignore":
        return "has no values, and is ignored" if column.missing == 1 else None
    if column.missing > MOSTLY_MISSING:
        return f"{100 * column.missing:.4g} % of its cells are missing: {ignore}"
    if column.distinct == 1:
        return f"holds one value only, and tells nothing: {ignore}"
    present = round(rows * (1 - column.missing))
    if column.kind == "category" and present >= ENOUGH and column.distinct > MOSTLY_DISTINCT * present:
        return f"has {column.distinct} categories in {present} rows, as an id has: {ignore}"
    if column.kind == "category" and column.distinct > MANY:
        return f"has {column.distinct} categories, each of which the model needs numbers for: {ignore}, or join some"
    whole = "int" in column.dtype.lower() and column.kind in ("number", "count")
    if whole and present >= ENOUGH and column.distinct == present:
        return f"holds whole numbers that are all different, as an id's are: if it is one, {ignore}"
    return None
