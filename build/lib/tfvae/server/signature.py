"""One signature of a SavedModel, called with arrays.

Requests that wait are run together. The event loop hands over what has come while others ran, in one call, as a thread
for each request would cost more than most models; calls are put together to batches by TensorFlow's batch scheduler,
the one of TensorFlow Serving, and as its parameters say.
"""

import asyncio
import collections
import concurrent.futures
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
_threads = concurrent.futures.ThreadPoolExecutor(64, thread_name_prefix="signature")  # of all signatures
ALONE = 2  # requests of a signature that run at a time, without batching


class Batching(NamedTuple):
    """TensorFlow Serving's BatchingParameters, under its names."""

    max_batch_size: int = 64
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple = ()


class _Waiting(NamedTuple):
    """A request: its arrays, and the future of its answer."""

    arrays: list
    future: asyncio.Future

    @property
    def rows(self):
        return len(self.arrays[0])


class Signature:
    """Calls a signature: name -> array gives name -> array.

    Args:
        name: of the signature.
        function: of a loaded SavedModel.
        batching: `Batching`, or None: each request runs alone. So do those of signatures whose inputs have no rows.
    """

    def __init__(self, name, function, batching):
        self.name, self.batching = name, batching
        self.specs = dict(sorted(function.structured_input_signature[1].items()))  # input -> tf.TensorSpec
        self.outputs = {key: spec.dtype for key, spec in sorted(function.structured_outputs.items())}
        self._program = self._made(function)
        rows = [bool(spec.shape.rank) and spec.shape[0] is None for spec in self.specs.values()]
        if not rows or not all(rows):
            self.batching = None
        self._queue, self._waiting, self._running = str(next(_numbers)), collections.deque(), 0

    def _made(self, function):
        specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in self.specs.items()]

        def run(*tensors):
            outputs = function(**dict(zip(self.specs, tensors, strict=True)))
            return [outputs[name] for name in self.outputs]

        return tf.function(run, input_signature=specs, autograph=False).get_concrete_function()

    def __call__(self, inputs):
        """Answers a request, in this thread.

        Raises:
            Refused: when the inputs are not those of the signature, the graph refuses them, or too many wait.
        """
        return self._answer(self._arrays(inputs))

    async def answer(self, inputs):
        """Answers a request, together with others where they come at the same time; raises as a call does."""
        arrays = self._arrays(inputs)
        if self.batching and len(self._waiting) >= self.batching.max_enqueued_batches * self.batching.max_batch_size:
            raise Refused("RESOURCE_EXHAUSTED", f"{len(self._waiting)} requests wait for {self.name}: try again later")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(arrays, future))
        self._start()
        return await future

    def _start(self):
        """Begins with what waits, where not too much is running."""
        most = self.batching.num_batch_threads if self.batching else ALONE
        while self._waiting and self._running < most:
            group = self._next_group()
            self._running += 1
            running = asyncio.get_running_loop().run_in_executor(_threads, self._answers, group)
            running.add_done_callback(lambda done, group=group: self._done(group, done))

    def _next_group(self):
        """Requests that are run in one call: as many of those that wait as a batch has room for, at least one."""
        group = [self._waiting.popleft()]
        if self.batching:
            room = self.batching.max_batch_size - group[0].rows
            while self._waiting and self._waiting[0].rows <= room:
                group.append(self._waiting.popleft())
                room -= group[-1].rows
        return group

    def _done(self, group, done):
        self._running -= 1
        for waiting, answer in zip(group, done.result(), strict=True):
            if waiting.future.done():  # its client went away
                continue
            if isinstance(answer, Exception):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        self._start()

    def _answers(self, group):
        """The answers of a group's requests, or what each is refused with."""
        if len(group) > 1:
            try:
                columns = zip(*(waiting.arrays for waiting in group), strict=True)
                together = self._answer([np.concatenate(parts) for parts in columns])
                ends = np.cumsum([waiting.rows for waiting in group])[:-1]
                parts = {name: np.split(value, ends) for name, value in together.items()}
                return [{name: parts[name][i] for name in parts} for i in range(len(group))]
            except Exception:
                pass  # for what one of them is: each is answered, or refused, by itself
        return [self._answer_or_error(waiting.arrays) for waiting in group]

    def _answer_or_error(self, arrays):
        try:
            return self._answer(arrays)
        except Exception as error:
            return error

    def _answer(self, arrays):
        try:
            outputs = self._run([tf.constant(array) for array in arrays])
            return {name: output.numpy() for name, output in zip(self.outputs, outputs, strict=True)}
        except tf.errors.OpError as error:
            raise Refused(CODES.get(type(error), "INTERNAL"), _plain(error)) from None

    def _run(self, tensors):
        rows = {tensor.shape[0] for tensor in tensors if tensor.shape.rank}
        if self.batching is None or len(rows) != 1 or not 1 <= min(rows) <= self.batching.max_batch_size:
            return self._program(*tensors)
        try:
            return tf.raw_ops.BatchFunction(
                in_tensors=tensors,
                captured_tensors=self._program.captured_inputs,
                f=self._program,
                Tout=list(self.outputs.values()),
                shared_name=f"tfvae {self.batching}",  # one scheduler: its threads wake each millisecond
                batching_queue=self._queue,
                max_batch_size=self.batching.max_batch_size,
                batch_timeout_micros=self.batching.batch_timeout_micros,
                max_enqueued_batches=self.batching.max_enqueued_batches,
                num_batch_threads=self.batching.num_batch_threads,
                allowed_batch_sizes=list(self.batching.allowed_batch_sizes),
                enable_large_batch_splitting=True,
            )
        except tf.errors.InvalidArgumentError:
            return self._program(*tensors)  # it may be another of the batch that is bad

    def _arrays(self, inputs):
        """The inputs in the signature's order, when they are its own."""
        unknown = sorted(set(inputs) - set(self.specs))
        if unknown:
            raise Refused("INVALID_ARGUMENT", f"there is no input {', '.join(unknown)}; {self._expected()}")
        arrays = [self._array(name, inputs) for name in self.specs]
        rows = [len(array) for array in arrays if array.ndim]
        if self.batching and len(set(rows)) > 1:  # else the scheduler would say it, in its own words
            named = ", ".join(f"{name} {count}" for name, count in zip(self.specs, rows, strict=True))
            raise Refused("INVALID_ARGUMENT", f"the inputs must have the same number of rows, not {named}")
        return arrays

    def _array(self, name, inputs):
        if name not in inputs:
            raise Refused("INVALID_ARGUMENT", f"the input {name} is missing; {self._expected()}")
        spec, array = self.specs[name], np.asarray(inputs[name])
        if array.dtype != spec.dtype.as_numpy_dtype and not (spec.dtype == tf.string and array.dtype.kind in "SO"):
            raise Refused("INVALID_ARGUMENT", f"{name} must be {spec.dtype.name}, not {array.dtype.name}")
        if not spec.shape.is_compatible_with(array.shape):
            wanted = [-1 if size is None else size for size in spec.shape]
            raise Refused("INVALID_ARGUMENT", f"{name} must have shape {wanted}, not {list(array.shape)}")
        return array

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
