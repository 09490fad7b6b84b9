"""What data has that a user should know, and that is no mistake: lines on stderr, each once in a process."""

import functools
import logging
import sys

__all__ = ["say"]

LOG = logging.getLogger("tfvae.data")


class _Stderr(logging.StreamHandler):
    """Writes to what stderr is at the time."""

    def emit(self, record):
        self.stream = sys.stderr
        if self.stream is not None:
            super().emit(record)


@functools.cache
def _once(level, line):
    if not LOG.handlers:  # nobody has said where it should go
        LOG.addHandler(_Stderr())
        LOG.propagate = False
    if LOG.level == logging.NOTSET:
        LOG.setLevel(logging.INFO)
    LOG.log(level, line)


def say(line: str, level: int = logging.INFO):
    """Shows a line, unless it has been shown. The logger is `tfvae.data`: set its level or handlers to have it else."""
    _once(level, line)
