"""Imports without what TensorFlow's libraries write to stderr on the way."""

import importlib
import os
import tempfile

__all__ = ["imported"]


def imported(name):
    """The module of this name. What is written to stderr meanwhile, by C++ too, is shown only where it fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            return importlib.import_module(name)
        except Exception:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
