"""Stored models: `.keras` files, read in Keras' safe mode, with one line for what is wrong with one."""

import json
import os
import pathlib
import zipfile
from typing import Any

import keras

from tfvae.model import VAE

__all__ = ["load_model"]

MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
KERAS = ("builtins", "keras")


def load_model(path: str | os.PathLike) -> VAE:
    """Load the VAE of a file that is whole, and whose classes are known.

    Raises:
        FileNotFoundError: when there is none; ValueError: when it is damaged, has unknown classes, or no VAE.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    unknown = sorted(_unknown_classes(_read_config(path)))
    if unknown:
        raise ValueError(
            f"{path} has {', '.join(unknown)}, which Keras does not know: import the module that registers it first "
            "(a dotted path in the yaml does)"
        )
    try:
        found = keras.saving.load_model(path)
    except Exception as error:  # whole, and still no model: what it holds was never written by this package
        raise ValueError(f"{path} cannot be loaded: {str(error).partition('Full object config')[0]}") from error
    if not isinstance(found, VAE):
        raise ValueError(f"{path} holds a {type(found).__name__}, not a VAE")
    return found


def _read_config(path: pathlib.Path) -> Any:
    """Return what the file's config.json holds; ValueError when the file is damaged."""
    how = "it is damaged: take it from a copy, or train again"
    try:
        with zipfile.ZipFile(path) as file:
            changed = file.testzip()
            missing = [name for name in MEMBERS if name not in file.namelist()]
            config = None if changed or missing else json.loads(file.read("config.json"))
    except Exception as error:  # of damaged bytes zipfile lets out whatever they lead to
        raise ValueError(f"{path} is no Keras model ({error}), {how}") from None
    if changed:
        raise ValueError(f"{path}: {changed} in it was changed, {how}")
    if missing:
        raise ValueError(f"{path}: it has no {missing[0]}, {how}")
    return config


def _unknown_classes(config: Any) -> set[str]:
    """Return the classes in a config, but Keras' own, that are not registered with Keras."""
    found: set[str] = set()
    left = [config]
    while left:
        part = left.pop()
        if isinstance(part, (dict, list)):
            left.extend(part.values() if isinstance(part, dict) else part)
        if not isinstance(part, dict):
            continue
        name, module = part.get("registered_name"), part.get("module")
        if isinstance(name, str) and isinstance(module, str) and module.partition(".")[0] not in KERAS:
            if keras.saving.get_registered_object(name) is None:
                found.add(f"{part.get('class_name')} of {module}")
    return found
