"""Requests that wait are run together: the queue of one signature.

The event loop puts all requests that came while others ran into one call. A thread for each request would cost more
than most models do.
"""

import asyncio
import collections
import concurrent.futures
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tfvae.server.request_errors import RequestError

__all__ = ["Arrays", "Batching", "Outputs", "RequestQueue"]

Arrays = list[np.ndarray]  # the inputs of a request, in the signature's order
Outputs = dict[str, np.ndarray]  # output -> value

_threads = concurrent.futures.ThreadPoolExecutor(64, thread_name_prefix="signature")  # of all signatures
MAX_ALONE = 2  # requests of a signature that run at a time, without batching


class Batching(NamedTuple):
    """TensorFlow Serving's BatchingParameters, under its names."""

    max_batch_size: int = 64
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()


class _Request(NamedTuple):
    """The arrays of a request, and the future of its answer."""

    arrays: Arrays
    future: asyncio.Future[Outputs]

    @property
    def rows(self) -> int:
        return len(self.arrays[0])


class RequestQueue:
    """The requests of one signature that run or wait.

    Args:
        name: of the signature, for error messages.
        run: function that answers one set of arrays, in any thread.
        batching: None: each request runs alone.
    """

    def __init__(self, name: str, run: Callable[[Arrays], Outputs], batching: Batching | None):
        self._name, self._run, self._batching = name, run, batching
        self._waiting: collections.deque[_Request] = collections.deque()
        self._running = 0

    async def answer(self, arrays: Arrays) -> Outputs:
        """Answer a request, together with others that come at the same time.

        Raises:
            RequestError: when too many requests wait, or the graph refuses this one.
        """
        batching = self._batching
        if batching and len(self._waiting) >= batching.max_enqueued_batches * batching.max_batch_size:
            message = f"{len(self._waiting)} requests wait for {self._name}: try again later"
            raise RequestError("RESOURCE_EXHAUSTED", message)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(arrays, future))
        self._start()
        return await future

    def _start(self) -> None:
        """Start calls for the requests that wait, unless enough calls are running."""
        max_running = self._batching.num_batch_threads if self._batching else MAX_ALONE
        while self._waiting and self._running < max_running:
            group = self._next_group()
            self._running += 1
            running = asyncio.get_running_loop().run_in_executor(_threads, self._answer_group, group)
            running.add_done_callback(functools.partial(self._finish, group))

    def _next_group(self) -> list[_Request]:
        """Take requests for one call: as many of those that wait as a batch has room for, at least one."""
        group = [self._waiting.popleft()]
        if self._batching:
            room = self._batching.max_batch_size - group[0].rows
            while self._waiting and self._waiting[0].rows <= room:
                group.append(self._waiting.popleft())
                room -= group[-1].rows
        return group

    def _finish(self, group: list[_Request], done: asyncio.Future[list[Outputs | Exception]]) -> None:
        """Hand each request of a group its answer, and start the next."""
        self._running -= 1
        for request, answer in zip(group, done.result(), strict=True):
            if request.future.done():  # its client went away
                continue
            if isinstance(answer, Exception):
                request.future.set_exception(answer)
            else:
                request.future.set_result(answer)
        self._start()

    def _answer_group(self, group: list[_Request]) -> list[Outputs | Exception]:
        """Give the answer of each request of a group, or the error that it is refused with."""
        if len(group) > 1:
            try:
                columns = zip(*(request.arrays for request in group), strict=True)
                together = self._run([np.concatenate(parts) for parts in columns])
                ends = np.cumsum([request.rows for request in group])[:-1]
                parts = {name: np.split(value, ends) for name, value in together.items()}
                return [{name: parts[name][i] for name in parts} for i in range(len(group))]
            except Exception:
                pass  # one of the requests is bad: now each is answered, or refused, by itself
        return [self._answer_or_error(request.arrays) for request in group]

    def _answer_or_error(self, arrays: Arrays) -> Outputs | Exception:
        try:
            return self._run(arrays)
        except Exception as error:
            return error
