"""Tensors as JSON, as TensorFlow Serving's REST API has them: by row ("instances") and by column ("inputs")."""

import base64
import binascii
import json

import numpy as np
import orjson
import tensorflow as tf

from tfvae.server.errors import Refused

__all__ = ["parsed", "read", "written"]


def parsed(body):
    """A request's body, bytes -> dict.

    Raises:
        Refused: when it is no JSON object.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(body)  # which takes NaN and Infinity
        except (ValueError, RecursionError) as error:
            raise Refused("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
    if not isinstance(found, dict):
        raise Refused("INVALID_ARGUMENT", "the request must be a JSON object")
    return found


def read(body, specs):
    """A request's object -> (inputs: name -> array, whether they came by row).

    Args:
        body: dict.
        specs: name -> `tf.TensorSpec` of the signature.

    Raises:
        Refused: when it is neither by row nor by column, or a value is not what its input takes.
    """
    given = [key for key in ("instances", "inputs") if key in body]
    if len(given) != 1:
        raise Refused("INVALID_ARGUMENT", "the request must have either instances (by row) or inputs (by column)")
    unknown = set(body) - {"signature_name", *given}
    if unknown:
        raise Refused("INVALID_ARGUMENT", f"the request has an unknown key: {', '.join(sorted(unknown))}")
    if given == ["instances"]:
        return {name: _array(name, value, specs) for name, value in _columns(body["instances"], specs).items()}, True
    values = body["inputs"]
    if not isinstance(values, dict) or set(values) == {"b64"}:
        values = {_only(specs): values}
    return {name: _array(name, value, specs) for name, value in values.items()}, False


def _columns(rows, specs):
    """Rows -> name -> list of values."""
    if not isinstance(rows, list) or not rows:
        raise Refused("INVALID_ARGUMENT", "instances must be a list of one value or more")
    named = isinstance(rows[0], dict) and set(rows[0]) != {"b64"}
    if not named:
        return {_only(specs): rows}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != set(rows[0]):
            raise Refused("INVALID_ARGUMENT", f"instances[{index}] has other inputs than instances[0]")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _only(specs):
    if len(specs) != 1:
        raise Refused("INVALID_ARGUMENT", f"name the inputs: the signature takes {', '.join(specs)}")
    return next(iter(specs))


def _array(name, value, specs):
    """A value -> array of the input's type. An input that the signature has not is refused later, by its name."""
    if name not in specs:
        return np.zeros(())
    dtype = specs[name].dtype
    if dtype == tf.string:
        return np.array(_bytes(name, value), dtype=object)
    try:
        found = np.asarray(value)
        same_kind = np.can_cast(found.dtype, dtype.as_numpy_dtype, "same_kind") or (
            found.dtype.kind in "iu" and (dtype.is_floating or dtype.is_integer)
        )
        if not same_kind and found.size:
            raise Refused("INVALID_ARGUMENT", f"{name} must be {dtype.name}, not {_kind(found)}")
        if dtype.is_integer and found.size and not dtype.min <= found.min() <= found.max() <= dtype.max:
            raise Refused("INVALID_ARGUMENT", f"{name} must be {dtype.name}, {dtype.min} to {dtype.max}")
        return found.astype(dtype.as_numpy_dtype)
    except (ValueError, OverflowError, TypeError):
        raise Refused("INVALID_ARGUMENT", f"{name} is not a tensor: its lists differ in length, or in kind") from None


def _kind(array):
    return {"f": "numbers with fractions", "U": "strings", "O": "objects", "b": "booleans"}.get(
        array.dtype.kind, "such"
    )


def _bytes(name, value):
    """Strings, and {"b64": ...}, in lists."""
    if isinstance(value, list):
        return [_bytes(name, item) for item in value]
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise Refused("INVALID_ARGUMENT", f"{name}: b64 is not base64") from None
    if isinstance(value, str):
        return value.encode()
    raise Refused("INVALID_ARGUMENT", f'{name} must be strings, or {{"b64": "..."}}')


def written(outputs, by_row):
    """Outputs, name -> array -> the response's body, bytes.

    Raises:
        Refused: when they have no rows, and rows were asked for.
    """
    if by_row and len({array.shape[:1] for array in outputs.values()}) != 1:
        raise Refused("INVALID_ARGUMENT", "the outputs have no rows in common: ask by column")
    finite = all(np.isfinite(array).all() for array in outputs.values() if array.dtype.kind == "f")
    values = {name: _plain(name, array) for name, array in outputs.items()}
    if not by_row:
        return _dumped({"outputs": values if len(values) > 1 else next(iter(values.values()))}, finite)
    if len(values) == 1:
        return _dumped({"predictions": next(iter(values.values()))}, finite)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _dumped({"predictions": rows}, finite)


def _plain(name, array):
    """An array as orjson takes it; strings of outputs called ..._bytes as base64."""
    if array.dtype.kind in "OS":
        encode = (lambda b: {"b64": base64.b64encode(b).decode()}) if name.endswith("_bytes") else bytes.decode
        return [encode(value) for value in array.tolist()] if array.ndim == 1 else encode(array.item())
    return np.ascontiguousarray(array)


def _dumped(content, finite):
    """JSON; numbers that JSON has not as TensorFlow Serving writes them, NaN and Infinity."""
    if finite:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(content, default=lambda array: array.tolist()).encode()
