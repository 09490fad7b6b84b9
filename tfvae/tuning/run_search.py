"""`search`: reads a yaml for `tfvae tune`, runs the trials, and writes what they gave."""

import os
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

import keras_tuner

from tfvae import config, files, progress, training
from tfvae.config import ConfigError
from tfvae.config.settings import read_settings
from tfvae.tuning import oracle as oracles
from tfvae.tuning import report, results
from tfvae.tuning.hypermodel import HyperModel
from tfvae.tuning.settings import SearchSettings
from tfvae.tuning.trials import PROJECT, Trials

__all__ = ["read_search", "search"]

OBJECTIVES = ("val_elbo", "val_log_marginal")


def search(
    path: str | os.PathLike, folder: str | os.PathLike, overrides: Iterable[str] = (), max_trials: int | None = None
) -> list[results.Row] | None:
    """Search as a yaml says, or go on with a search that was stopped; return the rows of the table of trials. One that
    is done goes on too, where `max_trials` of the tuner was raised.

    A trial is a run, with checkpoints, and goes on where it was. One that cannot be trained is marked as failed, with
    the reason. Several processes with `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT` search
    together, as keras-tuner says; the one whose id has "chief" in it keeps the books.

    Args:
        path: of the yaml.
        folder: of the search, made if it is missing.
        overrides: assignments to the yaml, such as "tuner.RandomSearch.max_trials=5".
        max_trials: that this call runs; TensorFlow keeps some 100 MB of each until the process ends.

    Returns:
        a row for each trial; none in a process that is not the chief's; None where there may be more trials.

    Raises:
        ConfigError, FileNotFoundError: before any trial, and where the folder's search is another.
        ArithmeticError: when all trials failed.
    """
    path, folder = pathlib.Path(path), pathlib.Path(folder)
    progress.doing("reading the search")
    settings, model, oracle = read_search(path, overrides)
    role = os.environ.get("KERASTUNER_TUNER_ID", "chief")
    if "chief" not in role:
        return None if Trials(oracle, model, settings, folder, max_trials).run() else []
    folder.mkdir(parents=True, exist_ok=True)
    with training.lock(folder):
        _start(folder, settings, model)
        oracles.write_whole(oracle, folder / PROJECT)
        progress.doing("searching")
        trials = Trials(oracle, model, settings, folder, max_trials)
        oracles.tell_progress(oracle, trials.run_folder)
        return None if trials.run() else _finish(trials, settings, model, folder)


def read_search(
    path: pathlib.Path, overrides: Iterable[str] = ()
) -> tuple[SearchSettings, HyperModel, keras_tuner.Oracle]:
    """Read and check a yaml for `tfvae tune`: give its settings, the hypermodel, and what chooses the trials.

    Raises:
        ConfigError, FileNotFoundError: as `search`.
    """
    keys = config.keys(path, overrides, base=False)
    try:
        settings = read_settings(SearchSettings, keys, "")
        if settings.objective not in OBJECTIVES:
            raise ConfigError(f"objective: {settings.objective!r} is none; there are {' and '.join(OBJECTIVES)}")
        if settings.samples < 1:
            raise ConfigError(f"samples: must be 1 or more, not {settings.samples}")
        base = config.keys(path.parent / settings.base)
        for key, value in settings.set.items():
            config.assign(base, key, value, f"set.{key}")
        model = HyperModel(base, settings.space)
        experiment = model.experiment(keras_tuner.HyperParameters())
        if experiment.data.validation is None:
            raise ConfigError(f"base: {settings.base} has no data.validation, so no {settings.objective}")
        if experiment.strategy == "multi_worker":
            raise ConfigError("base: strategy: multi_worker cannot be searched; a search has workers of its own")
        oracle = oracles.make_oracle(settings.tuner, model.space, settings.objective, experiment.seed)
        return settings, model, oracle
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _start(folder: pathlib.Path, settings: SearchSettings, model: HyperModel) -> None:
    """Write config.yaml; of a search that goes on, check first that only `max_trials` is another.

    Raises:
        ConfigError: when the folder's search is another.
    """
    resolved = settings.model_dump() | {"base": model.base}
    path = folder / "config.yaml"
    if path.is_file():
        difference = config.difference(_with_trials_of(path, resolved), path)
        if difference:
            raise ConfigError(f"{folder} was begun with another config ({difference}): go on with the same, or anew")
    with files.beside(path) as partial:
        config.write(resolved, partial)


def _with_trials_of(path: pathlib.Path, resolved: dict[str, Any]) -> dict[str, Any]:
    """Return the keys and values, with the number of trials that stands in a yaml of the same tuner."""
    ((name, arguments),) = resolved["tuner"].items()
    begun = config.keys(path, base=False)["tuner"].get(name)
    same = {key: value for key, value in (begun or {}).items() if key == "max_trials"}
    same |= {key: value for key, value in (arguments or {}).items() if key != "max_trials"}
    return resolved | {"tuner": {name: same or begun}}


def _finish(trials: Trials, settings: SearchSettings, model: HyperModel, folder: pathlib.Path) -> list[results.Row]:
    """Write what a search gives; return the rows of its table.

    Raises:
        ArithmeticError: when no trial was completed.
    """
    progress.doing("drawing what was found")
    oracle = trials.oracle
    ended = [oracle.trials[key] for key in oracle.start_order]
    rows = [results.row(trial, trials.run_folder(trial.trial_id)) for trial in ended]
    results.write_csv(rows, folder / "trials.csv")
    completed = [trial for trial in ended if trial.status == "COMPLETED"]
    if not completed:
        reason = rows[0]["message"] if rows else "the space is empty"
        raise ArithmeticError(
            f"no trial of {len(rows)} was completed, see {folder / 'trials.csv'}; the first: {reason}"
        )
    best = max(completed, key=lambda trial: trial.score)
    with files.beside(folder / "best.yaml") as partial:
        config.write(trials.experiment(best), partial)
    with files.beside(folder / "best") as partial:
        shutil.copytree(trials.run_folder(best.trial_id), partial)
    report.draw(rows, settings.objective, folder / "figures")
    report.write_hparams(rows, settings.objective, folder / "tensorboard")
    return rows
