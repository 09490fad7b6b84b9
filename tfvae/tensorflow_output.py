"""Keep from the terminal what TensorFlow's libraries write when they are imported, and when a model is exported."""

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile
import types
from collections.abc import Iterator

__all__ = ["import_quietly", "quietly", "warnings_only"]

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # least level that TensorFlow's libraries write; 0 is all; a value that is set is kept
NOTE = re.compile(rb"[IWE]\d{4} \d\d|WARNING: All log messages before absl")  # lines written before they look at LEVEL


def import_quietly(name: str) -> types.ModuleType:
    """Import the module of this name `quietly`."""
    with quietly():
        return importlib.import_module(name)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hide what TensorFlow's libraries write to stderr in the block, where they are imported; show it if that fails."""
    stderr = None
    if os.environ.setdefault(LEVEL, "3") != "0" and "tensorflow" not in sys.modules:
        with contextlib.suppress(OSError):  # stderr may be closed
            stderr = os.dup(2)
    if stderr is None:
        yield
        return
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            notes.seek(0)
            with contextlib.suppress(OSError):
                os.write(2, b"".join(line for line in notes if failed or not NOTE.match(line)))


@contextlib.contextmanager
def warnings_only() -> Iterator[None]:
    """Keep TensorFlow's logger from writing less than warnings in the block; in notebooks it names temporary files."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)
