"""Local worker processes: several workers on one machine, as a cluster would start one on each of its machines."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

__all__ = ["free_ports", "launch", "of_cluster", "of_search"]

SECONDS_TO_END = 10  # after SIGTERM
LINES = 15  # of a failed worker's output that are shown


def of_cluster(count):
    """Environments of so many workers that train one model: they know of each other by `TF_CONFIG`, on loopback."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(_checked(count))]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(count)]
    return [{"TF_CONFIG": json.dumps(task)} for task in tasks]


def of_search(count):
    """Environments of a search's chief, which keeps the books, and of so many workers, which run trials."""
    names = ["chief", *(f"worker{index}" for index in range(_checked(count)))]
    place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_ports(1)[0])}
    return [{"KERASTUNER_TUNER_ID": name} | place for name in names]


def _checked(count):
    if count < 1:
        raise ValueError(f"--workers must be 1 or more, not {count}")
    return count


def launch(arguments, environments):
    """Runs `tfvae` with these arguments in a process for each environment, at the same time.

    What the first, the chief, prints is shown. Told to end by SIGTERM or Ctrl-C, all are told, and waited for.

    Args:
        arguments: of the command, such as ["train", CONFIG, RUN, "--set", "strategy=multi_worker"].
        environments: dicts of variables, beside those of this process: `of_cluster` or `of_search`.

    Returns:
        The exit status: 0, or that with which all were told to end.

    Raises:
        ChildProcessError: when a worker ended otherwise; the others are ended too, and the message has its last lines.
    """
    count = len(environments)
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        workers = [
            stack.enter_context(_worker(arguments, environments[index], index, outputs[index]))
            for index in range(count)
        ]
        told = _tell_on_signals(stack, workers)
        try:
            _wait(workers)
        finally:
            _end(workers)
        failed = [index for index, worker in enumerate(workers) if worker.returncode not in (0, -signal.SIGTERM, 143)]
        if failed and not told:
            first = min(failed, key=lambda index: workers[index].ended)
            outputs[first].seek(0)
            last = "".join(outputs[first].readlines()[-LINES:]).strip()
            status = workers[first].returncode
            raise ChildProcessError(
                f"worker {first} of {count} ended with status {status}: {last or 'it said nothing'}"
            )
        return max(abs(worker.returncode) for worker in workers) if told else 0


def _worker(arguments, environment, index, output):
    process = subprocess.Popen(
        [sys.executable, "-m", "tfvae.cli", *arguments],
        env=os.environ | environment,
        stdout=None if index == 0 else output,
        stderr=output,
        start_new_session=True,  # Ctrl-C reaches them through here alone
    )
    process.ended = float("inf")
    return process


def _wait(workers):
    """Until all have ended, or one has failed."""
    while True:
        for worker in workers:
            if worker.poll() is not None and worker.ended == float("inf"):
                worker.ended = time.monotonic()
        states = [worker.returncode for worker in workers]
        if None not in states or any(states):
            return
        time.sleep(0.1)


def _end(workers):
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    deadline = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _tell_on_signals(stack, workers):
    """Hands SIGTERM and SIGINT on to the workers, as SIGTERM; gives the list of those that came."""
    came = []

    def hand_on(number, frame):
        came.append(number)
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, number, signal.signal(number, hand_on))
    return came


def free_ports(count):
    """So many ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
