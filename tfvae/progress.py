"""What goes on, said where it is done, and heard by whoever asks for it: `with progress.heard(listener): ...`.

Where nobody asks, nothing is shown. The command `tfvae` asks: see `showing`.
"""

import contextlib
import contextvars

__all__ = ["Listener", "at", "doing", "done", "heard", "line", "listener", "within"]


class Listener:
    """Hears what goes on, and does nothing about it: a base for those that do."""

    def doing(self, what):
        """This is done from now on; "": nothing is."""

    def at(self, so_far):
        """How far that has come."""

    def line(self, text):
        """A line to keep, such as the name of a file that was written."""


_listener = contextvars.ContextVar("listener", default=Listener())  # noqa: B039 - it has no state


@contextlib.contextmanager
def heard(listener):
    """Within, `listener` hears what is said."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listener():
    """The one who hears, to say it from a thread: a new one has nobody."""
    return _listener.get()


def doing(what):
    """Says what is done from now on."""
    _listener.get().doing(what)


def at(so_far):
    """Says how far it has come, such as "batch 3 of 20"."""
    _listener.get().at(so_far)


def done():
    """Says that nothing more is done, or that others say what is."""
    _listener.get().doing("")


def line(text):
    """Says a line to keep."""
    _listener.get().line(text)


@contextlib.contextmanager
def within(what):
    """Within, what is said is a part of `what`: how far that has come. Its lines are not kept."""
    whole = _listener.get()
    whole.doing(what)
    with heard(_Part(whole)):
        yield


class _Part(Listener):
    def __init__(self, whole):
        self._whole, self._what = whole, ""

    def doing(self, what):
        self._what = what
        self._whole.at(what)

    def at(self, so_far):
        self._whole.at(f"{self._what}, {so_far}" if self._what else so_far)
