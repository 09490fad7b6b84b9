"""Local processes: several at a time, as a cluster would start one on each of its machines, or one after another."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from tfvae import progress

__all__ = ["free_ports", "launch", "of_cluster", "of_search", "renewed"]

SECONDS_TO_END = 10  # after SIGTERM
LINES = 15  # of a failed worker's output that are shown


@contextlib.contextmanager
def of_cluster(count):
    """Within, environments of so many workers that train one model: they know of each other by `TF_CONFIG`."""
    with _kept_ports(_checked(count)) as ports:
        workers = [f"127.0.0.1:{port}" for port in ports]
        tasks = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}} for i in range(count)]
        yield [{"TF_CONFIG": json.dumps(task)} for task in tasks]


@contextlib.contextmanager
def of_search(count):
    """Within, environments of a search's chief, which keeps the books, and of so many workers, which run trials."""
    names = ["chief", *(f"worker{index}" for index in range(_checked(count)))]
    with _kept_ports(1) as (port,):
        place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
        yield [{"KERASTUNER_TUNER_ID": name} | place for name in names]


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
        [sys.executable, "-m", "tfvae.cli", *arguments, *(["--quiet"] if index else [])],
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
            worker.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, number, signal.signal(number, hand_on))
    return came


def renewed(function, *arguments):
    """Calls function(*arguments) in a process of its own, and in another for as long as it returns True.

    So nothing is left of what each held. The processes are forked from one that has imported TensorFlow, but not
    started it: they begin at once. They end when this one does; SIGTERM and Ctrl-C are handed on, as SIGTERM.

    Raises:
        What the function raises; ChildProcessError when its process ended otherwise; SystemExit when told to end.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfvae.forkserver_imports"])
    more = True
    while more:
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(sending, function, arguments))
        with contextlib.ExitStack() as stack, receiving:
            progress.doing("starting TensorFlow")  # in the process that forks, which the first waits for
            process.start()
            progress.done()  # from now on the process says
            sending.close()  # here, so that its end is seen
            told = _tell_on_signals(stack, [process])
            try:
                more, error = receiving.recv()
            except EOFError:
                more, error = False, None
            process.join()
        if error is not None:
            raise error
        if told:
            raise SystemExit(128 + told[0])
        if process.exitcode:
            raise ChildProcessError(f"a process ended with status {process.exitcode}: run the command again to go on")


def _call(sending, function, arguments):
    """In the process: sends (what the function returns, None), or (False, what it raised)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # comes as SIGTERM
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        outcome = function(*arguments), None
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))  # which is not sent otherwise
        outcome = False, error
    sending.send(outcome)


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def free_ports(count):
    """So many ports of this machine that nothing listens on; any process may be given them from now on."""
    with _kept_ports(count) as ports:
        return ports


@contextlib.contextmanager
def _kept_ports(count):
    """So many ports that, within, the system gives to nobody; processes that name them can listen on them.

    A worker listens on its port seconds after that was chosen. Meanwhile any connection of any program might get it.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield [each.getsockname()[1] for each in sockets]
