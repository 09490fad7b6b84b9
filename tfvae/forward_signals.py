"""Signals that end this process are handed on to those that it has started."""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

__all__ = ["forwarding_signals"]


class Process(Protocol):
    """A process: of `subprocess` or of `multiprocessing`."""

    def terminate(self) -> None:
        """Send it SIGTERM."""


@contextlib.contextmanager
def forwarding_signals(processes: Sequence[Process]) -> Iterator[list[int]]:
    """Within, hand SIGTERM and Ctrl-C on to processes, as SIGTERM; give a list to which the numbers that came are
    added."""
    came: list[int] = []

    def forward(number: int, frame: Any) -> None:
        came.append(number)
        for process in processes:
            process.terminate()

    with contextlib.ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, forward))
        yield came
