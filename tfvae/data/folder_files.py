"""The files of a folder of images: which there are, their splits and classes, and their order."""

import collections
import hashlib
import logging
import os
import pathlib
import unicodedata
from collections.abc import Sequence
from typing import NoReturn

from tfvae.data.image_files import SUFFIXES
from tfvae.data.messages import say

__all__ = ["class_of_file", "find_splits", "holds_images", "order_files"]

SPLITS = {"training": "train", "testing": "test"} | {s: s for s in ("train", "test", "validation", "valid", "val")}
Splits = dict[str, tuple[pathlib.Path, list[str]]]  # split -> its folder, paths of its images


def find_splits(path: pathlib.Path) -> Splits:
    """Find the splits of a folder; say which files belong to none.

    Subfolders `train`, `test`, ... are splits; without any, the whole folder is `train`.
    """
    found, other = _walk(path)
    tops = {top: SPLITS[top.lower()] for top in _tops(path, found) if top.lower() in SPLITS}
    twice = [split for split, count in collections.Counter(tops.values()).items() if count > 1]
    if twice:
        names = " and ".join(sorted(top for top, split in tops.items() if split == twice[0]))
        raise ValueError(f"{path} has the folders {names}, which are both the split {twice[0]}: join them")
    if other:
        kinds = ", ".join(sorted({file.suffix.lower() or file.name for file in map(pathlib.Path, other)})[:5])
        say(f"{path}: {len(other)} files are left out, which are no pictures that are read ({kinds})", logging.WARNING)
    if not found:
        raise ValueError(f"{path} has no images ({', '.join(SUFFIXES)})")
    if not tops:
        _check_splits_below(path, found)
        return {"train": (path, found)}
    splits: Splits = {split: (path / top, []) for top, split in sorted(tops.items(), key=lambda item: item[1])}
    left_out: collections.Counter[str] = collections.Counter()
    for file in found:
        top = _relative(path, file)[0]
        if top in tops:
            splits[tops[top]][1].append(file)
        else:
            left_out[top] += 1
    if left_out:
        some = ", ".join(sorted(left_out)[:5])
        say(
            f"{path}: {sum(left_out.values())} pictures are left out, which are in none of its splits "
            f"{', '.join(sorted(tops))} but in {some}",
            logging.WARNING,
        )
    return splits


def holds_images(path: str) -> bool:
    """Say whether there is an image in a folder, at any depth."""
    return any(name.lower().endswith(SUFFIXES) and not _hidden(name) for _, _, files in os.walk(path) for name in files)


def _tops(path: pathlib.Path, files: Sequence[str]) -> set[str]:
    """Give the names of the subfolders that hold files."""
    return {parts[0] for parts in (_relative(path, file) for file in files) if len(parts) > 1}


def _check_splits_below(path: pathlib.Path, files: Sequence[str]) -> None:
    """Raise ValueError when folders below the first level are named for splits: all would be one split, in silence."""
    for file in files:
        parts = _relative(path, file)
        deep = [index for index, name in enumerate(parts[1:-1], 1) if name.lower() in SPLITS]
        if deep:
            inner = "/".join(parts[: deep[0] + 1])
            first = parts[deep[0]] + "/" + "/".join(parts[: deep[0]])
            raise ValueError(
                f"{path}/{inner} is named for a split, but splits come first: name {path}/{parts[0]} as the data, or "
                f"move its files to {path}/{first}"
            )


def _walk(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Find images, and other files, below a folder; links are followed, hidden files are left out."""
    found: list[str] = []
    other: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(path, followlinks=True, onerror=_raise):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(name for name in folders if not _hidden(name))
        files = [] if real in seen else sorted(name for name in files if not _hidden(name))
        seen.add(real)
        for name in files:
            which = found if name.lower().endswith(SUFFIXES) else other
            which.append(os.path.join(folder, name))
    return found, other


def _raise(error: OSError) -> NoReturn:
    raise error


def _hidden(name: str) -> bool:
    """Tell whether a file is hidden, or of the system or an editor: `.ipynb_checkpoints`, `._a.jpg`, `Thumbs.db`."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


def _relative(path: pathlib.Path, file: str) -> tuple[str, ...]:
    return pathlib.PurePath(file).relative_to(path).parts


def class_of_file(root: pathlib.Path, file: str) -> str | None:
    """Give the name of the first subfolder below root that holds the file; None where there is none."""
    parts = _relative(root, file)
    return parts[0] if len(parts) > 1 else None


def order_files(root: pathlib.Path, files: Sequence[str]) -> list[str]:
    """Put files into an order that follows from hashes of their paths below root: as if drawn by lot, on any machine.

    Each class is spread evenly, so any part of the order has its share of each class.
    """
    by_class: dict[str | None, list[tuple[bytes, str]]] = collections.defaultdict(list)
    for file in files:
        by_class[class_of_file(root, file)].append((_hash(root, file), file))
    places: list[tuple[float, bytes, str]] = []
    for members in by_class.values():
        places += [((rank + 0.5) / len(members), *member) for rank, member in enumerate(sorted(members))]
    return [file for *_, file in sorted(places)]


def _hash(root: pathlib.Path, file: str) -> bytes:
    name = unicodedata.normalize("NFC", "/".join(_relative(root, file)))
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
