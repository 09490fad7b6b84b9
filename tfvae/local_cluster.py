"""Several local processes at a time, as a cluster would start one on each of its machines."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

from tfvae.forward_signals import forwarding_signals

__all__ = ["cluster_environments", "free_ports", "launch", "search_environments"]

SECONDS_TO_END = 10  # after SIGTERM
LINES = 15  # of a failed worker's output that are shown

Environment = dict[str, str]


class _Worker:
    """A process of the command `tfvae`, and when it was seen to have ended.

    Args:
        arguments: of the command.
        environment: variables, beside those of this process.
        index: of the worker; what the first prints is shown.
    """

    def __init__(self, arguments: Sequence[str], environment: Environment, index: int):
        self.ended = float("inf")  # a time.monotonic()
        self.output: IO[str] = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfvae.cli", *arguments, *(["--quiet"] if index else [])],
            env=os.environ | environment,
            stdout=None if index == 0 else self.output,
            stderr=self.output,
            start_new_session=True,  # Ctrl-C reaches them through here alone
        )

    def poll(self) -> int | None:
        """Return the exit status, None while it runs; note when it ended."""
        status = self.process.poll()
        if status is not None:
            self.ended = min(self.ended, time.monotonic())
        return status

    def last_lines(self) -> str:
        """Return the last lines that it wrote."""
        self.output.seek(0)
        return "".join(self.output.readlines()[-LINES:]).strip()


@contextlib.contextmanager
def cluster_environments(count: int) -> Iterator[list[Environment]]:
    """Give environments of so many workers that train one model: they know of each other by `TF_CONFIG`."""
    with _reserving_ports(_check_count(count)) as ports:
        workers = [f"127.0.0.1:{port}" for port in ports]
        tasks = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}} for i in range(count)]
        yield [{"TF_CONFIG": json.dumps(task)} for task in tasks]


@contextlib.contextmanager
def search_environments(count: int) -> Iterator[list[Environment]]:
    """Give environments of a search's chief, which keeps the books, and of so many workers, which run trials."""
    names = ["chief", *(f"worker{index}" for index in range(_check_count(count)))]
    with _reserving_ports(1) as (port,):
        place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
        yield [{"KERASTUNER_TUNER_ID": name} | place for name in names]


def _check_count(count: int) -> int:
    if count < 1:
        raise ValueError(f"--workers must be 1 or more, not {count}")
    return count


def launch(arguments: Sequence[str], environments: Sequence[Environment]) -> int:
    """Run `tfvae` with these arguments in a process for each environment, at the same time.

    What the first, the chief, prints is shown. Told to end by SIGTERM or Ctrl-C, all are told, and waited for.

    Args:
        arguments: of the command, such as ["train", CONFIG, RUN, "--set", "strategy=multi_worker"].
        environments: variables, beside those of this process: of `cluster_environments` or `search_environments`.

    Returns:
        the exit status: 0, or that with which all were told to end.

    Raises:
        ChildProcessError: when a worker ended otherwise; the others are ended too, and the message has its last lines.
    """
    with contextlib.ExitStack() as stack:
        workers: list[_Worker] = []
        for index, environment in enumerate(environments):
            workers.append(_Worker(arguments, environment, index))
            stack.enter_context(workers[-1].output)
            stack.enter_context(workers[-1].process)
        came = stack.enter_context(forwarding_signals([worker.process for worker in workers]))
        try:
            _wait(workers)
        finally:
            _end(workers)
        if came:
            return max(abs(worker.process.returncode) for worker in workers)
        failed = [worker for worker in workers if worker.process.returncode not in (0, -signal.SIGTERM, 143)]
        if failed:
            first = min(failed, key=lambda worker: worker.ended)
            raise ChildProcessError(
                f"worker {workers.index(first)} of {len(workers)} ended with status {first.process.returncode}: "
                f"{first.last_lines() or 'it said nothing'}"
            )
        return 0


def _wait(workers: Sequence[_Worker]) -> None:
    """Wait until all have ended, or one has failed."""
    while True:
        states = [worker.poll() for worker in workers]
        if None not in states or any(states):
            return
        time.sleep(0.1)


def _end(workers: Sequence[_Worker]) -> None:
    """End those that run: by SIGTERM, and where that is not heeded by SIGKILL."""
    for worker in workers:
        if worker.poll() is None:
            worker.process.terminate()
    deadline = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def free_ports(count: int) -> list[int]:
    """Find so many ports of this machine that nothing listens on; any process may be given them from now on."""
    with _reserving_ports(count) as ports:
        return ports


@contextlib.contextmanager
def _reserving_ports(count: int) -> Iterator[list[int]]:
    """Give so many ports that, within, the system gives to nobody else; processes that name them can listen on them.

    A worker listens on its port seconds after that was chosen. Meanwhile any connection of any program might get it.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield [each.getsockname()[1] for each in sockets]
