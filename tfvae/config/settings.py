"""Typed settings: keys and values of a yaml -> pydantic models, and one line for what does not fit."""

import difflib
import typing
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import pydantic

from tfvae.yaml_files import ConfigError

__all__ = ["Settings", "at", "check_keys", "check_value", "name_nearest", "read_settings"]


class Settings(pydantic.BaseModel):
    """Keys of a yaml with their types: a base class."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


S = TypeVar("S", bound=Settings)


def read_settings(model: type[S], values: Any, place: str, context: dict[str, Any] | None = None) -> S:
    """Return keys and values as settings of a type.

    Args:
        model: the type of the settings.
        values: dict, or None for no keys at all.
        place: where in the yaml these keys are, such as "data"; "" at the top.
        context: what validators are told.

    Raises:
        ConfigError: for an unknown or missing key, or a value of a wrong type; it names the place.
    """
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: must hold keys and values, not {values!r}")
    try:
        return model.model_validate(values, context=context)
    except pydantic.ValidationError as error:
        raise _config_error(error, model, values, place) from None


def check_value(hint: Any, value: Any, place: str) -> None:
    """Check that a value is of a type.

    Raises:
        ConfigError: when it is of another; it names the place.
    """
    try:
        pydantic.TypeAdapter(hint).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        raise _config_error(error, hint, value, place) from None


def check_keys(values: Iterable[str], known: Collection[str], place: str) -> None:
    """Check that all keys are known ones.

    Raises:
        ConfigError: for one that is not; it names the nearest that is.
    """
    for key in values:
        if key not in known:
            raise ConfigError(f"{at(place, key)}: no such key; {name_nearest(str(key), known)}")


def name_nearest(
    name: str, known: Collection[str], listed: Collection[str] | None = None, others: Iterable[str] = ()
) -> str:
    """Say which known name is the nearest to a wrong one, or, where none is near, which names there are.

    Args:
        name: the wrong name.
        known: all right ones.
        listed: those to list where none is near; all, unless given.
        others: words to add to the list.
    """
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join([*sorted(listed or known), *others]) or 'none'}"


def at(place: str, key: Any) -> str:
    """Return the place of a key below a place: "data" and "name" -> "data.name"."""
    return f"{place}.{key}" if place else str(key)


def _config_error(error: pydantic.ValidationError, hint: Any, value: Any, place: str) -> ConfigError:
    """Return the most telling of pydantic's errors as one that names its place in the yaml."""
    found = min(error.errors(include_url=False), key=_rank)
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):  # of a validator of ours, which names the place
        return cause
    path, inner = found["loc"], value
    for part in path:
        if (isinstance(inner, dict) and part in inner) or (isinstance(inner, list) and isinstance(part, int)):
            inner, place = inner[part], at(place, part)  # type: ignore[index]
    if found["type"] == "extra_forbidden":
        return ConfigError(f"{place}: no such key; {name_nearest(str(path[-1]), _fields(hint, path[:-1]))}")
    if found["type"] == "missing":
        return ConfigError(f"{at(place, path[-1])}: is missing")
    said = found["msg"].removesuffix(f" or instance of {found.get('ctx', {}).get('class_name')}")
    return ConfigError(f"{place}: {said}, not {found['input']!r}")


def _rank(found: Any) -> int:
    """Of several errors the least is told: unknown keys, missing keys, then values, then what parts are.

    Of a value that may be of several types, an error within the right type is more telling than that it is not of
    another one.
    """
    kind = found["type"]
    if kind in ("extra_forbidden", "missing"):
        return int(kind == "missing")
    if kind == "value_error":
        return 4
    return 3 if kind.endswith(("_type", "literal_error")) else 2


def _fields(hint: Any, path: Iterable[Any]) -> list[str]:
    """Return the keys of the settings that are found along a path of keys."""
    for key in path:
        hint = hint.model_fields[key].annotation
        hint = next((inner for inner in (hint, *typing.get_args(hint)) if hasattr(inner, "model_fields")), hint)
    return list(hint.model_fields)
