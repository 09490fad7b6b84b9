"""Write files and folders so that each is there as a whole or not at all: beside, synced, then renamed."""

import contextlib
import errno
import json
import math
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import filelock

__all__ = ["beside", "check", "publish", "sync", "workspace", "write_json", "write_text"]

AnyPath = str | os.PathLike
PARTIAL = ".partial-"  # how the names of folders begin in which a process writes
TRIED = 2**16  # bytes that are written to see whether that works
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP)  # errors of some network file systems, for folders


@contextlib.contextmanager
def beside(path: AnyPath) -> Iterator[pathlib.Path]:
    """Give a path beside `path`, for a file or a folder; after the block it is synced and takes the place of `path`.

    No other process uses that path; its name is that of `path`. When the block fails, what it wrote is removed, and
    what was at `path` stays, also after a crash.
    """
    path = pathlib.Path(path)
    with workspace(path.parent) as space:
        partial = space / path.name
        yield partial
        sync(partial)
        _replace(partial, path, space)


def _replace(partial: pathlib.Path, path: pathlib.Path, space: pathlib.Path) -> None:
    if partial.is_dir() and path.is_dir():  # no single call replaces a folder
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
def workspace(folder: AnyPath) -> Iterator[pathlib.Path]:
    """Make a new folder in `folder` to write in, and remove it at the end; also remove those of killed processes.

    A process holds a lock in its folder, which the system releases whenever the process ends: a folder that nobody has
    locked was left over.

    Raises:
        OSError: when nothing can be written there.
    """
    folder = pathlib.Path(folder)
    for left in folder.glob(f"{PARTIAL}*"):
        _remove_left_over(left)
    path, lock = _new_folder(folder)
    try:
        yield path
    finally:
        shutil.rmtree(path)
        lock.release()


def _new_folder(folder: pathlib.Path) -> tuple[pathlib.Path, filelock.BaseFileLock]:
    """Make a new folder in `folder`, and lock it."""
    while True:
        try:
            path = pathlib.Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
        except OSError as error:
            raise type(error)(f"nothing can be written to the folder {folder}: {error.strerror}") from None
        lock = filelock.FileLock(path / ".lock")
        with contextlib.suppress(FileNotFoundError):
            lock.acquire()
            if path.exists():  # else another process took it for left over, before it was locked
                return path, lock
            lock.release()


def _remove_left_over(path: pathlib.Path) -> None:
    """Remove what a process left over, unless that process is alive; what another user left stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    lock = filelock.FileLock(path / ".lock", blocking=False)
    with contextlib.suppress(filelock.Timeout, FileNotFoundError, PermissionError), lock:
        shutil.rmtree(path)


def publish(moves: Mapping[pathlib.Path, pathlib.Path]) -> None:
    """Rename files or folders to their places: all of them, or none.

    Args:
        moves: path -> new path, whose folder is made where it is missing.

    Raises:
        OSError: when one cannot be renamed; those that were renamed before are put back.
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


def sync(path: AnyPath) -> None:
    """Wait until a file, or a folder and all that is in it, is on the disk."""
    path = pathlib.Path(path)
    for place in (path, *path.rglob("*")):
        _sync(place)


def _sync(path: pathlib.Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC or not path.is_dir():
            raise
    finally:
        os.close(handle)


def check(path: AnyPath) -> None:
    """Try whether a file or folder can be written at `path`; done before the work whose result goes there.

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


def write_text(path: AnyPath, text: str) -> None:
    """Write a text file beside, and rename it."""
    with beside(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: AnyPath, content: Any) -> None:
    """Write JSON beside, and rename it; numbers that JSON cannot hold (infinity, not a number) become null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    """Convert dicts, lists, numbers, and NumPy's, to what JSON can hold; numbers that are not finite become None."""
    content = content.tolist() if hasattr(content, "tolist") else content
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
