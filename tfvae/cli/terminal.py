"""What the command shows of what goes on: on a terminal a line that moves, elsewhere a plain line every few seconds."""

import contextlib
import sys
import threading
import time
import warnings

from tfvae import progress

__all__ = ["SECONDS", "shown"]

SECONDS = 4.0  # after which something is said again, where there is no terminal


@contextlib.contextmanager
def shown(quiet=False):
    """Within, what library functions say they do is shown on stdout; a warning is one line on stderr.

    Args:
        quiet: nothing is shown but lines to keep.
    """
    listener = _Kept() if quiet else _Moving() if sys.stdout is not None and sys.stdout.isatty() else _Plain()
    show, warnings.showwarning = warnings.showwarning, _one_line
    try:
        with progress.heard(listener):
            yield
    finally:
        warnings.showwarning = show
        listener.doing("")


def _one_line(message, category, filename, lineno, file=None, line=None):
    print(f"warning: {' '.join(str(message).split())}", file=file or sys.stderr)


class _Kept(progress.Listener):
    """Prints the lines to keep."""

    def line(self, text):
        print(text, flush=True)


class _Moving(_Kept):
    """A line with a spinner and seconds at the bottom of a terminal; what is printed goes above it."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        redirected = sys.stderr is not None and sys.stderr.isatty()  # elsewhere it is not this terminal's
        self._progress = Progress(*columns, console=Console(), transient=True, redirect_stderr=redirected)
        self._what, self._task = "", None

    def doing(self, what):
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self._what = what
        if what:
            self._progress.start()
            self._task = self._progress.add_task(what)
        else:
            self._progress.stop()

    def at(self, so_far):
        if self._task is not None:
            self._progress.update(self._task, description=f"{self._what}: {so_far}")


class _Plain(_Kept):
    """A line whenever nothing was said for `SECONDS`, from a thread that lasts while something is done."""

    def __init__(self):
        self._what, self._so_far, self._since, self._spoke = "", "", 0.0, time.monotonic()
        self._changed, self._thread = threading.Event(), None

    def doing(self, what):
        self._what, self._so_far, self._since = what, "", time.monotonic()
        if what and self._thread is None:
            self._changed.clear()
            self._thread = threading.Thread(target=self._speak, name="showing", daemon=True)
            self._thread.start()
        elif not what and self._thread is not None:
            self._changed.set()
            self._thread.join()
            self._thread = None

    def at(self, so_far):
        self._so_far = so_far

    def line(self, text):
        super().line(text)
        self._spoke = time.monotonic()

    def _speak(self):
        self._spoke = time.monotonic()
        while not self._changed.wait(max(0.0, self._spoke + SECONDS - time.monotonic())):
            if time.monotonic() < self._spoke + SECONDS:
                continue  # a line came meanwhile
            seconds = f"{time.monotonic() - self._since:.0f} s"
            try:
                self.line(f"{self._what}: {self._so_far}, {seconds}" if self._so_far else f"{self._what}: {seconds}")
            except (OSError, ValueError):  # who reads is gone: what prints the result finds out, and says so
                return
