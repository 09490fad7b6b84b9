"""Yaml -> keys and values: dicts, lists, words, numbers, true, false, null, nothing else. It needs no TensorFlow."""

import math
import pathlib
import warnings

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

__all__ = ["ConfigError", "assign", "keys", "plain", "read", "write"]

MOST_BYTES = 1_000_000  # of a yaml
MOST_VALUES = 100_000  # with those that aliases repeat
DEEPEST = 50  # keys within keys, and bases of bases


class ConfigError(ValueError):
    """A mistake in a yaml: names the place, and how to mend it."""


def keys(path, overrides=(), base=True):
    """The keys and values of a yaml, with those of its base (unless told to leave it), and with assignments such as
    "objective.ELBO.beta=4".

    Raises:
        ConfigError: for yaml that cannot be read, or assignments that are none; FileNotFoundError.
    """
    raw = _with_bases(pathlib.Path(path)) if base else read(path)
    for assignment in overrides:
        key, sign, text = assignment.partition("=")
        if not sign or not all(key.split(".")):
            raise ConfigError(f"--set {assignment}: must be a.b.c=value")
        assign(raw, key, _parsed(text, f"--set {assignment}"), f"--set {assignment}")
    return plain(raw, str(path))


def _with_bases(path):
    chain, raw = [], {}
    while True:
        found = read(path)
        _say_what_is_dropped(path, found, raw)
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
        if len(chain) == DEEPEST:
            raise ConfigError(f"{path}: base: is the base of {DEEPEST} others in a row, which are too many")


def _say_what_is_dropped(base, below, raw):
    """Warns where the data of a yaml, which replaces all of its base's, leaves out the base's validation data."""
    mine, its = raw.get("data"), below.get("data")
    if isinstance(mine, dict) and isinstance(its, dict) and its.get("validation") and "validation" not in mine:
        warnings.warn(
            f"data: has no validation, and takes the place of all that {base} has there, validation: "
            f"{its['validation']!r} too; name one, or write validation: null",
            stacklevel=4,
        )


def read(path):
    """The keys and values of one yaml file.

    Raises:
        ConfigError: for what is no yaml, or holds other than keys and values; OSError: when it cannot be read.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the path of a yaml file")
    if not path.is_file():
        link = ", but a link that leads to no file" if path.is_symlink() else ""
        raise FileNotFoundError(f"no such config: {path}{link}")
    if path.stat().st_size > MOST_BYTES:
        raise ConfigError(f"{path} is no config: it has more than {MOST_BYTES} bytes")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not yaml: byte {error.start} is not UTF-8; save it as UTF-8") from None
    raw = _parsed(text, str(path))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold keys and values")
    return raw


def _parsed(text, place):
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


def plain(value, place):
    """The value, a copy, when it is made of dicts, lists, words and such alone.

    Raises:
        ConfigError: for dates, sets and so on, for numbers not finite or of more than 64 bits, and for what is
            nested too deep or in itself, or is too long by its aliases.
    """
    left = [MOST_VALUES]

    def copied(value, at, depth):
        left[0] -= 1
        if depth > DEEPEST:
            raise ConfigError(f"{place}: is nested deeper than {DEEPEST} keys, or in itself")
        if left[0] < 0:
            raise ConfigError(f"{place}: has more than {MOST_VALUES} values, with those that aliases repeat")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ConfigError(f"{place}: {at}the key {key!r} must be a word: write it in quotes")
            return {_word(key, at): copied(inner, f"{at}{key}: ", depth + 1) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [copied(inner, at, depth + 1) for inner in value]
        if isinstance(value, str):
            return _word(value, at)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{place}: {at}a whole number of {value.bit_length()} bits is too large")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{place}: {at}must be a finite number, not {value}")
        if value is None or isinstance(value, (bool, int, float)):
            return value
        raise ConfigError(f"{place}: {at}holds a {type(value).__name__}, not a word or number: write it in quotes")

    def _word(text, at):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"{place}: {at}{text!r} holds a character that no word has")
        return text

    return copied(value, "", 0)


def assign(raw, key, value, place):
    """Sets a key such as "objective.ELBO.beta" of nested dicts; `place` is what an error names."""
    *parents, last = key.split(".")
    for parent in parents:
        if raw.get(parent) is None:
            raw[parent] = {}
        raw = raw[parent]
        if not isinstance(raw, dict):
            raise ConfigError(f"{place}: {parent} holds {raw!r}, not keys and values")
    raw[last] = value


def write(raw, path):
    """Keys and values as yaml."""
    with open(path, "w", encoding="utf-8") as file:
        _yaml().dump(plain(raw, str(path)), file)


def _yaml():
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 3e-3 is a number, no is a word
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    return yaml
