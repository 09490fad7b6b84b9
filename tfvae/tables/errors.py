"""The errors of tables: one line that says where, what, and how to mend it."""

import difflib
from collections.abc import Iterable

__all__ = ["CellError", "TableError", "nearest", "quote"]

MAX_SHOWN = 60  # characters of a value in an error
MAX_LISTED = 8  # names in an error


class TableError(ValueError):
    """A mistake in a table, or in how it is read: one line, which names file, row and column where there are such."""


class CellError(Exception):
    """A value that a column cannot hold. Functions of single columns raise it; whoever knows the table names the row.

    Attributes:
        position: The row, counted from 0, or None when it is about the column as a whole.
        value: What the cell holds.
        text: What is wrong, and how to mend it.
    """

    def __init__(self, position: int | None, value: object, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.value = value
        self.text = text


def quote(value: object) -> str:
    """Return a value as an error shows it: on one line, and not too long."""
    shown = repr(value.item() if hasattr(value, "item") else value)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 3]}..."


def nearest(name: object, known: Iterable[object]) -> str:
    """Return the known name that is spelled most like a name, as a question, or else a list of the known names."""
    names = [str(other) for other in known]
    folded = {other.casefold().strip(): other for other in reversed(names)}
    near = difflib.get_close_matches(str(name).casefold().strip(), folded, 1, cutoff=0.5)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"there are {', '.join(map(repr, names[:MAX_LISTED])) or 'none'}{more}"
