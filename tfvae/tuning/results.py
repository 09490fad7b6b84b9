"""What came of trials: rows of a table, in words and as trials.csv."""

import csv
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import keras_tuner

from tfvae import files
from tfvae.training import RunFolder

__all__ = ["REASON", "Row", "count_trials", "describe", "line", "parameters", "row", "short", "write_csv"]

ABOUT = ("trial", "status", "score", "epochs", "best_epoch", "seconds", "message")  # columns that are no parameters
REASON = "failed.txt"  # beside a run folder: why the trial failed

Row = dict[str, Any]  # of ABOUT and of hyperparameters


def row(trial: keras_tuner.engine.trial.Trial, folder: pathlib.Path) -> Row:
    """Return what became of a trial of keras-tuner, in its run folder, and its hyperparameters."""
    run, reason = RunFolder(folder), folder.with_name(REASON)
    record = json.loads(run.record.read_text()) if run.record.is_file() else {}
    failed = trial.status != "COMPLETED" and reason.is_file()
    values = {key: value for key, value in trial.hyperparameters.values.items() if not key.startswith("tuner/")}
    return {
        "trial": trial.trial_id,
        "status": trial.status.lower(),
        "score": trial.score if trial.status == "COMPLETED" else None,
        "epochs": run.count_epochs() if run.history.is_file() else None,
        "best_epoch": record.get("best_epoch"),
        "seconds": record.get("seconds"),
        "message": reason.read_text() if failed else None,
    } | values


def parameters(rows: Iterable[Row]) -> list[str]:
    """Return the names of all hyperparameters of the rows, in order."""
    return list(dict.fromkeys(key for row in rows for key in row if key not in ABOUT))


def describe(row: Row) -> str:
    """Say the hyperparameters of a row in words; of a key its last part, unless two end in the same."""
    names = parameters([row])
    last = [name.split(".")[-1] for name in names]
    plain = {n for n, end in zip(names, last, strict=True) if last.count(end) == 1 and end not in ("value", "times")}
    return ", ".join(f"{n.split('.')[-1] if n in plain else n}={short(row[n])}" for n in names)


def line(row: Row, done: int, total: int | None) -> str:
    """Say in a line what came of a trial, when so many have ended of all."""
    said = f"{row['score']:.2f} nats" if row["score"] is not None else f"failed: {row['message']}"
    return f"trial {row['trial']}, {done}{f' of {total}' if total else ''} done: {said}; {describe(row)}"


def count_trials(oracle: keras_tuner.Oracle) -> str:
    """Say how many trials have ended, and which run now, in all processes."""
    running = sorted(trial.trial_id for trial in list(oracle.ongoing_trials.values()))
    of = f" of {oracle.max_trials}" if oracle.max_trials else ""
    return f"{len(oracle.end_order)}{of} trials done" + (f", running: {', '.join(running)}" if running else "")


def short(value: Any) -> str:
    """Return a value as tables show it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_csv(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Write trials.csv: a line for each trial, a column for each parameter, empty where a trial does not have it."""
    with files.beside(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, [*ABOUT, *parameters(rows)], restval="")
        writer.writeheader()
        writer.writerows(rows)
