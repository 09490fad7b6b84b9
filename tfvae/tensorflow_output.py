"""Imports, and exports, without what TensorFlow's libraries write on the way."""

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile

__all__ = ["imported", "quietly", "warnings_alone"]

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # from which on TensorFlow's libraries write; 0 is all, and what is set is left so
NOTE = re.compile(rb"[IWE]\d{4} \d\d|WARNING: All log messages before absl")  # what they write before they look at it


def imported(name):
    """The module of this name, imported `quietly`."""
    with quietly():
        return importlib.import_module(name)


@contextlib.contextmanager
def quietly():
    """Within, what TensorFlow's libraries write to stderr when they are imported is shown only where that fails."""
    stderr = None
    if os.environ.setdefault(LEVEL, "3") != "0" and "tensorflow" not in sys.modules:
        with contextlib.suppress(OSError):  # it may be closed
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
def warnings_alone():
    """Within, TensorFlow's Python part logs no less than warnings; in notebooks it tells of temporary files."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)
