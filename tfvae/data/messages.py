"""Messages about data: lines that are no errors, each once in a process; and the errors of libraries in one line."""

import functools
import logging
import sys

__all__ = ["first_line", "say"]

LOG = logging.getLogger("tfvae.data")


class _Stderr(logging.StreamHandler):
    """Writes to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if self.stream is not None:
            super().emit(record)


@functools.cache
def _log_once(level: int, line: str) -> None:
    if not LOG.handlers:  # the program has not said where lines should go
        LOG.addHandler(_Stderr())
        LOG.propagate = False
    if LOG.level == logging.NOTSET:
        LOG.setLevel(logging.INFO)
    LOG.log(level, line)


def say(line: str, level: int = logging.INFO) -> None:
    """Log a line, unless it was logged before.

    The logger is `tfvae.data`: set its level or its handlers to change what is shown, and where.
    """
    _log_once(level, line)


def first_line(error: BaseException) -> str:
    """Give the first line of an error's message, or the name of its class where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
