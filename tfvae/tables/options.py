"""How a file of text writes a table: what the user says of it, or leaves to be found."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from tfvae.tables.errors import TableError

__all__ = ["MISSING", "SEPARATORS", "Dialect", "Options"]

MISSING = ("NA", "N/A", "NaN", "nan", "null", "None", "?")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


class Dialect(NamedTuple):
    """How one CSV file is written: its separator and encoding, and the names in its header."""

    path: str
    separator: str
    encoding: str
    names: list[str]


class Options(NamedTuple):
    """What the user says of CSV files; None is found where it is unambiguous."""

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: Sequence[str] = MISSING
    text: Sequence[str] = ()

    def check(self) -> None:
        """Check that each can be so.

        Raises:
            TableError: One cannot.
        """
        if self.separator is not None and (not isinstance(self.separator, str) or len(self.separator) != 1):
            raise TableError(f"separator: must be one character, such as ';', not {self.separator!r}")
        if self.decimal not in (None, ".", ","):
            raise TableError(f"decimal: must be '.' or ',', not {self.decimal!r}")
        if self.separator is not None and self.separator == self.decimal:
            raise TableError(f"decimal: must differ from the separator {self.separator!r}")
        for name in ("missing", "text"):
            given = getattr(self, name)
            if isinstance(given, str) or not all(isinstance(item, str) for item in given):
                raise TableError(f"{name}: must be a list of text, not {given!r}")


def default_separator(path: str | os.PathLike[str]) -> str:
    """Return the separator that a file's ending stands for."""
    return "\t" if os.fspath(path).lower().removesuffix(".gz").endswith(".tsv") else ","
