"""Runs the trials of a search: each is a run of its own."""

import contextlib
import gc
import pathlib
import shutil

import keras
import keras_tuner

from tfvae import config, evaluation, files, progress, training
from tfvae.tuning.hypermodel import HyperModel
from tfvae.tuning.results import REASON
from tfvae.tuning.settings import SearchSettings

__all__ = ["PROJECT", "Trials"]

PROJECT = "search"  # keras-tuner's folder in that of the search


class _Enough(Exception):
    """The trials of this process are done."""


class Trials(keras_tuner.Tuner):
    """Runs each trial as `tfvae train` would, in a run folder of its own.

    Args:
        oracle: chooses the trials.
        model: makes an experiment of a trial.
        settings: of the search.
        folder: of the search.
        max_trials: how many to run at most; None for no limit.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        model: HyperModel,
        settings: SearchSettings,
        folder: pathlib.Path,
        max_trials: int | None = None,
    ):
        self.model, self.settings, self.left = model, settings, max_trials
        self.strategy = config.make_strategy(model.experiment(keras_tuner.HyperParameters()).strategy)
        with contextlib.redirect_stdout(None):  # "Reloading Tuner from", at each renewal of the process
            super().__init__(oracle, None, directory=str(folder), project_name=PROJECT, overwrite=False)

    def run(self) -> bool:
        """Run trials, all or at most so many; return whether there may be more."""
        try:
            self.search()
        except _Enough:
            return True
        return False

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        super().on_trial_end(trial)
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise _Enough

    def run_folder(self, trial_id: str) -> pathlib.Path:
        """Return the run folder of a trial."""
        return pathlib.Path(self.get_trial_dir(trial_id), "run")

    def experiment(self, trial: keras_tuner.engine.trial.Trial) -> config.Experiment:
        """Return the experiment of a trial; Hyperband says how long it is trained."""
        found = self.model.experiment(trial.hyperparameters.copy())
        epochs = trial.hyperparameters.values.get("tuner/epochs")
        return found.with_epochs(epochs) if epochs else found

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
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
            files.write_text(run.with_name(REASON), reason)  # what keras-tuner is told does not reach the chief
            raise keras_tuner.errors.FailedTrialError(reason) from error
        finally:
            keras.backend.clear_session()
            gc.collect()

    def _go_on_from(self, earlier: pathlib.Path, run: pathlib.Path, experiment: config.Experiment) -> None:
        """Copy an earlier run, to be trained longer."""
        with files.beside(run) as partial:
            shutil.copytree(earlier, partial)
            config.write(experiment, partial / "config.yaml")

    def _score(self, experiment: config.Experiment, run: pathlib.Path) -> float:
        """Return the objective of the best epoch, nats."""
        if self.settings.objective == "val_elbo":
            return training.best_epoch(run)["val_elbo"]
        vae, _ = training.load(run)
        with self.strategy.scope():
            validation = config.evaluation_data(experiment, "validation", self.model.kept)
            return evaluation.log_marginal(vae, validation, self.settings.samples).mean
