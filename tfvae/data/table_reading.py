"""Tables as they are, and their schemas: what was read last is kept until its files change, unless it is large."""

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psutil

from tfvae import tables
from tfvae.tables import Schema
from tfvae.tables.sources import find_files

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["infer_schema", "read_table"]

MAX_SCHEMAS = 20  # that are kept
LARGE = 1 / 8  # of the free memory: tables that take more are read anew each time

_frames: dict[Hashable, "pd.DataFrame"] = {}  # one at most
_schemas: dict[Hashable, Schema] = {}


def read_table(name: Any, text: Sequence[str] = ()) -> "pd.DataFrame":
    """Read a table as `tables.read` does.

    Args:
        name: a path or a pattern, or a table in memory.
        text: columns that are text, though their cells may look like numbers.
    """
    if not isinstance(name, (str, os.PathLike)):
        return tables.read(name)
    path = os.path.expanduser(name)
    key = (_state(path), tuple(text))
    if key in _frames:
        return _frames[key]
    _frames.clear()
    frame = tables.read(path, text=text)
    if frame.memory_usage(deep=True).sum() <= LARGE * psutil.virtual_memory().available:
        _frames[key] = frame
    return frame


def infer_schema(
    name: Any,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    conditions: Sequence[str] = (),
    frame: "pd.DataFrame | None" = None,
) -> Schema:
    """Find the schema of a table.

    Args:
        name, columns, labels, conditions: as for `data.load`, but lists of names.
        frame: the table, if it was read.
    """
    if not isinstance(name, (str, os.PathLike)):
        return Schema.infer(read_table(name) if frame is None else frame, columns, labels, conditions)
    told = (tuple(sorted((columns or {}).items())), tuple(labels), tuple(conditions))
    key = (_state(os.path.expanduser(name)), *told)
    if key not in _schemas:
        found = Schema.infer(read_table(name) if frame is None else frame, columns, labels, conditions)
        while len(_schemas) >= MAX_SCHEMAS:
            _schemas.pop(next(iter(_schemas)))
        _schemas[key] = found
    return _schemas[key]


def _state(path: str) -> tuple[tuple[str, int, int], ...]:
    """Give the files that a path stands for: of each its path, when it was changed, and its size."""
    states = ((os.path.abspath(file), os.stat(file)) for file in find_files(path))
    return tuple((file, state.st_mtime_ns, state.st_size) for file, state in states)
