"""Yaml files -> keys and values: dicts, lists, words, numbers, true, false, null, nothing else. Needs no TensorFlow."""

import math
import os
import pathlib
import warnings
from collections.abc import Iterable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

__all__ = ["ConfigError", "assign", "keys", "plain", "read", "write"]

MAX_BYTES = 1_000_000  # of a yaml
MAX_VALUES = 100_000  # with those that aliases repeat
MAX_DEPTH = 50  # keys within keys, and bases of bases


class ConfigError(ValueError):
    """A mistake in a yaml: names the place, and how to mend it."""


def keys(path: str | os.PathLike, overrides: Iterable[str] = (), base: bool = True) -> dict[str, Any]:
    """Read the keys and values of a yaml, with those of its base, and with assignments.

    Args:
        path: of the file.
        overrides: assignments, such as "objective.ELBO.beta=4".
        base: take over what the base says, if the yaml has one; else `base` is a key like others.

    Raises:
        ConfigError: for yaml that cannot be read, or assignments that are none; FileNotFoundError.
    """
    raw = _with_bases(pathlib.Path(path)) if base else read(path)
    for assignment in overrides:
        key, sign, text = assignment.partition("=")
        if not sign or not all(key.split(".")):
            raise ConfigError(f"--set {assignment}: must be a.b.c=value")
        assign(raw, key, _parse(text, f"--set {assignment}"), f"--set {assignment}")
    return plain(raw, str(path))


def _with_bases(path: pathlib.Path) -> dict[str, Any]:
    """Read a yaml, and, one after the other, the bases of it, whose keys it takes over."""
    chain: list[pathlib.Path] = []
    raw: dict[str, Any] = {}
    while True:
        found = read(path)
        _warn_of_dropped(path, found, raw)
        raw = found | raw
        chain.append(path.resolve())
        if "base" not in raw:
            return raw
        below = raw.pop("base")
        if not isinstance(below, str):
            raise ConfigError(f"{path}: base: must be the path of a yaml, not {below!r}")
        path = path.parent / below
        if path.is_file() and path.resolve() in chain:
            raise ConfigError(f"{path}: base: is the base of itself")
        if len(chain) == MAX_DEPTH:
            raise ConfigError(f"{path}: base: is the base of {MAX_DEPTH} others in a row, which are too many")


def _warn_of_dropped(base: pathlib.Path, below: dict[str, Any], raw: dict[str, Any]) -> None:
    """Warn where the data of a yaml, which replaces all of its base's, leaves out the base's validation data."""
    mine, its = raw.get("data"), below.get("data")
    if isinstance(mine, dict) and isinstance(its, dict) and its.get("validation") and "validation" not in mine:
        warnings.warn(
            f"data: has no validation, and takes the place of all that {base} has there, validation: "
            f"{its['validation']!r} too; name one, or write validation: null",
            stacklevel=4,
        )


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Read the keys and values of one yaml file.

    Raises:
        ConfigError: for what is no yaml, or holds other than keys and values; OSError: when it cannot be read.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the path of a yaml file")
    if not path.is_file():
        link = ", but a link that leads to no file" if path.is_symlink() else ""
        raise FileNotFoundError(f"no such config: {path}{link}")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path} is no config: it has more than {MAX_BYTES} bytes")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not yaml: byte {error.start} is not UTF-8; save it as UTF-8") from None
    raw = _parse(text, str(path))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold keys and values")
    return raw


def _parse(text: str, place: str) -> Any:
    """Return the plain value of a yaml text; ConfigError where it is none."""
    try:
        value = _yaml().load(text)
    except RecursionError:
        raise ConfigError(f"{place} is not yaml that can be read: it is nested too deep") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{place} is not yaml: {where}{error.problem or error.context}") from None
    except Exception as error:  # the reader lets out what Python raises for a value such as !!bool abc
        raise ConfigError(f"{place} is not yaml: {type(error).__name__}: {error}") from None
    return plain(value, place)


def plain(value: Any, place: str) -> Any:
    """Return the value, a copy, when it is made of dicts, lists, words and such alone.

    Args:
        value: what is copied.
        place: of it, for messages.

    Raises:
        ConfigError: for dates, sets and so on, for numbers not finite or of more than 64 bits, and for what is
            nested too deep or in itself, or is too long by its aliases.
    """
    return _Copy(place).value(value, "", 0)


class _Copy:
    """Copies a value; `at` is where in it a part is, such as "objective: ELBO: ", and `depth` how deep."""

    def __init__(self, place: str):
        self.place, self.left = place, MAX_VALUES

    def value(self, value: Any, at: str, depth: int) -> Any:
        self.left -= 1
        if depth > MAX_DEPTH:
            raise ConfigError(f"{self.place}: is nested deeper than {MAX_DEPTH} keys, or in itself")
        if self.left < 0:
            raise ConfigError(f"{self.place}: has more than {MAX_VALUES} values, with those that aliases repeat")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ConfigError(f"{self.place}: {at}the key {key!r} must be a word: write it in quotes")
            return {self.word(key, at): self.value(one, f"{at}{key}: ", depth + 1) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one, at, depth + 1) for one in value]
        return self.word(value, at) if isinstance(value, str) else self.scalar(value, at)

    def scalar(self, value: Any, at: str) -> bool | int | float | None:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{self.place}: {at}a whole number of {value.bit_length()} bits is too large")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{self.place}: {at}must be a finite number, not {value}")
        if value is None or isinstance(value, (bool, int, float)):
            return value
        raise ConfigError(f"{self.place}: {at}holds a {type(value).__name__}, not a word or number: write it in quotes")

    def word(self, text: str, at: str) -> str:
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"{self.place}: {at}{text!r} holds a character that no word has")
        return text


def assign(raw: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set a key such as "objective.ELBO.beta" of nested dicts; `place` is what an error names."""
    *parents, last = key.split(".")
    for parent in parents:
        if raw.get(parent) is None:
            raw[parent] = {}
        raw = raw[parent]
        if not isinstance(raw, dict):
            raise ConfigError(f"{place}: {parent} holds {raw!r}, not keys and values")
    raw[last] = value


def write(raw: dict[str, Any], path: str | os.PathLike) -> None:
    """Write keys and values as yaml."""
    with open(path, "w", encoding="utf-8") as file:
        _yaml().dump(plain(raw, str(path)), file)


def _yaml() -> YAML:
    yaml: Any = YAML(typ="safe", pure=True)  # YAML 1.2: 3e-3 is a number, no is a word
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    return yaml
