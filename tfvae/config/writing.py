"""An experiment, or other keys and values, as yaml, and what differs from a yaml that was written."""

import os
from typing import Any

from tfvae import yaml_files
from tfvae.config.experiment import Experiment
from tfvae.config.settings import at

__all__ = ["difference", "write"]


def write(experiment: Experiment | dict[str, Any], path: str | os.PathLike) -> None:
    """Write an experiment, every default filled in, or other keys and values, as yaml."""
    yaml_files.write(_as_keys(experiment), path)


def difference(experiment: Experiment | dict[str, Any], path: str | os.PathLike) -> str | None:
    """Return the first key in which an experiment, or keys and values, differ from a yaml that `write` wrote.

    Returns:
        such as "a.b: 1, there 2"; None where all is the same.
    """
    return _first_difference(yaml_files.plain(_as_keys(experiment), str(path)), yaml_files.read(path), "")


def _as_keys(experiment: Experiment | dict[str, Any]) -> dict[str, Any]:
    return experiment.as_keys() if isinstance(experiment, Experiment) else experiment


def _first_difference(one: Any, other: Any, place: str) -> str | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            found = _first_difference(one.get(key), other.get(key), at(place, key))
            if found:
                return found
        return None
    return None if one == other else f"{place}: {one!r}, there {other!r}"
