"""One signature of a SavedModel, called with arrays.

Calls are put together to batches by TensorFlow's batch scheduler, the one of TensorFlow Serving, as `Batching` says.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfvae.server.graph_errors import as_request_error
from tfvae.server.input_checks import check_inputs
from tfvae.server.request_queue import Arrays, Batching, Outputs, RequestQueue

__all__ = ["Signature"]

_numbers = itertools.count()  # of the scheduler's queues: two of the same name would be one


class Signature:
    """Call a signature: input -> array gives output -> array.

    Args:
        name: of the signature.
        function: of a loaded SavedModel.
        batching: None runs each request alone. So do signatures whose inputs have no rows.

    Attributes:
        specs: input -> `tf.TensorSpec`, sorted by name.
        outputs: output -> dtype, sorted by name.
    """

    def __init__(self, name: str, function: Any, batching: Batching | None):
        self.name = name
        self.specs: dict[str, tf.TensorSpec] = dict(sorted(function.structured_input_signature[1].items()))
        self.outputs = {key: spec.dtype for key, spec in sorted(function.structured_outputs.items())}
        self._program = self._make_program(function)
        has_rows = [bool(spec.shape.rank) and spec.shape[0] is None for spec in self.specs.values()]
        self.batching = batching if has_rows and all(has_rows) else None
        self._queue_name = str(next(_numbers))
        self._queue = RequestQueue(name, lambda arrays: self.run(arrays), self.batching)

    def _make_program(self, function: Callable[..., Any]) -> Any:
        """Make a concrete function of tensors in the order of `specs`, which the batch scheduler takes."""
        specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in self.specs.items()]

        def run(*tensors):
            outputs = function(**dict(zip(self.specs, tensors, strict=True)))
            return [outputs[name] for name in self.outputs]

        return tf.function(run, input_signature=specs, autograph=False).get_concrete_function()

    def __call__(self, inputs: Mapping[str, Any]) -> Outputs:
        """Answer a request, in this thread.

        Raises:
            RequestError: when the inputs do not fit the signature, the graph refuses them, or too many wait.
        """
        return self.run(self._check(inputs))

    async def answer(self, inputs: Mapping[str, Any]) -> Outputs:
        """Answer a request, together with others that come at the same time; raise as a call does."""
        return await self._queue.answer(self._check(inputs))

    def _check(self, inputs: Mapping[str, Any]) -> Arrays:
        return check_inputs(self.name, self.specs, inputs, same_rows=self.batching is not None)

    def run(self, arrays: Arrays) -> Outputs:
        """Run the program on checked arrays, in the order of `specs`.

        Raises:
            RequestError: when the graph refuses them, or too many calls wait.
        """
        try:
            outputs = self._run([tf.constant(array) for array in arrays])
            return {name: output.numpy() for name, output in zip(self.outputs, outputs, strict=True)}
        except tf.errors.OpError as error:
            raise as_request_error(error) from None

    def _run(self, tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        rows = {tensor.shape[0] for tensor in tensors if tensor.shape.rank}
        if self.batching is None or len(rows) != 1 or not 1 <= min(rows) <= self.batching.max_batch_size:
            return self._program(*tensors)
        try:
            return tf.raw_ops.BatchFunction(
                in_tensors=tensors,
                captured_tensors=self._program.captured_inputs,
                f=self._program,
                Tout=list(self.outputs.values()),
                shared_name=f"tfvae {self.batching}",  # one scheduler for all: its threads wake each millisecond
                batching_queue=self._queue_name,
                max_batch_size=self.batching.max_batch_size,
                batch_timeout_micros=self.batching.batch_timeout_micros,
                max_enqueued_batches=self.batching.max_enqueued_batches,
                num_batch_threads=self.batching.num_batch_threads,
                allowed_batch_sizes=list(self.batching.allowed_batch_sizes),
                enable_large_batch_splitting=True,
            )
        except tf.errors.InvalidArgumentError:
            return self._program(*tensors)  # perhaps another request of the batch is the bad one
