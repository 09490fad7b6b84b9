"""Checks of a request's inputs against the signature, before TensorFlow sees them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.server.request_errors import RequestError

__all__ = ["check_inputs"]


def check_inputs(
    signature: str, specs: Mapping[str, tf.TensorSpec], inputs: Mapping[str, Any], same_rows: bool
) -> list[np.ndarray]:
    """Give the inputs as arrays, in the order of `specs`.

    Args:
        signature: its name, for error messages.
        specs: input -> what the signature takes.
        inputs: input -> value, as a client sent it.
        same_rows: whether all inputs must have the same number of rows.

    Raises:
        RequestError: when an input is missing, unknown, or of another type or shape.
    """
    takes = f"{signature} takes {', '.join(specs) or 'none'}"
    unknown = sorted(set(inputs) - set(specs))
    if unknown:
        raise RequestError("INVALID_ARGUMENT", f"there is no input {', '.join(unknown)}; {takes}")
    missing = [name for name in specs if name not in inputs]
    if missing:
        raise RequestError("INVALID_ARGUMENT", f"the input {missing[0]} is missing; {takes}")
    arrays = [_check_array(name, spec, np.asarray(inputs[name])) for name, spec in specs.items()]
    rows = [len(array) for array in arrays if array.ndim]
    if same_rows and len(set(rows)) > 1:  # the scheduler would refuse it too, but less clearly
        counts = ", ".join(f"{name} {count}" for name, count in zip(specs, rows, strict=True))
        raise RequestError("INVALID_ARGUMENT", f"the inputs must have the same number of rows, not {counts}")
    return arrays


def _check_array(name: str, spec: tf.TensorSpec, array: np.ndarray) -> np.ndarray:
    if array.dtype != spec.dtype.as_numpy_dtype and not (spec.dtype == tf.string and array.dtype.kind in "SO"):
        raise RequestError("INVALID_ARGUMENT", f"{name} must be {spec.dtype.name}, not {array.dtype.name}")
    if not spec.shape.is_compatible_with(array.shape):
        wanted = [-1 if size is None else size for size in spec.shape]
        raise RequestError("INVALID_ARGUMENT", f"{name} must have shape {wanted}, not {list(array.shape)}")
    return array
