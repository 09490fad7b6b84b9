"""Training an experiment in a run folder, from the start or from its last checkpoint."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfvae import callbacks, compatibility, config, data, files, model, progress, trainer
from tfvae.training import run_record
from tfvae.training.resume import cut_history, find_saved
from tfvae.training.run_folder import RunFolder, is_writer, lock

__all__ = ["train", "train_experiment"]

Verbose = int | str


def train(
    config_path: str | os.PathLike,
    run: str | os.PathLike,
    overrides: Iterable[str] = (),
    resume: bool = False,
    verbose: Verbose = "auto",
) -> model.VAE:
    """Train the experiment of a yaml in the new run folder `run`; return the trained VAE of the best epoch.

    The best epoch is that of the highest ELBO (or what else the objective is judged by, its `monitor`) on the
    validation split, or on the training data where there is none. Told to end by SIGTERM, it saves first.

    Args:
        config_path: of the yaml.
        run: the run folder, which must not exist, unless `resume`.
        overrides: assignments such as "objective.ELBO.beta=4".
        resume: go on where the run's last checkpoint was, if there is one: the weights become those of a run that was
            never interrupted. `fit.epochs` may be another than the run began with, if no fewer than are done.
        verbose: as for `fit`.

    Raises:
        ConfigError, FileNotFoundError, ValueError: for config and data, before anything is written; also where those of
            a run that goes on are not what it began with, and where its checkpoints are damaged or missing.
        FileExistsError: when `run` exists; BlockingIOError: when another process trains in it.
        ArithmeticError: after the first epoch that is not finite. The last checkpoint is the one before, and the run
            has the model of the best epoch so far, where there is one.
    """
    if os.path.exists(run) and not resume and is_writer():
        raise FileExistsError(f"the run folder {run} exists: choose another, remove it, or go on with it (--resume)")
    keys = config.keys(config_path, overrides)
    strategy = config.make_strategy(keys.get("strategy", "default"))
    return train_experiment(config.from_keys(keys, config_path), run, resume, strategy, verbose=verbose)


def train_experiment(
    experiment: config.Experiment,
    run: str | os.PathLike,
    resume: bool,
    strategy: tf.distribute.Strategy,
    kept: dict | None = None,
    verbose: Verbose = "auto",
) -> model.VAE:
    """Train as `train` does, but an experiment, and under a strategy that was made.

    Args:
        experiment: what to train.
        run, resume, verbose: as for `train`.
        strategy: of `config.make_strategy`.
        kept: as for `data.load`.
    """
    run = RunFolder(run)
    saved = find_saved(run, experiment) if resume else None
    position = data.Position(saved.state["step"] if saved else 0)
    progress.doing("reading the data")
    train_data, validation_data = config.training_data(experiment, position, kept)
    position.skip.assign(0)  # the checkpoint brings it back, when all have had their look at the first batch
    progress.doing("making the model")
    with strategy.scope():
        vae = config.compiled_vae(experiment, train_data.element_spec, config.table_schema(experiment))
    first = compatibility.check_data(vae, train_data)
    compatibility.check_data(vae, validation_data)
    others = config.callbacks(experiment)
    trainer.set_modes(others, vae.directions)
    if experiment.adapt and saved is None:
        progress.doing("adapting the model to the data")
        vae.adapt(train_data)
    with lock(run) if is_writer() else contextlib.nullcontext():
        record = run_record.start(run, experiment, vae, first, saved is not None) if is_writer() else {}
        for callback in others:
            if isinstance(callback, callbacks.InRun):
                callback.in_run(run.path, first, validation_data)
        monitor = vae.objective.monitor if validation_data is None else f"val_{vae.objective.monitor}"
        one_pass = None if experiment.fit.steps_per_epoch else train_data  # an epoch is a pass of the data, or is none
        checkpoints = callbacks.Checkpoints(run.checkpoints, monitor, position, others, saved, one_pass)
        try:
            _fit(vae, run, experiment, train_data, validation_data, checkpoints, verbose)
        except callbacks.NotFinite as error:
            raise ArithmeticError(_keep_best(run, record, checkpoints, error)) from None
        return _finish(run, record, checkpoints) if is_writer() else vae


def _fit(
    vae: model.VAE,
    run: RunFolder,
    experiment: config.Experiment,
    train_data: tf.data.Dataset,
    validation_data: tf.data.Dataset | None,
    checkpoints: callbacks.Checkpoints,
    verbose: Verbose,
) -> None:
    """Call `fit`, from the start or from what was saved."""
    saved, arguments = checkpoints.saved, experiment.fit.arguments()
    writers: list[keras.callbacks.Callback] = []
    if is_writer():
        writers = [
            keras.callbacks.CSVLogger(run.history, append=saved is not None),
            callbacks.Scalars(run.tensorboard),
        ]
    if saved is not None:
        arguments |= _arguments_of_resumed(run, saved, arguments["epochs"])
    with _saving_on_sigterm(checkpoints), _closing(writers, checkpoints), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")  # an epoch that goes on has fewer batches
        vae.fit(
            train_data,
            validation_data=validation_data,
            callbacks=[*checkpoints.others, *writers, callbacks.EpochLines(), checkpoints],
            verbose=verbose if is_writer() else 0,
            **arguments,
        )


def _arguments_of_resumed(run: RunFolder, saved: callbacks.Saved, epochs: int) -> dict[str, Any]:
    """Return the epochs of a run that goes on, first and last; cut its history to those that are done."""
    done = saved.state["epoch"]
    if is_writer():
        cut_history(run, done)
        if saved.state["stopped"] and epochs > done:
            print(f"{run} was stopped by a callback after epoch {done}", file=sys.stderr)
    return {"epochs": done if saved.state["stopped"] else epochs, "initial_epoch": done}


def _keep_best(run: RunFolder, record: dict[str, Any], checkpoints: callbacks.Checkpoints, error: Exception) -> str:
    """Finish a run that ceased to be finite with the best epoch before, if there is one; return what to say of it."""
    left = f"{run} has no epoch before it"
    if is_writer() and checkpoints.best_epoch is not None:
        _finish(run, record | {"stopped": str(error)}, checkpoints)
        left = f"{run.model} is of epoch {checkpoints.best_epoch}, the best before it"
    return f"{error}; {left}. Try a smaller learning rate, or clip gradients"


def _finish(run: RunFolder, record: dict[str, Any], checkpoints: callbacks.Checkpoints) -> model.VAE:
    """Give the run the model of its best epoch, once that could be loaded; return it."""
    with files.beside(run.model) as partial:
        shutil.copyfile(run.best, partial)
        vae = config.load_model(partial)
    run_record.finish(run, record, checkpoints)
    return vae


@contextlib.contextmanager
def _closing(writers: Iterable[keras.callbacks.Callback], checkpoints: callbacks.Checkpoints) -> Iterator[None]:
    """Close the files of callbacks that write, and write the last epoch, where training ends before its time."""
    try:
        yield
    except BaseException:
        for writer in writers:
            writer.on_train_end()
        checkpoints.flush()
        raise


@contextlib.contextmanager
def _saving_on_sigterm(checkpoints: callbacks.Checkpoints) -> Iterator[None]:
    """Within, SIGTERM saves at the end of the running group of steps, and ends the process."""
    if threading.current_thread() is not threading.main_thread():  # where handlers cannot be set
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: setattr(checkpoints, "terminate", True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
