"""A yaml -> `Experiment`: read, checked and typed in one pass."""

import contextlib
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from tfvae.config import objects
from tfvae.config.experiment import IN_RUN, Experiment
from tfvae.config.settings import read_settings
from tfvae.yaml_files import ConfigError, keys

__all__ = ["from_keys", "of_run", "read"]


def read(path: str | os.PathLike, overrides: Iterable[str] = ()) -> Experiment:
    """Read an experiment from a yaml file, with assignments such as "objective.ELBO.beta=4".

    A yaml with the key `base`, the path of another, takes over the keys of that one which it does not set itself.

    Raises:
        ConfigError: for an unknown key or name, a wrong type, or yaml that cannot be read; FileNotFoundError.
    """
    with _naming(path):
        return from_keys(keys(path, overrides))


def from_keys(raw: dict[str, Any], path: str | os.PathLike | None = None) -> Experiment:
    """Return the experiment of keys and values.

    Args:
        raw: as `keys` reads them.
        path: of the yaml that they are of, for messages.

    Raises:
        ConfigError: for an unknown key or name, or a wrong type.
    """
    with _naming(path):
        experiment = read_settings(Experiment, raw, "")
        objects.optimizer(experiment)  # Keras checks some arguments of these only when it is given them
        objects.callbacks(experiment)
        return experiment


def of_run(run: str | os.PathLike) -> Experiment:
    """Read the experiment of a run folder, as far as its model and its data need it.

    The modules of one's own classes that the model has are imported, when these are of the right kind. Nothing is made,
    arguments of parts are not looked at, and neither are callbacks: the experiment has none.

    Raises:
        ConfigError: for an unknown key, a wrong type, or a part of another kind; FileNotFoundError.
    """
    path = pathlib.Path(run) / "config.yaml"
    with _naming(path):
        return read_settings(Experiment, keys(path), "", {IN_RUN: True})


@contextlib.contextmanager
def _naming(path: str | os.PathLike | None) -> Iterator[None]:
    """Begin the message of a ConfigError with the path of the file."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}" if path is not None else str(error)) from None
