"""The arrays of an .npz file, read without trusting it: no pickles, and memory only for what the file really holds."""

import collections
import pathlib
import zipfile

import numpy as np
import psutil

from tfvae.data.messages import first_line

__all__ = ["read_arrays"]


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file.

    Raises:
        ValueError: when something of it cannot be read, or needs more memory than there is.
    """
    _check_kind(path)
    try:
        with zipfile.ZipFile(path) as file:
            members = [member for member in file.infolist() if member.filename.endswith(".npy")]
            if not members:
                inside = ", ".join(file.namelist()[:3]) or "nothing"
                raise ValueError(f"it holds no arrays, but {inside}")
            twice = [name for name, n in collections.Counter(m.filename for m in members).items() if n > 1]
            if twice:
                raise ValueError(f"it holds {twice[0]} twice")
            _check_memory(sum(_size_in_memory(file, member) for member in members))
            return {_key(member): _read_array(file, member) for member in members}
    except Exception as error:  # whatever foreign bytes make the readers of zip files and arrays raise
        if isinstance(error, zipfile.BadZipFile) and not zipfile.is_zipfile(path):
            error = ValueError("it is damaged, or another kind of file: write it anew by np.savez")
        raise ValueError(f"{path} cannot be read as .npz: {first_line(error)}") from error


def _check_kind(path: pathlib.Path) -> None:
    """Raise ValueError for what is no .npz file at first sight."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder, and no .npz file")
    if not path.exists():
        raise ValueError(f"no such file: {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a pipe or a device, and no .npz file")
    with open(path, "rb") as file:
        start = file.read(6)
    if not start:
        raise ValueError(f"{path} is empty: write it anew by np.savez")
    if start == b"\x93NUMPY":
        raise ValueError(f"{path} is an .npy file by what it holds: save its array by np.savez(path, train=array)")


def _size_in_memory(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Give the bytes of an array as its header says; raise ValueError unless the file has as many."""
    try:
        with file.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in read:
                raise ValueError(f"format {version} of .npy is not read: save plain numbers by np.savez")
            shape, _, dtype = read[version](stream)
            header = stream.tell()
    except Exception as error:  # as in read_arrays
        raise ValueError(f"array {_key(member)}: {first_line(error)}") from error
    if dtype.hasobject:
        raise ValueError(f"array {_key(member)} holds Python objects, which are not loaded: save plain numbers")
    size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if min(shape, default=0) < 0 or size != member.file_size - header:
        raise ValueError(
            f"array {_key(member)} is {dtype} {shape} by its header, {size:,} bytes, but the file has "
            f"{member.file_size - header:,}"
        )
    return size


def _check_memory(size: int) -> None:
    free = psutil.virtual_memory().available
    if size > free:
        raise ValueError(f"its arrays take {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free")


def _read_array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    try:
        with file.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:  # as in read_arrays
        raise ValueError(f"array {_key(member)}: {first_line(error)}") from error


def _key(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")
