"""Which source a name stands for: a TFDS data set, an .npz file or a folder of pictures."""

import os
import pathlib

from tfvae.data import builders, folder, npz
from tfvae.data.protocol import Source

__all__ = ["find"]


def find(name, size=None, data_dir=None, manual_dir=None, conditions=(), channels=None) -> Source:
    """The source of this name; arguments and errors as for `data.load`; conditions are names, perhaps none.

    A name with a separator is a path where there is one; without, it is that of a data set, whatever lies beside.
    """
    if not isinstance(name, (str, os.PathLike)) or not str(name).strip():
        raise ValueError(f"name must be that of a data set, an .npz file or a folder, not {name!r}")
    name = os.fspath(name)
    path = pathlib.Path(name).expanduser()
    if name.lower().endswith(".npz"):
        _only_for("folders and TFDS data sets, not for the arrays of", name, size=size)
        _only_for("folders of images, not for the arrays of", name, channels=channels)
        return npz.of_file(path, conditions)
    separated = "/" in name or os.sep in name or name in (".", "..")
    if separated and path.is_dir():
        return folder.of_path(path, size, conditions, channels)
    if not builders.known(name):
        if not separated and path.is_dir():
            raise ValueError(f"no TFDS data set is called {name}: for the folder of this name write ./{name}")
        if separated or path.exists():
            what = "is neither a folder of images nor an .npz file"
            raise ValueError(f"{name} {what}" + ("" if path.exists() else ": there is nothing of this name"))
    _only_for("folders of images, not for the TFDS data set", name, channels=channels)
    return builders.of_name(name, size, data_dir, manual_dir, conditions)


def _only_for(whom, name, **given):
    for argument, value in given.items():
        if value is not None:
            raise ValueError(f"{argument} is for {whom} {name}")
