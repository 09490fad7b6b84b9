"""Which source a name stands for: a TFDS data set, an .npz file or a folder of images."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tfvae.data import folder_source, npz_source, tfds_source
from tfvae.data.protocol import Source

__all__ = ["find_source"]


def find_source(
    name: str | os.PathLike,
    size: list[int] | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    conditions: Sequence[str] = (),
    channels: int | None = None,
) -> Source:
    """Find the source of this name; arguments and errors as for `data.load`; conditions are names, perhaps none.

    A name with a separator is a path, if something is there. Without, it is the name of a data set, even if a folder of
    that name lies in the working directory.
    """
    if not isinstance(name, (str, os.PathLike)) or not str(name).strip():
        raise ValueError(f"name must be that of a data set, an .npz file or a folder, not {name!r}")
    name = os.fspath(name)
    path = pathlib.Path(name).expanduser()
    if name.lower().endswith(".npz"):
        _refuse("folders and TFDS data sets, not for the arrays of", name, size=size)
        _refuse("folders of images, not for the arrays of", name, channels=channels)
        return npz_source.from_file(path, conditions)
    separated = "/" in name or os.sep in name or name in (".", "..")
    if separated and path.is_dir():
        return folder_source.from_folder(path, size, conditions, channels)
    if not tfds_source.is_known(name):
        if not separated and path.is_dir():
            raise ValueError(f"no TFDS data set is called {name}: for the folder of this name write ./{name}")
        if separated or path.exists():
            what = "is neither a folder of images nor an .npz file"
            raise ValueError(f"{name} {what}" + ("" if path.exists() else ": there is nothing of this name"))
    _refuse("folders of images, not for the TFDS data set", name, channels=channels)
    return tfds_source.from_name(name, size, data_dir, manual_dir, conditions)


def _refuse(others: str, name: str, **given: Any) -> None:
    """Raise ValueError where an argument is given that is only for other sources."""
    for argument, value in given.items():
        if value is not None:
            raise ValueError(f"{argument} is for {others} {name}")
