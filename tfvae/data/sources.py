"""Which source a name stands for: a TFDS data set, an .npz file, a table or a folder of images."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tfvae import tables
from tfvae.data import folder_source, npz_source, table_source, tfds_source
from tfvae.data.arguments import NO_TABLE, TableArguments, label_of
from tfvae.data.folder_files import holds_images
from tfvae.data.protocol import Source
from tfvae.tables.sources import ENDINGS

__all__ = ["find_source", "is_table"]


def find_source(
    name: Any,
    size: list[int] | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    conditions: Sequence[str] = (),
    channels: int | None = None,
    table: TableArguments = NO_TABLE,
    binarize: str | None = None,
) -> Source:
    """Find the source of this name; arguments and errors as for `data.load`; conditions are names, perhaps none.

    A name with a separator is a path, if something is there. Without, it is the name of a data set, even if a folder of
    that name lies in the working directory.
    """
    if is_table(name):
        _refuse("images, not for the table", label_of(name), size=size, channels=channels, binarize=binarize)
        return table_source.from_table(name, conditions, table)
    if not isinstance(name, (str, os.PathLike)) or not str(name).strip():
        raise ValueError(f"name must be that of a data set, an .npz file or a folder, not {name!r:.80}")
    name = os.fspath(name)
    path = pathlib.Path(name).expanduser()
    of_tables: dict[str, Any] = dict.fromkeys(table.given, True)
    if name.lower().endswith(".npz"):
        _refuse("folders and TFDS data sets, not for the arrays of", name, size=size)
        _refuse("folders of images, not for the arrays of", name, channels=channels)
        _refuse("tables, not for the arrays of", name, **of_tables)
        return npz_source.from_file(path, conditions)
    separated = "/" in name or os.sep in name or name in (".", "..")
    if separated and path.is_dir():
        _refuse("tables, not for the folder of images", name, **of_tables)
        return folder_source.from_folder(path, size, conditions, channels)
    if tfds_source.is_known(name):
        _refuse("tables, not for the TFDS data set", name, **of_tables)
    else:
        if not separated and path.is_dir():
            raise ValueError(f"no TFDS data set is called {name}: for the folder of this name write ./{name}")
        if separated or path.exists():
            more = f", nor a table ({', '.join(ENDINGS)})" if path.exists() else ": there is nothing of this name"
            raise ValueError(f"{name} is neither a folder of images nor an .npz file{more}")
    _refuse("folders of images, not for the TFDS data set", name, channels=channels)
    return tfds_source.from_name(name, size, data_dir, manual_dir, conditions)


def is_table(name: Any) -> bool:
    """Say whether a name stands for a table: a file or a pattern with a table's ending, or a table in memory.

    A folder is one where such files lie in it, and no images, at any depth.
    """
    if not isinstance(name, (str, os.PathLike)):
        return tables.is_table_in_memory(name)
    path = os.path.expanduser(os.fspath(name))
    if not isinstance(path, str) or not tables.is_named_table(path):
        return False
    separated = "/" in path or os.sep in path or path in (".", "..")
    return not os.path.isdir(path) or (separated and not holds_images(path))


def _refuse(others: str, name: str, **given: Any) -> None:
    """Raise ValueError where an argument is given that is only for other sources."""
    for argument, value in given.items():
        if value is not None:
            raise ValueError(f"{argument} is for {others} {name}")
