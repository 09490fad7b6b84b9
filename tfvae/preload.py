"""Imports what verbs need, TensorFlow first, without what its libraries write to stderr; where that fails, it is shown.
Importing this module is all there is to do."""

import contextlib
import os
import tempfile

__all__ = []


@contextlib.contextmanager
def _silent():
    """Keeps what is written to stderr, by C++ too, and shows it where an error ends it."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent():
    import tfvae.training  # noqa: F401
