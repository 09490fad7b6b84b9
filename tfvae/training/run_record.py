"""A run's record, run.json: with which versions and data it began, when it ended, and which epoch was the best."""

import csv
import datetime
import importlib.metadata
import json
import os
import platform
import zlib
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import config, files, model
from tfvae.callbacks import Checkpoints
from tfvae.training.run_folder import RunFolder

__all__ = ["best_epoch", "check_begun", "check_format", "finish", "read", "start"]

FORMAT = 1  # of run folders: what run.json, history.csv and checkpoints hold
PACKAGES = ("tfvae", "tensorflow", "keras", "tensorflow-probability", "tensorflow-datasets", "numpy")


def read(run: RunFolder) -> dict[str, Any]:
    """Return what is in a run's record; ValueError when it is damaged."""
    try:
        record = json.loads(run.record.read_text())
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise _damaged(run)
    return record


def _damaged(run: RunFolder) -> ValueError:
    return ValueError(f"{run.record} is damaged: put back a copy, or train in another run folder")


def check_format(run: RunFolder) -> None:
    """Check that a run folder, if it has a record, is of this version's format; ValueError when it is not."""
    if run.record.is_file():
        found = read(run).get("format", 0)
        if found != FORMAT:
            raise ValueError(
                f"{run.record} is of format {found}, and this tfvae has {FORMAT}: go on with the version that it "
                "names, or train in another run folder"
            )


def check_begun(run: RunFolder) -> None:
    """Check that a record, if there is one, has what a run that goes on needs of it; ValueError when it has not."""
    if run.record.is_file():
        record = read(run)
        try:
            begun = datetime.datetime.fromisoformat(record["started"])
        except (KeyError, TypeError, ValueError):
            begun = None
        if begun is None or begun.tzinfo is None or not isinstance(record.get("first_batch_crc32"), int):
            raise _damaged(run)


def start(run: RunFolder, experiment: config.Experiment, vae: model.VAE, first: Any, goes_on: bool) -> dict[str, Any]:
    """Write a run's config.yaml and record; of a run that goes on, read the record.

    Args:
        run: the folder.
        experiment: of the run.
        vae: of the experiment.
        first: the first batch of the training data.
        goes_on: whether the run goes on from a checkpoint.

    Returns:
        what is in the record.

    Raises:
        ValueError: when a run that goes on has other data than it began with.
    """
    fingerprint = zlib.crc32(b"".join(np.asarray(part).tobytes() for part in tf.nest.flatten(first)))
    if goes_on and run.record.is_file():
        record = read(run)
        if record["first_batch_crc32"] != fingerprint:
            raise ValueError(f"{run} was begun with other data: go on with the same, or begin anew")
        _write_config(experiment, run)  # whose epochs may be others now
        return record
    _write_config(experiment, run)
    condition = experiment.data.condition
    record = {
        "format": FORMAT,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "seed": experiment.seed,
        "parameters": vae.count_params(),
        "first_batch_crc32": fingerprint,
        # in the order of a conditional VAE's one-hot vectors
        "classes": config.class_names(experiment, condition) if isinstance(condition, str) else None,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    files.write_json(run.record, record)
    return record


def _write_config(experiment: config.Experiment, run: RunFolder) -> None:
    with files.beside(run.config) as partial:
        config.write(experiment, partial)


def finish(run: RunFolder, record: dict[str, Any], checkpoints: Checkpoints) -> None:
    """Write the record of a run that has ended, with its best epoch."""
    now = datetime.datetime.now(datetime.UTC)
    ended = {
        "finished": now.isoformat(timespec="seconds"),
        "seconds": round((now - datetime.datetime.fromisoformat(record["started"])).total_seconds()),
        "best_epoch": checkpoints.best_epoch,
        f"best_{checkpoints.monitor}": checkpoints.best,
    }
    files.write_json(run.record, record | ended)


def best_epoch(run: str | os.PathLike) -> dict[str, float]:
    """Return what was logged in the epoch that a run's model is of."""
    folder = RunFolder(run)
    best = read(folder)["best_epoch"]
    with open(folder.history, newline="") as file:
        return {key: float(value) for key, value in list(csv.DictReader(file))[best - 1].items()}
