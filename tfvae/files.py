"""Files and folders that are there whole, or not at all."""

import contextlib
import errno
import json
import math
import os
import pathlib
import shutil
import tempfile

import filelock

__all__ = ["beside", "check", "publish", "sync", "workspace", "write_json", "write_text"]

PARTIAL = ".partial-"  # what names of folders begin with in which one writes
TRIED = 2**16  # bytes, written to see whether that can be done
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP)  # of folders, on some file systems of networks


@contextlib.contextmanager
def beside(path):
    """Gives a path beside `path`, for a file or a folder, which takes the place of `path` when the block is done, and
    the disk has it.

    The path is this process's own, and ends as `path` does. When the block fails, what it wrote is removed, and what
    was at `path` stays; so it is after a crash.
    """
    path = pathlib.Path(path)
    with workspace(path.parent) as space:
        partial = space / path.name
        yield partial
        sync(partial)
        _replace(partial, path, space)


def _replace(partial, path, space):
    if partial.is_dir() and path.is_dir():  # which one call cannot replace
        os.rename(path, space / "replaced")
        try:
            os.rename(partial, path)
        except BaseException:
            os.rename(space / "replaced", path)
            raise
    else:
        os.replace(partial, path)
    _sync(path.parent)


@contextlib.contextmanager
def workspace(folder):
    """A new folder in `folder` to write in, removed at the end; so are those of processes that were killed.

    A process holds a lock in its own, which falls when it ends, however: what nobody holds was left.

    Raises:
        OSError: when nothing can be written there.
    """
    folder = pathlib.Path(folder)
    for left in folder.glob(f"{PARTIAL}*"):
        _remove_left(left)
    path, lock = _new(folder)
    try:
        yield path
    finally:
        shutil.rmtree(path)
        lock.release()


def _new(folder):
    """A new folder in `folder`, and its lock."""
    while True:
        try:
            path = pathlib.Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
        except OSError as error:
            raise type(error)(f"nothing can be written to the folder {folder}: {error.strerror}") from None
        lock = filelock.FileLock(path / ".lock")
        with contextlib.suppress(FileNotFoundError):
            lock.acquire()
            if path.exists():  # else it was taken for left, before it was locked
                return path, lock
            lock.release()


def _remove_left(path):
    """Removes what a process left, unless that process lives; what another user left stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    lock = filelock.FileLock(path / ".lock", blocking=False)
    with contextlib.suppress(filelock.Timeout, FileNotFoundError, PermissionError), lock:
        shutil.rmtree(path)


def publish(moves):
    """Renames files or folders to where they belong: all of them, or none.

    Args:
        moves: path -> new path, whose folder is made where it is missing.

    Raises:
        OSError: when one cannot be renamed; those renamed before are where they were.
    """
    made = {path.parent for path in moves.values() if not path.parent.exists()}
    for partial in moves:
        sync(partial)
    try:
        for partial, path in moves.items():
            path.parent.mkdir(exist_ok=True)
            os.rename(partial, path)
    except BaseException:
        for partial, path in moves.items():
            if not partial.exists():
                os.rename(path, partial)
        for folder in made:
            if folder.exists():
                folder.rmdir()
        raise
    for folder in {path.parent for path in moves.values()} | {folder.parent for folder in made}:
        _sync(folder)


def sync(path):
    """Waits until the disk has a file, or a folder and all that is in it."""
    path = pathlib.Path(path)
    for place in (path, *path.rglob("*")):
        _sync(place)


def _sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC or not path.is_dir():
            raise
    finally:
        os.close(handle)


def check(path):
    """Tries whether a file or folder can be written at `path`, before the work whose result it is to hold.

    Raises:
        OSError: when it cannot; it names the folder.
    """
    path = pathlib.Path(path)
    folder = next(above for above in path.absolute().parents if above.exists())
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder: move it, or choose another place than {path}")
    with workspace(folder) as space:
        try:
            (space / "tried").write_bytes(bytes(TRIED))
            sync(space / "tried")
        except OSError as error:
            raise type(error)(f"nothing can be written to the folder {folder}: {error.strerror}") from None


def write_text(path, text):
    """Writes a text file beside, and renames it."""
    with beside(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path, content):
    """Writes JSON beside, and renames it; numbers that JSON has not (infinity, not a number) become null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content):
    """What JSON can hold of dicts, lists, numbers and NumPy's; numbers that are not finite -> None."""
    content = content.tolist() if hasattr(content, "tolist") else content
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
