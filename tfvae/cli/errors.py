"""Turn any exception into one line on stderr and an exit status: 2 for a user's mistake, 1 for a fault of tfvae."""

import sys
import tempfile
import traceback

from tfvae.cli.streams import write_error_line
from tfvae.extras import MissingExtra

__all__ = ["report"]

MISTAKES = (ValueError, OSError, ArithmeticError, MissingExtra)  # of users; anything else is a fault of the program
TENSORFLOW_MISTAKES = ("NotFoundError", "PermissionDeniedError", "UnavailableError")


def report(error: Exception) -> int:
    """Write an error as one line; give the exit status."""
    what = " ".join(str(error).split())
    if isinstance(error, BrokenPipeError):
        write_error_line("error: standard output was closed before all was said")
    elif isinstance(error, (MemoryError, *_tensorflow_errors("ResourceExhaustedError"))):
        reason = what or "make model, batches or samples smaller"
        write_error_line(f"error: not enough memory, or space on the disk: {reason}")
    elif isinstance(error, (*MISTAKES, *_tensorflow_errors(*TENSORFLOW_MISTAKES))):
        write_error_line(f"error: {what or type(error).__name__}")
    else:
        advice = f" ({_write_traceback(error)})"
        write_error_line(f"error: a fault of tfvae: {type(error).__name__}: {what}", advice)
        return 1
    return 2


def _tensorflow_errors(*names: str) -> tuple[type[Exception], ...]:
    """Give TensorFlow's classes of errors; none where TensorFlow is not imported, as then no error is one."""
    tensorflow = sys.modules.get("tensorflow")
    return tuple(getattr(tensorflow.errors, name) for name in names) if tensorflow else ()


def _write_traceback(error: Exception) -> str:
    """Write the traceback to a file; tell the user what to do with it."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="tfvae-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)))
        return f"please report it with {file.name}; --debug shows the traceback"
    except OSError:
        return "please report it with the traceback, which --debug shows"
