"""The standard streams: what is written to them arrives, or is dropped where nobody reads it, and never fails late."""

import os
import sys

__all__ = ["flush_stdout", "open_closed_streams", "write_error_line"]

MAX_LENGTH = 700  # letters of an error's line


def open_closed_streams() -> None:
    """Open standard streams that the shell closed, on the null device, so that no other file gets their numbers.

    Also make sure that all letters can be written, whatever the locale.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))
        if (getattr(sys, name).encoding or "utf-8").lower() != "utf-8":
            getattr(sys, name).reconfigure(errors="backslashreplace")


def flush_stdout() -> None:
    """Write what was printed; drop it where that fails."""
    try:
        sys.stdout.flush()
    except OSError:
        _redirect_to_null(1)


def write_error_line(text: str, end: str = "") -> None:
    """Write a line to stderr: shorten a very long one in its middle, and show control characters as escapes."""
    text = " ".join(text.split())
    if len(text) > MAX_LENGTH:
        text = f"{text[: MAX_LENGTH - 200]} [...] {text[-200:]}"
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    try:
        print(text + end, file=sys.stderr, flush=True)
    except OSError:
        _redirect_to_null(2)  # nobody reads it: the exit status has to do


def _redirect_to_null(number: int) -> None:
    """Send the rest of a stream that cannot be written to the null device, so that nothing fails at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
