"""Files that make one table have the same columns."""

from collections.abc import Sequence

from tfvae.tables.errors import TableError, nearest

__all__ = ["check_same"]


def check_same(path: str, names: Sequence[str], first: str, expected: Sequence[str]) -> None:
    """Check that a file has the columns of the first one, in any order.

    Raises:
        TableError: It does not.
    """
    for name in expected:
        if name not in names:
            raise TableError(f"{path}: has no column {name!r}, as {first} has; {nearest(name, names)}")
    for name in names:
        if name not in expected:
            raise TableError(f"{path}: has a column {name!r} that {first} has not; {nearest(name, expected)}")
