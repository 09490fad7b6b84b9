"""Hyperparameter search with keras-tuner (O'Malley et al. 2019): an experiment's yaml, and a space over its keys.

A search folder: config.yaml (resolved), search/ (keras-tuner's state, and a run folder for each trial), trials.csv,
best.yaml, best/ (the best trial's run folder), figures/, tensorboard/ (HParams).
"""

import contextlib
import copy
import gc
import os
import pathlib
import shutil
import typing

import keras
import keras_tuner

from tfvae import compatibility, config, evaluation, files, progress, training
from tfvae.config import ConfigError, schema
from tfvae.tuning import report
from tfvae.tuning.space import Space

__all__ = ["HyperModel", "Space", "search"]

OBJECTIVES = ("val_elbo", "val_log_marginal")
TUNERS = {
    "RandomSearch": keras_tuner.oracles.RandomSearchOracle,
    "Hyperband": keras_tuner.oracles.HyperbandOracle,
    "BayesianOptimization": keras_tuner.oracles.BayesianOptimizationOracle,
    "GridSearch": keras_tuner.oracles.GridSearchOracle,
}
SET_HERE = ("objective", "hyperparameters", "tune_new_entries", "allow_new_entries")  # of an oracle's arguments


class Settings(typing.NamedTuple):
    """The keys of a yaml for `tfvae tune`."""

    base: str
    space: dict
    tuner: dict = {"RandomSearch": {"max_trials": 20}}
    objective: str = "val_elbo"
    samples: int = 100
    set: dict = {}


class HyperModel(keras_tuner.HyperModel):
    """The compiled VAE of an experiment with the values that a tuner of keras-tuner chooses.

    `fit` trains it on the experiment's data, unless it is given other, so that `tuner.search()` needs no argument.
    Data is loaded once. The objective to give a tuner is `keras_tuner.Objective("val_elbo", "max")`.

    Args:
        base: path of an experiment's yaml, or its keys and values, a dict.
        space: `Space`, or its dict.
        overrides: assignments to the base, such as "fit.epochs=5".

    Raises:
        ConfigError: when an experiment that may come of it is none; it names the place.
    """

    def __init__(self, base, space, overrides=()):
        super().__init__()
        self.base = copy.deepcopy(base) if isinstance(base, dict) else config.keys(base, overrides)
        self.space = space if isinstance(space, Space) else Space(space)
        self.kept = {}  # data in memory, of all trials
        for values in self.space.alternatives():
            hp = keras_tuner.HyperParameters()
            hp.values = values
            self.experiment(hp)

    def experiment(self, hp):
        """The `config.Experiment` with the values of `hp`, a `keras_tuner.HyperParameters`."""
        keys = copy.deepcopy(self.base)
        for key, value in self.space.draw(hp).items():
            config.assign(keys, key, copy.deepcopy(value), f"space.{key}")
        return config.experiment(keys)

    def build(self, hp):
        experiment = self.experiment(hp)
        train, _ = config.training_data(experiment, kept=self.kept)
        vae = config.compiled_vae(experiment, train.element_spec)
        compatibility.check_data(vae, train)
        if experiment.adapt:
            vae.adapt(train)
        return vae

    def fit(self, hp, model, *args, **kwargs):
        experiment = self.experiment(hp)
        if not args and "x" not in kwargs:
            train, validation = config.training_data(experiment, kept=self.kept)
            args, kwargs = (train,), {"validation_data": validation} | kwargs
        return model.fit(*args, **(config.fit_arguments(experiment) | kwargs))


def search(path, folder, overrides=(), most_trials=None):
    """Searches as a yaml says, or goes on with a search that was stopped; returns the rows of the table of trials. One
    that is done goes on too, where `max_trials` was raised.

    A trial is a run, with checkpoints, and goes on where it was. One that cannot be trained is marked as failed, with
    the reason. Several processes with `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT` search
    together, as keras-tuner says; the one whose id has "chief" in it keeps the books.

    Args:
        path: of the yaml.
        folder: of the search, made if it is missing.
        overrides: assignments to the yaml, such as "tuner.RandomSearch.max_trials=5".
        most_trials: that this call runs; TensorFlow keeps some 100 MB of each until the process ends.

    Returns:
        list of dicts, a trial each; empty in a process that is not the chief's; None where there may be more trials.

    Raises:
        ConfigError, FileNotFoundError: before any trial, and where the folder's search is another.
        ArithmeticError: when all trials failed.
    """
    path, folder = pathlib.Path(path), pathlib.Path(folder)
    progress.doing("reading the search")
    settings, model, oracle = _read(path, overrides)
    role = os.environ.get("KERASTUNER_TUNER_ID", "chief")
    if "chief" not in role:
        return None if _Search(oracle, model, settings, folder, most_trials).stopped() else []
    folder.mkdir(parents=True, exist_ok=True)
    with training.alone(folder):
        _start(folder, settings, model)
        _durable(oracle)
        progress.doing("searching")
        _telling(oracle)
        found = _Search(oracle, model, settings, folder, most_trials)
        return None if found.stopped() else _finish(found, settings, model, folder)


def _read(path, overrides):
    """The yaml, checked: settings, hypermodel, and what chooses the trials."""
    keys = config.keys(path, overrides, base=False)
    try:
        settings = schema.arguments(Settings, keys, "")
        if settings.objective not in OBJECTIVES:
            raise ConfigError(f"objective: {settings.objective!r} is none; there are {' and '.join(OBJECTIVES)}")
        if settings.samples < 1:
            raise ConfigError(f"samples: must be 1 or more, not {settings.samples}")
        base = config.keys(path.parent / settings.base)
        for key, value in settings.set.items():
            config.assign(base, key, value, f"set.{key}")
        model = HyperModel(base, settings.space)
        experiment = model.experiment(keras_tuner.HyperParameters())
        if schema.arguments(config.Data, experiment.data, "data").validation is None:
            raise ConfigError(f"base: {settings.base} has no data.validation, so no {settings.objective}")
        if experiment.strategy == "multi_worker":
            raise ConfigError("base: strategy: multi_worker cannot be searched; a search has workers of its own")
        return settings, model, _oracle(settings, model, experiment.seed)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _oracle(settings, model, seed):
    """What chooses the trials, made of `tuner`."""
    if not isinstance(settings.tuner, dict) or len(settings.tuner) != 1:
        raise ConfigError(f"tuner: must be one {{Name: arguments}}, of {', '.join(TUNERS)}, not {settings.tuner!r}")
    ((name, arguments),) = settings.tuner.items()
    if name not in TUNERS:
        raise ConfigError(f"tuner.{name}: no such tuner; there are {', '.join(TUNERS)}")
    arguments, place = arguments or {}, f"tuner.{name}"
    schema.check_keys(arguments, [key for key in schema.keywords(TUNERS[name]) if key not in SET_HERE], place)
    for key in ("max_trials", "max_epochs"):
        if key in arguments and (not isinstance(arguments[key], int) or arguments[key] < 1):
            raise ConfigError(f"{place}.{key}: must be a whole number, 1 or more, not {arguments[key]!r}")
    hp = keras_tuner.HyperParameters()
    model.space.draw(hp)
    given = {
        "objective": keras_tuner.Objective(settings.objective, "max"),
        "hyperparameters": hp,
        "allow_new_entries": False,
        "tune_new_entries": True,
        "seed": seed + 1,  # 0 would be none
        "max_consecutive_failed_trials": 2**31,  # a search goes on, whatever fails
    }
    oracle = schema.call(TUNERS[name], place, (), given | arguments)
    oracle.verbose = 0  # we say it in a line
    return oracle


def _durable(oracle):
    """Makes keras-tuner write its state beside and rename it, so that a kill leaves what was there before."""
    oracle.save = lambda: files.write_json(pathlib.Path(oracle._get_oracle_fname()), oracle.get_state())
    oracle._save_trial = lambda trial: files.write_json(
        pathlib.Path(oracle._get_trial_dir(trial.trial_id), "trial.json"), trial.get_state()
    )


def _telling(oracle):
    """Makes keras-tuner say by `progress` which trials run, also those of other processes, and what came of each."""
    created, ended, listener = oracle.create_trial, oracle.end_trial, progress.listener()  # of a chief in its threads

    def create_trial(tuner_id):
        trial = created(tuner_id)
        listener.at(report.so_far(oracle))
        return trial

    def end_trial(trial):
        ended(trial)
        row = report.row(oracle.trials[trial.trial_id], pathlib.Path(oracle._get_trial_dir(trial.trial_id), "run"))
        listener.line(report.line(row, len(oracle.end_order), oracle.max_trials))
        listener.at(report.so_far(oracle))

    oracle.create_trial, oracle.end_trial = create_trial, end_trial


def _start(folder, settings, model):
    """Writes config.yaml, or holds that of a search that goes on against this one: only `max_trials` may be another."""
    resolved = settings._asdict() | {"base": model.base}
    path = folder / "config.yaml"
    if path.is_file():
        difference = config.difference(_with_trials_of(path, resolved), path)
        if difference:
            raise ConfigError(f"{folder} was begun with another config ({difference}): go on with the same, or anew")
    with files.beside(path) as partial:
        config.write(resolved, partial)


def _with_trials_of(path, resolved):
    """The keys and values, with the number of trials that stands in a yaml of the same tuner."""
    ((name, arguments),) = resolved["tuner"].items()
    begun = config.keys(path, base=False)["tuner"].get(name)
    same = {key: value for key, value in (begun or {}).items() if key == "max_trials"}
    same |= {key: value for key, value in (arguments or {}).items() if key != "max_trials"}
    return resolved | {"tuner": {name: same or begun}}


class _Enough(Exception):
    """The trials of this process are done."""


class _Search(keras_tuner.Tuner):
    """Runs each trial as `tfvae train` would, in a run folder of its own."""

    def __init__(self, oracle, model, settings, folder, most_trials):
        self.model, self.settings, self.left = model, settings, most_trials
        self.strategy = config.strategy(model.experiment(keras_tuner.HyperParameters()).strategy)
        with contextlib.redirect_stdout(None):  # "Reloading Tuner from", at each renewal of the process
            super().__init__(oracle, None, directory=str(folder), project_name="search", overwrite=False)

    def stopped(self):
        """Searches; whether it was stopped after so many trials, and there may be more."""
        try:
            self.search()
        except _Enough:
            return True
        return False

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise _Enough

    def run_folder(self, trial_id):
        """Of a trial."""
        return pathlib.Path(self.get_trial_dir(trial_id), "run")

    def experiment(self, trial):
        """A trial's; Hyperband says how long it is trained."""
        found = self.model.experiment(trial.hyperparameters.copy())
        epochs = trial.hyperparameters.values.get("tuner/epochs")
        return found._replace(fit={**found.fit, "epochs": epochs}) if epochs else found

    def run_trial(self, trial):
        experiment, run = self.experiment(trial), self.run_folder(trial.trial_id)
        try:
            if trial.hyperparameters.values.get("tuner/initial_epoch") and not run.exists():
                self._go_on_from(self.run_folder(trial.hyperparameters.values["tuner/trial_id"]), run, experiment)
            with progress.within(f"trial {trial.trial_id}"):
                training.train_experiment(experiment, run, True, self.strategy, self.model.kept, verbose=0)
                return {self.settings.objective: self._score(experiment, run)}
        except OSError as error:  # no fault of the trial's
            raise keras_tuner.errors.FatalError(str(error)) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            files.write_text(run.with_name(report.REASON), reason)  # what keras-tuner is told does not reach the chief
            raise keras_tuner.errors.FailedTrialError(reason) from error
        finally:
            keras.backend.clear_session()
            gc.collect()

    def _go_on_from(self, earlier, run, experiment):
        """A copy of an earlier run, to be trained longer."""
        with files.beside(run) as partial:
            shutil.copytree(earlier, partial)
            config.write(experiment, partial / "config.yaml")

    def _score(self, experiment, run):
        """The objective of the best epoch, nats."""
        if self.settings.objective == "val_elbo":
            return training.best_epoch(run)["val_elbo"]
        vae, _ = training.load(run)
        with self.strategy.scope():
            validation = config.evaluation_data(experiment, "validation", self.model.kept)
            return evaluation.log_marginal(vae, validation, self.settings.samples).mean


def _finish(found, settings, model, folder):
    """Writes what a search gives; returns the rows of its table.

    Raises:
        ArithmeticError: when no trial was completed.
    """
    progress.doing("drawing what was found")
    oracle = found.oracle
    trials = [oracle.trials[key] for key in oracle.start_order]
    rows = [report.row(trial, found.run_folder(trial.trial_id)) for trial in trials]
    report.write_csv(rows, folder / "trials.csv")
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    if not completed:
        reason = rows[0]["message"] if rows else "the space is empty"
        raise ArithmeticError(
            f"no trial of {len(rows)} was completed, see {folder / 'trials.csv'}; the first: {reason}"
        )
    best = max(completed, key=lambda trial: trial.score)
    with files.beside(folder / "best.yaml") as partial:
        config.write(found.experiment(best), partial)
    with files.beside(folder / "best") as partial:
        shutil.copytree(found.run_folder(best.trial_id), partial)
    report.draw(rows, settings.objective, folder / "figures")
    report.write_hparams(rows, settings.objective, folder / "tensorboard")
    return rows
