"""TensorFlow Serving's messages: tensors, the states of versions, and their signatures."""

import math

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tfvae.server.errors import Refused

__all__ = ["array", "model_status", "signature_map", "tensor"]

OK, UNKNOWN = 0, 2  # of TensorFlow's codes
STATES = {"LOADING": 20, "AVAILABLE": 30, "END": 50}


def array(name, proto, most_bytes):
    """A TensorProto -> array.

    Raises:
        Refused: when its shape is not that of what it holds, or it is larger than `most_bytes`.
    """
    if proto.tensor_shape.unknown_rank:
        raise Refused("INVALID_ARGUMENT", f"{name} has no shape")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if min(sizes, default=0) < 0 or math.prod(sizes) > most_bytes:  # one value may stand for many in a short message
        raise Refused("INVALID_ARGUMENT", f"{name} has shape {sizes}: that is negative, or too large")
    try:
        return tf.make_ndarray(proto)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("INVALID_ARGUMENT", f"{name} is not a tensor: {' '.join(str(error).split())}") from None


def tensor(value, proto):
    """Writes an array into a TensorProto."""
    if value.dtype.kind in "OS":
        proto.CopyFrom(tf.make_tensor_proto(value))
        return
    proto.dtype = tf.as_dtype(value.dtype).as_datatype_enum
    for size in value.shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_content = np.ascontiguousarray(value).tobytes()


def model_status(versions):
    """The states of versions -> GetModelStatusResponse."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in versions:
        found = response.model_version_status.add(version=version.number, state=STATES[version.state])
        found.status.error_code, found.status.error_message = UNKNOWN if version.error else OK, version.error
    return response


def signature_map(version):
    """The signatures of a version -> SignatureDefMap."""
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in version.definitions.items():
        found.signature_def[name].CopyFrom(definition)
    return found
