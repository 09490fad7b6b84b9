"""Errors that TensorFlow raises while a signature runs, as errors of the request."""

import tensorflow as tf

from tfvae.server.request_errors import RequestError

__all__ = ["as_request_error"]

CODES = {
    tf.errors.InvalidArgumentError: "INVALID_ARGUMENT",
    tf.errors.ResourceExhaustedError: "RESOURCE_EXHAUSTED",
    tf.errors.UnavailableError: "RESOURCE_EXHAUSTED",  # the scheduler's queue is full
}


def as_request_error(error: tf.errors.OpError) -> RequestError:
    """Give the `RequestError` that tells a client what TensorFlow says."""
    return RequestError(CODES.get(type(error), "INTERNAL"), _main_line(error.message))


def _main_line(message: str) -> str:
    """Give the line of TensorFlow's message that says what was wrong, without traces of the graph."""
    lines = [line.split("[[{{")[0].strip() for line in message.splitlines() if line.strip()]
    for line in lines:
        if "assertion failed:" in line:  # [message] [value]...
            return line.split("assertion failed: [", 1)[1].removesuffix("]").replace("] [", " ")
    said = [line for line in lines if line and not line.startswith(("Graph execution error", "Detected at", "File "))]
    at = next((line.split()[3] for line in lines if line.startswith("Detected at node")), "")
    return " ".join([at.split("/")[0] + ":"] * ("image_bytes" in at) + said[:1]) or message
