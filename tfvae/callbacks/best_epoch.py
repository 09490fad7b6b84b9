"""The file of the best epoch's model, `best.keras`: written whole, and read through before it is used."""

import os
import zipfile
import zlib

import keras

from tfvae import files

__all__ = ["FILE", "check_model_file", "save_model"]

FILE = "best.keras"
MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}  # of a .keras file


def save_model(model: keras.Model, path: str | os.PathLike) -> None:
    """Save a model beside, and rename it."""
    with files.beside(path) as partial:
        model.save(partial)


def check_model_file(path: str | os.PathLike) -> None:
    """Read a model's file through.

    Raises:
        ValueError: when it is damaged or no such file; it names it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() or next(iter(MEMBERS - set(archive.namelist())), None)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if damaged:
        raise ValueError(f"{path} is damaged (in {damaged})")
