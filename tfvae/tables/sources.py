"""Which files a path stands for: one, those of a folder, or those of a pattern; all of one format."""

import difflib
import glob
import os
import pathlib
from collections.abc import Sequence

from tfvae.tables.errors import TableError

__all__ = ["ENDINGS", "find_files", "is_csv", "is_named_table"]

CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
ENDINGS = (*CSV, ".parquet", ".h5ad")
_PATTERN = "*?["
_OTHERS = {
    ".xlsx": "pandas.read_excel",
    ".xls": "pandas.read_excel",
    ".json": "pandas.read_json",
    ".jsonl": "pandas.read_json(path, lines=True)",
    ".feather": "pandas.read_feather",
    ".sas7bdat": "pandas.read_sas",
    ".dta": "pandas.read_stata",
    ".sav": "pandas.read_spss",
    ".pkl": "pandas.read_pickle",
}


def _ending(path: str) -> str | None:
    """Return the ending of a file's name that says its format, or None."""
    name = path.lower()
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending)), None)


def is_csv(path: str) -> bool:
    """Return whether a file is of text, as its ending says."""
    return _ending(path) in CSV


def is_named_table(path: str) -> bool:
    """Return whether a path stands for a table, as its name says, or what is there.

    It does by its ending (whether or not the file is there); as a file of another format of tables, which `find_files`
    says how to read; as a folder with such files directly in it; and as a pattern that such files have.
    """
    if _ending(path) is not None:
        return True
    if os.path.isdir(path):
        return any(_ending(name) for name in os.listdir(path) if name[0] not in "._")
    if not os.path.exists(path) and any(character in path for character in _PATTERN):
        return any(_ending(name) for name in glob.glob(path))
    return pathlib.Path(path).suffix.lower() in _OTHERS and os.path.isfile(path)


def find_files(source: str | os.PathLike[str]) -> list[str]:
    """Return the files that a path stands for, sorted by name.

    Args:
        source: A file, a folder of such (names that begin with a dot or an underscore are passed over), or a pattern
            such as "parts/*.csv".

    Raises:
        TableError: There are none, they are of several formats, or of none that can be read.
        FileNotFoundError: There is no such file.
    """
    path = os.fspath(source)
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name[0] not in "._")
        found = [os.path.join(path, name) for name in names if _ending(name) in (*CSV, ".parquet")]
        if not found:
            raise TableError(f"{path}: is a folder without .csv, .tsv or .parquet files: give the path of a table")
    elif not os.path.exists(path) and any(character in path for character in _PATTERN):
        found = sorted(name for name in glob.glob(path) if os.path.isfile(name))
        if not found:
            raise FileNotFoundError(f"{path}: no file is named so: check the pattern")
    elif not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file{_like(path)}")
    else:
        found = [path]
    _check_formats(found)
    return found


def _check_formats(paths: Sequence[str]) -> None:
    for path in paths:
        if _ending(path) is None:
            other = _OTHERS.get(pathlib.Path(path).suffix.lower())
            mend = f"read it by {other}, and give the DataFrame" if other else f"name it by one of {', '.join(ENDINGS)}"
            raise TableError(f"{path}: is of a format that is not known: {mend}")
    formats = {"csv" if is_csv(path) else str(_ending(path)): path for path in paths}
    if len(formats) > 1:
        one, other = list(formats.values())[:2]
        raise TableError(f"{other}: is of another format than {one}: give files of one format, as 'folder/*.csv'")
    if ".h5ad" in formats and len(paths) > 1:
        raise TableError(f"{paths[0]}: .h5ad files are read one at a time: give one")


def _like(path: str) -> str:
    """Return which file of the folder is named most alike."""
    folder, name = os.path.split(path)
    try:
        near = difflib.get_close_matches(name, os.listdir(folder or "."), 1)
    except OSError:
        return ""
    return f": did you mean {near[0]!r}?" if near else ""
