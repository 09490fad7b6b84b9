"""Files and folders that are there whole, or not at all."""

import contextlib
import os
import pathlib
import shutil

__all__ = ["beside"]


@contextlib.contextmanager
def beside(path):
    """Gives a path beside `path`, for a file or a folder, which takes the place of `path` when the block is done.

    When the block fails, what it wrote is removed, and what was at `path` stays.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    _remove(partial)  # of a process that was killed
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    os.replace(partial, path)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
