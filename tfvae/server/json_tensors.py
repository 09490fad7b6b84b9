"""Tensors as JSON, in the two forms of TensorFlow Serving's REST API: by row ("instances"), by column ("inputs").

Beyond that API, null is a value that is missing: NaN among numbers with fractions, "" among strings. What cannot do
without the value says so.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from tfvae.server.request_errors import RequestError

__all__ = ["parse_object", "read_inputs", "write_outputs"]


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse the body of a request, a JSON object.

    Raises:
        RequestError: when it is not one.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(body)  # it takes NaN and Infinity too
        except (ValueError, RecursionError) as error:
            raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
    if not isinstance(found, dict):
        raise RequestError("INVALID_ARGUMENT", "the request must be a JSON object")
    return found


def read_inputs(body: dict[str, Any], specs: Mapping[str, tf.TensorSpec]) -> tuple[dict[str, np.ndarray], bool]:
    """Read the inputs of a request: name -> array, and whether they came by row.

    Args:
        body: the request's object.
        specs: name -> `tf.TensorSpec` of the signature.

    Raises:
        RequestError: when they are neither by row nor by column, or a value is not what its input takes.
    """
    given = [key for key in ("instances", "inputs") if key in body]
    if len(given) != 1:
        raise RequestError("INVALID_ARGUMENT", "the request must have either instances (by row) or inputs (by column)")
    unknown = set(body) - {"signature_name", *given}
    if unknown:
        raise RequestError("INVALID_ARGUMENT", f"the request has an unknown key: {', '.join(sorted(unknown))}")
    if given == ["instances"]:
        return {name: _array(name, value, specs) for name, value in _columns(body["instances"], specs).items()}, True
    values = body["inputs"]
    if not isinstance(values, dict) or set(values) == {"b64"}:
        values = {_only(specs): values}
    return {name: _array(name, value, specs) for name, value in values.items()}, False


def _columns(rows: Any, specs: Mapping[str, tf.TensorSpec]) -> dict[str, list[Any]]:
    """Turn rows into columns: name -> list of values."""
    if not isinstance(rows, list) or not rows:
        raise RequestError("INVALID_ARGUMENT", "instances must be a list of one value or more")
    named = isinstance(rows[0], dict) and set(rows[0]) != {"b64"}
    if not named:
        return {_only(specs): rows}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != set(rows[0]):
            raise RequestError("INVALID_ARGUMENT", f"instances[{index}] has other inputs than instances[0]")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _only(specs: Mapping[str, tf.TensorSpec]) -> str:
    """Give the name of the only input."""
    if len(specs) != 1:
        raise RequestError("INVALID_ARGUMENT", f"name the inputs: the signature takes {', '.join(specs)}")
    return next(iter(specs))


def _array(name: str, value: Any, specs: Mapping[str, tf.TensorSpec]) -> np.ndarray:
    """Convert a value to an array of the input's type."""
    if name not in specs:
        return np.zeros(())  # `check_inputs` refuses it, by its name
    dtype = specs[name].dtype
    if dtype == tf.string:
        return np.array(_bytes(name, value), dtype=object)
    try:
        found = np.asarray(value)
        if dtype.is_floating and found.dtype == object:
            found = _without_nulls(found)
        same_kind = np.can_cast(found.dtype, dtype.as_numpy_dtype, "same_kind") or (
            found.dtype.kind in "iu" and (dtype.is_floating or dtype.is_integer)
        )
        if not same_kind and found.size:
            raise RequestError("INVALID_ARGUMENT", f"{name} must be {dtype.name}, not {_kind(found)}")
        if dtype.is_integer and found.size and not dtype.min <= found.min() <= found.max() <= dtype.max:
            raise RequestError("INVALID_ARGUMENT", f"{name} must be {dtype.name}, {dtype.min} to {dtype.max}")
        return found.astype(dtype.as_numpy_dtype)
    except (ValueError, OverflowError, TypeError):
        raise RequestError(
            "INVALID_ARGUMENT", f"{name} is not a tensor: its lists differ in length, or in kind"
        ) from None


def _without_nulls(array: np.ndarray) -> np.ndarray:
    """Give an array of numbers and None as numbers, NaN in place of None; one that holds anything else as it is."""
    numbers = all(value is None or isinstance(value, (int, float)) for value in array.ravel())
    return array.astype(np.float64) if numbers else array


def _kind(array: np.ndarray) -> str:
    return {"f": "numbers with fractions", "U": "strings", "O": "objects", "b": "booleans"}.get(
        array.dtype.kind, "such"
    )


def _bytes(name: str, value: Any) -> Any:
    """Convert strings, null and objects {"b64": ...}, in lists of any depth, to bytes."""
    if isinstance(value, list):
        return [_bytes(name, item) for item in value]
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise RequestError("INVALID_ARGUMENT", f"{name}: b64 is not base64") from None
    if isinstance(value, str):
        return value.encode()
    if value is None:
        return b""
    raise RequestError("INVALID_ARGUMENT", f'{name} must be strings, or {{"b64": "..."}}')


def write_outputs(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """Write outputs as the body of the response.

    Raises:
        RequestError: when rows were asked for, and the outputs have none in common.
    """
    if by_row and len({array.shape[:1] for array in outputs.values()}) != 1:
        raise RequestError("INVALID_ARGUMENT", "the outputs have no rows in common: ask by column")
    finite = all(np.isfinite(array).all() for array in outputs.values() if array.dtype.kind == "f")
    values = {name: _plain(name, array) for name, array in outputs.items()}
    if not by_row:
        return _dump({"outputs": values if len(values) > 1 else next(iter(values.values()))}, finite)
    if len(values) == 1:
        return _dump({"predictions": next(iter(values.values()))}, finite)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _dump({"predictions": rows}, finite)


def _plain(name: str, array: np.ndarray) -> Any:
    """Convert an array to what orjson takes; strings of outputs called ..._bytes become base64."""
    if array.dtype.kind in "OS":
        encode = (lambda b: {"b64": base64.b64encode(b).decode()}) if name.endswith("_bytes") else bytes.decode
        return [encode(value) for value in array.tolist()] if array.ndim == 1 else encode(array.item())
    return np.ascontiguousarray(array)


def _dump(content: dict[str, Any], finite: bool) -> bytes:
    """Write JSON; numbers that JSON cannot hold are NaN and Infinity, as TensorFlow Serving writes them."""
    if finite:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(content, default=lambda array: array.tolist()).encode()
