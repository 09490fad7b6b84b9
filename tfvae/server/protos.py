"""TensorFlow Serving's messages: tensors, the states of versions, and their signatures."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tfvae.server.request_errors import RequestError
from tfvae.server.version import Version

__all__ = ["model_status", "read_tensor", "signature_map", "write_tensor"]

OK, UNKNOWN = 0, 2  # TensorFlow's codes of errors
STATES = {"LOADING": 20, "AVAILABLE": 30, "END": 50}


def read_tensor(name: str, proto: Any, max_values: int) -> np.ndarray:
    """Read a TensorProto, the input of this name.

    Raises:
        RequestError: when its shape does not fit its values, or it has more than `max_values` of them.
    """
    if proto.tensor_shape.unknown_rank:
        raise RequestError("INVALID_ARGUMENT", f"{name} has no shape")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if min(sizes, default=0) < 0 or math.prod(sizes) > max_values:  # in a short message one value may stand for many
        raise RequestError("INVALID_ARGUMENT", f"{name} has shape {sizes}: that is negative, or too large")
    try:
        return tf.make_ndarray(proto)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError("INVALID_ARGUMENT", f"{name} is not a tensor: {' '.join(str(error).split())}") from None


def write_tensor(value: np.ndarray, proto: Any) -> None:
    """Write an array into a TensorProto."""
    if value.dtype.kind in "OS":
        proto.CopyFrom(tf.make_tensor_proto(value))
        return
    proto.dtype = tf.as_dtype(value.dtype).as_datatype_enum
    for size in value.shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_content = np.ascontiguousarray(value).tobytes()


def model_status(versions: Iterable[Version]) -> Any:
    """Give the states of versions as a GetModelStatusResponse."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in versions:
        status = response.model_version_status.add(version=version.number, state=STATES[version.state])
        status.status.error_code, status.status.error_message = UNKNOWN if version.error else OK, version.error
    return response


def signature_map(version: Version) -> Any:
    """Give the signatures of a version as a SignatureDefMap."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in version.definitions.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures
