"""`Saved`: the checkpoint from which a run goes on, found and read through."""

import json
import os
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["Saved", "latest_checkpoint", "step_of"]


class Saved(NamedTuple):
    """A checkpoint that is whole.

    Attributes:
        path: of its files, without what they end in.
        state: epochs done; steps done of the one after; `best` and `best_epoch`; whether training had `stopped`; the
            metrics so far; what other callbacks know, as `callback_state` packs it.
        arrays: of those callbacks.
        damaged: what is wrong with later ones, which cannot be read.
    """

    path: str
    state: dict[str, Any]
    arrays: list[bytes]
    damaged: list[str]


def latest_checkpoint(folder: str | os.PathLike) -> Saved | None:
    """Return the latest checkpoint of a folder whose every value can be read, and is finite.

    Returns:
        None where none was ever finished.

    Raises:
        ValueError: where there were some, and none can be read; it names the files.
    """
    folder = pathlib.Path(folder)
    names = [re.fullmatch(r"step-(\d+)\.(index|data-.*)", path.name) for path in folder.glob("step-*")]
    damaged: list[str] = []
    for number in sorted({int(name[1]) for name in names if name}, reverse=True):
        path = folder / f"step-{number}"
        try:
            return Saved(str(path), *_read(path), damaged)
        except ValueError as error:
            damaged.append(str(error))
    if any(name and name[2] == "index" for name in names) or (folder / "checkpoint").exists():
        reasons = "; ".join(damaged) or "they are missing"
        raise ValueError(
            f"no checkpoint in {folder} can be read: {reasons}. Put back a copy of them, or train in another run folder"
        )
    return None


def step_of(path: pathlib.Path) -> int:
    """Return the N of a checkpoint's path, step-N."""
    return int(path.stem.split("-")[1])


def _read(path: pathlib.Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return the state and the arrays of a checkpoint, after every value of it was read.

    Raises:
        ValueError: names what is damaged, or missing.
    """
    index, data = path.with_suffix(".index"), sorted(path.parent.glob(f"{path.name}.data-*"))
    for wanted, there in ((str(index), index.is_file()), (f"{path}.data-00000-of-00001", bool(data))):
        if not there:
            raise ValueError(f"{wanted} is missing")
    file = index
    try:
        reader = tf.train.load_checkpoint(str(path))
        types = reader.get_variable_to_dtype_map()
        file = data[0]
        for name, dtype in types.items():
            value = reader.get_tensor(name)
            if dtype.is_floating and not np.isfinite(value).all():
                raise ValueError(f"{path} holds numbers that are not finite")
        known, arrays = (reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE") for name in ("state", "arrays"))
        return json.loads(known), list(arrays)
    except (tf.errors.OpError, LookupError, RuntimeError, UnicodeDecodeError):  # the damage may be anywhere
        raise ValueError(f"{file} is damaged") from None
