"""A function called in fresh local processes, one after another, so that nothing is left of what each held."""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tfvae import progress
from tfvae.forward_signals import forwarding_signals

__all__ = ["call_in_fresh_processes"]


def call_in_fresh_processes(function: Callable[..., bool], *arguments: Any) -> None:
    """Call function(*arguments) in a process of its own, and in another one for as long as it returns True.

    The processes are forked from one that has imported TensorFlow (`forkserver_imports`), but not started it: they
    begin at once. They end when this one does; SIGTERM and Ctrl-C are handed on, as SIGTERM.

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
            came = stack.enter_context(forwarding_signals([process]))
            try:
                more, error = receiving.recv()
            except EOFError:
                more, error = False, None
            process.join()
        if error is not None:
            raise error
        if came:
            raise SystemExit(128 + came[0])
        if process.exitcode:
            raise ChildProcessError(f"a process ended with status {process.exitcode}: run the command again to go on")


def _call(sending: Connection, function: Callable[..., bool], arguments: tuple[Any, ...]) -> None:
    """In the process: send (what the function returns, None), or (False, what it raised)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # comes as SIGTERM
    threading.Thread(target=_end_with_parent, daemon=True).start()
    outcome: tuple[bool, Exception | None]
    try:
        outcome = function(*arguments), None
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))  # which is not sent otherwise
        outcome = False, error
    sending.send(outcome)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
