"""One signature of a SavedModel, called with arrays: alone, or together with others by TensorFlow's batch scheduler."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.server.errors import Refused

__all__ = ["Batching", "Signature"]

CODES = {
    tf.errors.InvalidArgumentError: "INVALID_ARGUMENT",
    tf.errors.ResourceExhaustedError: "RESOURCE_EXHAUSTED",
    tf.errors.UnavailableError: "RESOURCE_EXHAUSTED",  # the scheduler's queue is full
}
_numbers = itertools.count()  # of queues: two of the same name would be one


class Batching(NamedTuple):
    """TensorFlow Serving's BatchingParameters, under its names."""

    max_batch_size: int = 64
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple = ()


class Signature:
    """Calls a signature: name -> array gives name -> array.

    Requests that come while others run are run together, as one batch, where all inputs have rows.

    Args:
        name: of the signature.
        function: of a loaded SavedModel.
        batching: `Batching`, or None: each request runs alone.
    """

    def __init__(self, name, function, batching):
        self.name, self.batching = name, batching
        self.specs = dict(sorted(function.structured_input_signature[1].items()))  # input -> tf.TensorSpec
        self.outputs = {key: spec.dtype for key, spec in sorted(function.structured_outputs.items())}
        self.program = self._program(function)
        rows = [bool(spec.shape.rank) and spec.shape[0] is None for spec in self.specs.values()]
        if not rows or not all(rows):
            self.batching = None
        self.queue = str(next(_numbers))

    def _program(self, function):
        specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in self.specs.items()]

        def run(*tensors):
            outputs = function(**dict(zip(self.specs, tensors, strict=True)))
            return [outputs[name] for name in self.outputs]

        return tf.function(run, input_signature=specs, autograph=False).get_concrete_function()

    def __call__(self, inputs):
        """Answers a request.

        Raises:
            Refused: when the inputs are not those of the signature, the graph refuses them, or too many wait.
        """
        unknown = sorted(set(inputs) - set(self.specs))
        if unknown:
            raise Refused("INVALID_ARGUMENT", f"there is no input {', '.join(unknown)}; {self._expected()}")
        tensors = [self._tensor(name, inputs) for name in self.specs]
        try:
            outputs = self._run(tensors)
        except tf.errors.OpError as error:
            raise Refused(CODES.get(type(error), "INTERNAL"), _plain(error)) from None
        return {name: output.numpy() for name, output in zip(self.outputs, outputs, strict=True)}

    def _run(self, tensors):
        rows = {tensor.shape[0] for tensor in tensors if tensor.shape.rank}
        if self.batching is None or len(rows) != 1 or not 1 <= min(rows) <= self.batching.max_batch_size:
            return self.program(*tensors)
        try:
            return tf.raw_ops.BatchFunction(
                in_tensors=tensors,
                captured_tensors=self.program.captured_inputs,
                f=self.program,
                Tout=list(self.outputs.values()),
                shared_name=f"tfvae {self.batching}",  # one scheduler: its threads wake each millisecond
                batching_queue=self.queue,
                max_batch_size=self.batching.max_batch_size,
                batch_timeout_micros=self.batching.batch_timeout_micros,
                max_enqueued_batches=self.batching.max_enqueued_batches,
                num_batch_threads=self.batching.num_batch_threads,
                allowed_batch_sizes=list(self.batching.allowed_batch_sizes),
                enable_large_batch_splitting=True,
            )
        except tf.errors.InvalidArgumentError:
            return self.program(*tensors)  # it may be another of the batch that is bad

    def _tensor(self, name, inputs):
        """The input of this name as a tensor, when it fits."""
        if name not in inputs:
            raise Refused("INVALID_ARGUMENT", f"the input {name} is missing; {self._expected()}")
        spec, array = self.specs[name], np.asarray(inputs[name])
        if array.dtype != spec.dtype.as_numpy_dtype and not (spec.dtype == tf.string and array.dtype.kind in "SO"):
            raise Refused("INVALID_ARGUMENT", f"{name} must be {spec.dtype.name}, not {array.dtype.name}")
        if not spec.shape.is_compatible_with(array.shape):
            wanted = [-1 if size is None else size for size in spec.shape]
            raise Refused("INVALID_ARGUMENT", f"{name} must have shape {wanted}, not {list(array.shape)}")
        return tf.constant(array)

    def _expected(self):
        return f"{self.name} takes {', '.join(self.specs) or 'none'}"


def _plain(error):
    """The line of an error of TensorFlow's that says what was wrong, without traces of the graph."""
    lines = [line.split("[[{{")[0].strip() for line in error.message.splitlines() if line.strip()]
    for line in lines:
        if "assertion failed:" in line:  # [message] [value]...
            return line.split("assertion failed: [", 1)[1].removesuffix("]").replace("] [", " ")
    said = [line for line in lines if line and not line.startswith(("Graph execution error", "Detected at", "File "))]
    at = next((line.split()[3] for line in lines if line.startswith("Detected at node")), "")
    return " ".join([at.split("/")[0] + ":"] * ("image_bytes" in at) + said[:1]) or error.message
