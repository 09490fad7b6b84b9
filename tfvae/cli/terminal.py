"""Show what the command is doing: on a terminal in a line that moves, elsewhere in a plain line every few seconds."""

import contextlib
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from tfvae import progress

__all__ = ["SECONDS", "show_progress"]

SECONDS = 4.0  # between plain lines, where there is no terminal


@contextlib.contextmanager
def show_progress(quiet: bool = False) -> Iterator[None]:
    """Show on stdout what functions in the block say they do, and each warning as one line on stderr.

    Args:
        quiet: show only the lines to keep, such as the names of files that were written.
    """
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    listener: progress.Listener = _KeptLines() if quiet else _MovingLine() if on_terminal else _PlainLines()
    show, warnings.showwarning = warnings.showwarning, _show_warning
    try:
        with progress.listen(listener):
            yield
    finally:
        warnings.showwarning = show
        listener.doing("")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=file or sys.stderr)


class _KeptLines(progress.Listener):
    """Prints the lines to keep."""

    def line(self, text: str) -> None:
        print(text, flush=True)


class _MovingLine(_KeptLines):
    """Shows a line with a spinner and seconds at the bottom of a terminal; what is printed goes above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        redirected = (
            sys.stderr is not None and sys.stderr.isatty()
        )  # else stderr goes somewhere else than this terminal
        self._progress = Progress(*columns, console=Console(), transient=True, redirect_stderr=redirected)
        self._what = ""
        self._task: Any = None

    def doing(self, what: str) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self._what = what
        if what:
            self._progress.start()
            self._task = self._progress.add_task(what)
        else:
            self._progress.stop()

    def at(self, so_far: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, description=f"{self._what}: {so_far}")


class _PlainLines(_KeptLines):
    """Prints a line whenever none was printed for `SECONDS`, from a thread that runs while something is done."""

    def __init__(self) -> None:
        self._what, self._so_far, self._since, self._last_line = "", "", 0.0, time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def doing(self, what: str) -> None:
        self._what, self._so_far, self._since = what, "", time.monotonic()
        if what and self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._print_until_end, name="progress", daemon=True)
            self._thread.start()
        elif not what and self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def at(self, so_far: str) -> None:
        self._so_far = so_far

    def line(self, text: str) -> None:
        super().line(text)
        self._last_line = time.monotonic()

    def _print_until_end(self) -> None:
        self._last_line = time.monotonic()
        while not self._ended.wait(max(0.0, self._last_line + SECONDS - time.monotonic())):
            if time.monotonic() < self._last_line + SECONDS:
                continue  # a line came meanwhile
            seconds = f"{time.monotonic() - self._since:.0f} s"
            try:
                self.line(f"{self._what}: {self._so_far}, {seconds}" if self._so_far else f"{self._what}: {seconds}")
            except (OSError, ValueError):  # nobody reads it any more: printing the result will fail, and say so
                return
