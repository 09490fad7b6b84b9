"""Progress: functions say what they do, and whoever asks is told: `with progress.listen(listener): ...`.

Nothing is shown where nobody listens. The command `tfvae` does: see `cli.terminal`.
"""

import contextlib
import contextvars
from collections.abc import Iterator

__all__ = ["Listener", "at", "doing", "done", "line", "listen", "listener", "within"]


class Listener:
    """A base for listeners: it is told everything, and does nothing."""

    def doing(self, what: str) -> None:
        """Take note of what is done from now on; "" means nothing."""

    def at(self, so_far: str) -> None:
        """Take note of how far that is."""

    def line(self, text: str) -> None:
        """Take note of a line to keep, such as the name of a file that was written."""


_listener: contextvars.ContextVar[Listener] = contextvars.ContextVar("listener", default=Listener())  # noqa: B039


@contextlib.contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Tell `listener` what functions do in the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listener() -> Listener:
    """Give the listener, for use in another thread: a new thread has none."""
    return _listener.get()


def doing(what: str) -> None:
    """Say what is done from now on."""
    _listener.get().doing(what)


def at(so_far: str) -> None:
    """Say how far that is, such as "batch 3 of 20"."""
    _listener.get().at(so_far)


def done() -> None:
    """Say that nothing more is done, or that another process says what is."""
    _listener.get().doing("")


def line(text: str) -> None:
    """Say a line to keep."""
    _listener.get().line(text)


@contextlib.contextmanager
def within(what: str) -> Iterator[None]:
    """Report what functions in the block say as the progress of `what`; drop their lines."""
    whole = _listener.get()
    whole.doing(what)
    with listen(_Part(whole)):
        yield


class _Part(Listener):
    def __init__(self, whole: Listener):
        self._whole, self._what = whole, ""

    def doing(self, what: str) -> None:
        self._what = what
        self._whole.at(what)

    def at(self, so_far: str) -> None:
        self._whole.at(f"{self._what}, {so_far}" if self._what else so_far)
