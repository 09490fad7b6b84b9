"""What chooses the trials: an oracle of keras-tuner, made of the key `tuner`, and what it is made to write and say.

All that the search takes of keras-tuner's inside is in this file.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import keras_tuner

from tfvae import files, progress
from tfvae.config import ConfigError
from tfvae.config.constructors import call, keywords
from tfvae.config.settings import check_keys
from tfvae.tuning import results
from tfvae.tuning.space import Space

__all__ = ["make_oracle", "tell_progress", "write_whole"]

TUNERS = {
    "RandomSearch": keras_tuner.oracles.RandomSearchOracle,
    "Hyperband": keras_tuner.oracles.HyperbandOracle,
    "BayesianOptimization": keras_tuner.oracles.BayesianOptimizationOracle,
    "GridSearch": keras_tuner.oracles.GridSearchOracle,
}
SET_HERE = ("objective", "hyperparameters", "tune_new_entries", "allow_new_entries")  # of an oracle's arguments


def make_oracle(tuner: Any, space: Space, objective: str, seed: int) -> keras_tuner.Oracle:
    """Make what chooses the trials.

    Args:
        tuner: {Name: arguments}, as in the yaml.
        space: the search space.
        objective: name of the value that is made as high as can be.
        seed: of the experiment.

    Raises:
        ConfigError: when there is no such tuner, or it does not take these arguments.
    """
    if not isinstance(tuner, dict) or len(tuner) != 1:
        raise ConfigError(f"tuner: must be one {{Name: arguments}}, of {', '.join(TUNERS)}, not {tuner!r}")
    ((name, arguments),) = tuner.items()
    if name not in TUNERS:
        raise ConfigError(f"tuner.{name}: no such tuner; there are {', '.join(TUNERS)}")
    arguments, place = arguments or {}, f"tuner.{name}"
    check_keys(arguments, [key for key in keywords(TUNERS[name]) if key not in SET_HERE], place)
    for key in ("max_trials", "max_epochs"):
        if key in arguments and (not isinstance(arguments[key], int) or arguments[key] < 1):
            raise ConfigError(f"{place}.{key}: must be a whole number, 1 or more, not {arguments[key]!r}")
    hp = keras_tuner.HyperParameters()
    space.draw(hp)
    given = {
        "objective": keras_tuner.Objective(objective, "max"),
        "hyperparameters": hp,
        "allow_new_entries": False,
        "tune_new_entries": True,
        "seed": seed + 1,  # 0 would be none
        "max_consecutive_failed_trials": 2**31,  # a search goes on, whatever fails
    }
    oracle = call(TUNERS[name], place, (), given | arguments)
    oracle.verbose = 0  # `tell_progress` says it in a line
    return oracle


def write_whole(oracle: keras_tuner.Oracle, folder: pathlib.Path) -> None:
    """Make an oracle write its state beside and rename it, so that a kill leaves what was there before.

    Args:
        oracle: the search's.
        folder: where keras-tuner keeps the search: oracle.json, and a folder for each trial.
    """

    def save() -> None:
        files.write_json(folder / "oracle.json", oracle.get_state())

    def save_trial(trial: keras_tuner.engine.trial.Trial) -> None:
        path = folder / f"trial_{trial.trial_id}"
        path.mkdir(parents=True, exist_ok=True)
        files.write_json(path / "trial.json", trial.get_state())

    oracle.save, oracle._save_trial = save, save_trial


def tell_progress(oracle: keras_tuner.Oracle, run_folder: Callable[[str], pathlib.Path]) -> None:
    """Make an oracle tell by `progress` which trials run, also those of other processes, and what came of each.

    Args:
        oracle: the search's.
        run_folder: the id of a trial -> its run folder.
    """
    create, end, listener = oracle.create_trial, oracle.end_trial, progress.listener()  # of a chief in its threads

    def create_trial(tuner_id: str) -> keras_tuner.engine.trial.Trial:
        trial = create(tuner_id)
        listener.at(results.count_trials(oracle))
        return trial

    def end_trial(trial: keras_tuner.engine.trial.Trial) -> None:
        end(trial)
        row = results.row(oracle.trials[trial.trial_id], run_folder(trial.trial_id))
        listener.line(results.line(row, len(oracle.end_order), oracle.max_trials))
        listener.at(results.count_trials(oracle))

    oracle.create_trial, oracle.end_trial = create_trial, end_trial
