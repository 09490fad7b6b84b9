"""Workers of a cluster wait for each other here, before they do in TensorFlow, which is silent and ignores signals."""

import contextlib
import errno
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from tfvae import progress

__all__ = ["meet"]

SECONDS_BETWEEN = 0.2  # looks for those that are not there
SECONDS_TO_ANSWER = 2.0


class _Terminated(BaseException):
    """SIGTERM came."""


class _Signals:
    """Raises for a signal at once, and again in `check`: Python ignores what a handler raises while an object is
    finalised, but for a note on stderr."""

    def __init__(self) -> None:
        self.raised: type[BaseException] | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.raised = KeyboardInterrupt if number == signal.SIGINT else _Terminated
        raise self.raised

    def check(self) -> None:
        """Raise for a signal that came before."""
        if self.raised is not None:
            raise self.raised


def meet(own: str, others: list[str]) -> None:
    """Wait until each of the other workers has been reached once.

    There is no barrier: a worker that has gone on is reached too, as TensorFlow's server has the same address. The
    missing workers are said by `progress`.

    Args:
        own: address of this worker, "host:port"; only its port is used.
        others: addresses of the others.

    Raises:
        OSError: when another process uses the port.
        SystemExit: with the status of SIGTERM, when that came; Ctrl-C raises KeyboardInterrupt, as ever.
        ValueError: for what is no address.
    """
    port, missing = _parse_address(own)[1], {address: _parse_address(address) for address in others}
    try:
        with _raising_for_signals() as signals, _listen(own, port, len(others)):
            while missing:
                progress.doing(f"waiting for {', '.join(missing)} of TF_CONFIG")
                seen = _wait_for_some(missing, signals)
                missing = {address: place for address, place in missing.items() if address not in seen}
        progress.doing("joining the other workers")
    except _Terminated:
        progress.done()
        print(f"told to end while waiting for {', '.join(missing)} of TF_CONFIG", file=sys.stderr)
        raise SystemExit(128 + signal.SIGTERM) from None


def _parse_address(address: str) -> tuple[str, int]:
    """Return the host and the port of "host:port"; ValueError for what is no address."""
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"the variable TF_CONFIG has the address {address!r}: it must be HOST:PORT")
    return host.strip("[]"), int(port)


def _listen(own: str, port: int, count: int) -> socket.socket:
    """Open a socket that the others can connect to, on all interfaces as TensorFlow's is. Nothing is read from it."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, backlog=count, dualstack_ipv6=dual)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise type(error)(f"the port of {own} of TF_CONFIG cannot be listened on: {error.strerror}") from None
        raise type(error)(
            f"another process uses the port of {own}, this worker of TF_CONFIG: end it, or give the worker another port"
        ) from None


def _wait_for_some(places: dict[str, tuple[str, int]], signals: _Signals) -> list[str]:
    """Wait until one worker or more can be reached; return their addresses."""
    while True:
        signals.check()
        seen = [address for address, place in places.items() if _answers(place)]
        if seen:
            return seen
        time.sleep(SECONDS_BETWEEN)


def _answers(place: tuple[str, int]) -> bool:
    """Return whether something listens there; a host that has no name yet does not."""
    with contextlib.suppress(OSError), socket.create_connection(place, SECONDS_TO_ANSWER) as found:
        return found.getsockname() != found.getpeername()  # on one machine a connection may be given that very port
    return False


@contextlib.contextmanager
def _raising_for_signals() -> Iterator[_Signals]:
    """Within, SIGTERM raises `_Terminated` and Ctrl-C KeyboardInterrupt, at once; give the `_Signals`."""
    signals = _Signals()
    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():  # elsewhere handlers cannot be set
        numbers = [signal.SIGTERM, signal.SIGINT]
    before = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
