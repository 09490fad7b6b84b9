"""Cheap checks of the command's arguments, before TensorFlow is imported: paths, yaml files, installed extras.

A check raises OSError for a path, `ConfigError` for a yaml, `MissingExtra` for an extra that is not installed.
"""

import argparse
import json
import os
import pathlib
import zipfile
from typing import Any

from tfvae import yaml_files
from tfvae.extras import check_extra

__all__ = [
    "check_evaluate",
    "check_export",
    "check_plot",
    "check_rows",
    "check_sample",
    "check_serve",
    "check_train",
    "check_tune",
]


def check_train(options: argparse.Namespace) -> None:
    yaml_files.keys(options.config, options.set)
    cluster = _read_cluster()
    if os.path.lexists(options.run) and not options.resume and not cluster:  # of several workers, the chief checks it
        raise FileExistsError(
            f"the run folder {options.run} exists: choose another, remove it, or go on with it (--resume)"
        )
    _check_can_be_made(options.run)


def _read_cluster() -> dict[str, Any]:
    """Read `TF_CONFIG`; a ValueError names it."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError as error:
        raise ValueError(f"the variable TF_CONFIG is no JSON: {error}") from None
    if not isinstance(cluster, dict) or not isinstance(cluster.get("task", {}), dict):
        raise ValueError('the variable TF_CONFIG must be as {"cluster": {"worker": [...]}, "task": {"index": 0, ...}}')
    return cluster


def check_evaluate(options: argparse.Namespace) -> None:
    _check_run(options.run)
    if not options.quick:
        check_extra("evaluate")


def _check_run(path: str) -> None:
    """Raise unless this is the folder of a finished run."""
    run = pathlib.Path(path)
    for file in ("config.yaml", "model.keras"):
        if not (run / file).is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file}")
    yaml_files.read(run / "config.yaml")
    if not zipfile.is_zipfile(run / "model.keras"):
        raise ValueError(f"{run / 'model.keras'} is damaged: take it from a copy, or train again")


def check_plot(options: argparse.Namespace) -> None:
    _check_run(options.run)
    check_extra("plot")
    path = pathlib.Path(options.run) / "run.json"
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): take it from a copy") from None
    best = record.get("best_epoch") if isinstance(record, dict) else None
    if not isinstance(best, int) or best < 1:
        raise ValueError(f"{path} has no best_epoch: finish the run with tfvae train CONFIG {options.run} --resume")


def check_tune(options: argparse.Namespace) -> None:
    yaml_files.keys(options.config, options.set, base=False)
    check_extra("plot")  # figures at the end of the search
    _check_can_be_made(options.run)


def check_rows(options: argparse.Namespace) -> None:
    check_extra("tables")
    _check_run(options.run)
    if not any(character in options.input for character in "*?[") and not os.path.exists(options.input):
        raise FileNotFoundError(f"there is no table {options.input}")
    _check_output(options.output)


def check_sample(options: argparse.Namespace) -> None:
    check_extra("tables")
    _check_run(options.run)
    for assignment in options.given:
        if "=" not in assignment:
            raise ValueError(f"--given must be column=value, not {assignment!r}")
    _check_output(options.output)


def _check_output(path: str) -> None:
    """Raise unless a table can be written there, where nothing is yet."""
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists: choose another name, or remove it")
    if not path.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")):
        raise ValueError(f"{path}: is of a format that is not known: name it by .csv or .parquet")
    _check_can_be_made(path)


def check_export(options: argparse.Namespace) -> None:
    _check_run(options.run)
    check_extra("export")
    _check_can_be_made(options.models)


def check_serve(options: argparse.Namespace) -> None:
    check_extra("serve")
    if not os.path.isdir(options.models):
        raise FileNotFoundError(
            f"there is no folder {options.models}: make servables with tfvae export RUN {options.models}"
        )
    for path in filter(None, (options.config, options.batching)):
        if not os.path.isfile(path):
            raise FileNotFoundError(f"no such file: {path}")
        try:
            pathlib.Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text: byte {error.start} is not UTF-8") from None


def _check_can_be_made(place: str) -> None:
    """Raise OSError unless a folder of this path is there, or can be made, and can be written to."""
    path = pathlib.Path(place)
    for folder in (path, *path.absolute().parents):
        if os.path.lexists(folder):
            break
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder: choose another path than {path}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} cannot be written to: choose another path than {path}")
