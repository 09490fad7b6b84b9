"""A schema as JSON: plain dicts and lists, read strictly."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfvae.tables.column import Column
from tfvae.tables.errors import TableError, nearest

__all__ = ["FORMAT", "from_json", "to_json"]

FORMAT = 1  # rises when what is stored comes to mean something else
_FIELDS = {field.name: field for field in dataclasses.fields(Column)}
_REQUIRED = ("name", "kind", "dtype")


def to_json(
    columns: Sequence[Column], labels: Sequence[str], rows: int, duplicates: float, conditions: Sequence[Column] = ()
) -> dict[str, Any]:
    """Return the parts of a schema as dicts, lists, text and numbers; what is at its default is left out."""
    content = {
        "format": FORMAT,
        "rows": rows,
        "duplicates": duplicates,
        "labels": list(labels),
        "columns": _described(columns),
    }
    return content | ({"conditions": _described(conditions)} if conditions else {})


def _described(columns: Sequence[Column]) -> list[dict[str, Any]]:
    described = []
    for column in columns:
        values = {name: getattr(column, name) for name in _FIELDS}
        kept = {name: value for name, value in values.items() if name in _REQUIRED or value != _FIELDS[name].default}
        if "categories" in kept:
            kept["categories"] = list(kept["categories"])
        described.append(kept)
    return described


def from_json(content: object) -> dict[str, Any]:
    """Return the arguments of `Schema` that a dict of `to_json` holds.

    Raises:
        TableError: It holds anything else.
    """
    if not isinstance(content, dict):
        raise TableError(f"schema: must be a dict, not {type(content).__name__}")
    if content.get("format") != FORMAT:
        found = f"is of format {content.get('format')!r}, and this tfvae reads {FORMAT}"
        raise TableError(f"schema: {found}: read it by the tfvae that wrote it")
    _check_keys("schema", content, ("format", "rows", "duplicates", "labels", "columns"), ("conditions",))
    rows, duplicates = content["rows"], content["duplicates"]
    if type(rows) is not int or rows < 0:
        raise TableError(f"schema: rows: must be a whole number, not {rows!r}")
    if type(duplicates) not in (int, float) or not 0 <= duplicates <= 1:
        raise TableError(f"schema: duplicates: must be a number from 0 to 1, not {duplicates!r}")
    labels = _check_list("labels", content["labels"], str)
    columns, conditions = (_check_list(name, content.get(name, []), dict) for name in ("columns", "conditions"))
    return {
        "columns": tuple(_column(place, column) for place, column in enumerate(columns)),
        "conditions": tuple(_column(place, column, "conditions") for place, column in enumerate(conditions)),
        "labels": tuple(labels),
        "rows": rows,
        "duplicates": float(duplicates),
    }


def _check_list(name: str, value: object, kind: type) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise TableError(f"schema: {name}: must be a list of {kind.__name__}, not {value!r:.80}")
    return value


def _check_keys(place: str, content: dict[Any, Any], required: Sequence[str], others: Sequence[str] = ()) -> None:
    for key in content:
        if key not in (*required, *others):
            raise TableError(f"{place}: no such key {key!r}; {nearest(key, [*required, *others])}")
    for key in required:
        if key not in content:
            raise TableError(f"{place}: has no {key!r}, which it must have")


def _column(place: int, content: dict[str, Any], key: str = "columns") -> Column:
    """Return a column; `Column` itself checks the values."""
    name = content.get("name")
    where = f"schema: column {name!r}" if isinstance(name, str) else f"schema: {key}[{place}]"
    _check_keys(where, content, _REQUIRED, [key for key in _FIELDS if key not in _REQUIRED])
    values = dict(content)
    if "categories" in values:
        if not isinstance(values["categories"], list):
            raise TableError(f"{where}: categories: must be a list, not {values['categories']!r:.80}")
        values["categories"] = tuple(values["categories"])
    try:
        return Column(**values)
    except TableError as error:
        raise TableError(f"schema: {error}") from None
