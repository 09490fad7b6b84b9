"""Run folders: `train` makes one; `evaluate`, `plot` and `export` need nothing else.

RUN/config.yaml (resolved), run.json (versions, seed, times), checkpoints/, model.keras (the best epoch), history.csv,
tensorboard/, evaluation.json, figures/; pictures/ where `Pictures` is among the callbacks.
"""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import threading
import time
import warnings
import zlib

import filelock
import keras
import numpy as np
import tensorflow as tf

from tfvae import callbacks, compatibility, config, data, evaluation, exporting, files, progress, trainer
from tfvae.training import measures, plots

__all__ = ["alone", "best_epoch", "evaluate", "export", "load", "plot", "train", "train_experiment"]

FORMAT = 1  # of run folders: what run.json, history.csv and checkpoints hold
PACKAGES = ("tfvae", "tensorflow", "keras", "tensorflow-probability", "tensorflow-datasets", "numpy")


def train(config_path, run, overrides=(), resume=False, verbose="auto"):
    """Trains the experiment of a yaml in the new run folder `run`; returns the trained VAE of the best epoch.

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
    run = pathlib.Path(run)
    if run.exists() and not resume and _is_chief():
        raise FileExistsError(f"the run folder {run} exists: choose another, remove it, or go on with it (--resume)")
    strategy = config.strategy(config.keys(config_path, overrides).get("strategy", "default"))
    return train_experiment(config.read(config_path, overrides), run, resume, strategy, verbose=verbose)


def train_experiment(experiment, run, resume, strategy, kept=None, verbose="auto"):
    """`train`, of a `config.Experiment`, under a strategy that was made; `kept` is as for `data.load`, `verbose` as for
    `fit`."""
    run = pathlib.Path(run)
    saved = _saved(run, experiment) if resume else None
    position = data.Position(saved.state["step"] if saved else 0)
    progress.doing("reading the data")
    train_data, validation_data = config.training_data(experiment, position, kept)
    position.skip.assign(0)  # the checkpoint brings it back, when all have had their look at the first batch
    progress.doing("making the model")
    with strategy.scope():
        vae = config.compiled_vae(experiment, train_data.element_spec)
    first = compatibility.check_data(vae, train_data)
    compatibility.check_data(vae, validation_data)
    others = config.callbacks(experiment)
    trainer.set_modes(others, vae.directions)
    if experiment.adapt and saved is None:
        progress.doing("adapting the model to the data")
        vae.adapt(train_data)
    with alone(run) if _is_chief() else contextlib.nullcontext():
        record = _start_record(run, experiment, vae, first, saved) if _is_chief() else None
        checkpoints, fit = _prepared(
            vae, run, experiment, (train_data, validation_data), others, first, position, saved, verbose
        )
        try:
            fit()
        except callbacks.NotFinite as error:
            kept = f"{run} has no epoch before it"
            if _is_chief() and checkpoints.best_epoch is not None:
                _finish(run, record | {"stopped": str(error)}, checkpoints)
                kept = f"{run / 'model.keras'} is of epoch {checkpoints.best_epoch}, the best before it"
            raise ArithmeticError(f"{error}; {kept}. Try a smaller learning rate, or clip gradients") from None
        return _finish(run, record, checkpoints) if _is_chief() else vae


def _prepared(vae, run, experiment, datasets, others, first, position, saved, verbose):
    """The run's `Checkpoints`, and a function that trains, from the start or from what was saved; `first` is the first
    batch."""
    train_data, validation_data = datasets
    monitor = vae.objective.monitor if validation_data is None else f"val_{vae.objective.monitor}"
    for callback in others:
        if hasattr(callback, "in_run"):  # it looks at data, and writes
            callback.in_run(run, first, validation_data)
    arguments = config.fit_arguments(experiment)
    batches = None if arguments["steps_per_epoch"] else train_data  # of which an epoch then is no pass
    checkpoints = callbacks.Checkpoints(run / "checkpoints", monitor, position, others, saved, batches)
    writers = []
    if _is_chief():
        writers = [
            keras.callbacks.CSVLogger(run / "history.csv", append=saved is not None),
            keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        ]
    if saved is not None:
        if _is_chief():
            _cut_history(run / "history.csv", saved.state["epoch"])
        if saved.state["stopped"]:
            if _is_chief() and arguments["epochs"] > saved.state["epoch"]:
                print(f"{run} was stopped by a callback after epoch {saved.state['epoch']}", file=sys.stderr)
            arguments["epochs"] = saved.state["epoch"]
        arguments["initial_epoch"] = saved.state["epoch"]

    def fit():
        with _saving_on_sigterm(checkpoints), _closing(writers), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Your input ran out of data")  # an epoch that goes on has fewer batches
            vae.fit(
                train_data,
                validation_data=validation_data,
                callbacks=[*others, *writers, callbacks.Telling(), checkpoints],
                verbose=verbose if _is_chief() else 0,
                **arguments,
            )

    return checkpoints, fit


def _is_chief():
    """Whether this process writes: the only one, or of a cluster (`TF_CONFIG`) the chief, else the first worker."""
    found = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task, writes = found.get("task", {}), "chief" if "chief" in found.get("cluster", {}) else "worker"
    return task.get("type", writes) == writes and task.get("index", 0) == 0


def _saved(run, experiment):
    """What to go on from, a `callbacks.Saved`, or None for a run that has not come so far.

    Raises:
        ValueError: when what the run holds is damaged, missing, or of another version; when its config differs from the
            experiment in more than `fit.epochs`.
    """
    _check_format(run)
    saved = callbacks.latest(run / "checkpoints")
    if saved is None:
        if (run / "model.keras").exists() or _epochs_logged(run / "history.csv") > 1:
            raise ValueError(
                f"{run} was trained, but {run / 'checkpoints'} has no checkpoint: put back a copy, or train in another "
                "run folder"
            )
        return None
    _check_begun(run)
    _check_config(run, experiment, saved.state["epoch"] + (saved.state["step"] > 0))
    for reason in saved.damaged if _is_chief() else ():
        print(f"{reason}: going on from {saved.path}", file=sys.stderr)
    if saved.state["best_epoch"] is not None:
        _check_best(run)
    return saved


def _record(run):
    """What is in run.json."""
    try:
        record = json.loads((run / "run.json").read_text())
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise _damaged(run)
    return record


def _damaged(run):
    return ValueError(f"{run / 'run.json'} is damaged: put back a copy, or train in another run folder")


def _check_begun(run):
    """Looks for what a run that goes on takes from run.json, before it takes a step."""
    if (run / "run.json").is_file():
        record = _record(run)
        try:
            begun = datetime.datetime.fromisoformat(record["started"])
        except (KeyError, TypeError, ValueError):
            begun = None
        if begun is None or begun.tzinfo is None or not isinstance(record.get("first_batch_crc32"), int):
            raise _damaged(run)


def _check_format(run):
    if (run / "run.json").is_file():
        found = _record(run).get("format", 0)
        if found != FORMAT:
            raise ValueError(
                f"{run / 'run.json'} is of format {found}, and this tfvae has {FORMAT}: go on with the version that it "
                "names, or train in another run folder"
            )


def _check_config(run, experiment, epochs):
    """Holds the experiment against that of the run, which has begun this many epochs."""
    path = run / "config.yaml"
    if not path.is_file():
        raise ValueError(f"{run} was trained, but {path} is missing: put back a copy, or train in another run folder")
    asked = config.fit_arguments(experiment)["epochs"]
    if asked < epochs:
        raise ValueError(f"fit.epochs: {asked} is less than the {epochs} epochs that {run} has begun: ask for as many")
    begun = config.keys(path, base=False).get("fit") or {}
    same = experiment._replace(fit={**experiment.fit, "epochs": begun.get("epochs", asked)})
    difference = config.difference(same, path)
    if difference:
        raise ValueError(f"{run} was begun with another config ({difference}): go on with the same, or begin anew")


def _check_best(run):
    best, model = run / "checkpoints" / "best.keras", run / "model.keras"
    try:
        callbacks.check(best)
    except ValueError as error:
        mend = f"copy {model} there, if it is of the same epoch" if model.exists() else "put back a copy"
        raise ValueError(f"{error}: {mend}, or train in another run folder") from None


def _epochs_logged(path):
    return max(0, path.read_text().count("\n") - 1) if path.is_file() else 0


@contextlib.contextmanager
def alone(run):
    """Holds the lock of a run folder, which is made where it is missing; it falls when the process ends, however.

    Raises:
        BlockingIOError: when another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(run / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"another process trains in {run}: wait for it, or choose another folder") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _closing(writers):
    """Closes the files of callbacks that write, where training ends before its time."""
    try:
        yield
    except BaseException:
        for writer in writers:
            writer.on_train_end()
        raise


@contextlib.contextmanager
def _saving_on_sigterm(checkpoints):
    """SIGTERM saves at the end of the running group of steps, and ends the process."""
    if threading.current_thread() is not threading.main_thread():  # where handlers cannot be set
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: setattr(checkpoints, "terminate", True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cut_history(path, epochs):
    """Leaves the rows of the first `epochs` epochs: those after them are trained again."""
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)  # none of a run that was told to end in its first epoch
        kept = [row for row in lines[1:] if row.endswith("\n") and int(row.split(",")[0]) < epochs]
        files.write_text(path, "".join([*lines[:1], *kept]))


def load(run):
    """A run folder -> (its VAE, its experiment).

    Raises:
        FileNotFoundError: when the folder holds no trained model.
    """
    run = pathlib.Path(run)
    _check_finished(run)
    progress.doing("loading the model")
    experiment = config.of_run(run)
    return config.load_model(run / "model.keras"), experiment


def _check_finished(run):
    for file in ("config.yaml", "model.keras"):
        if not (run / file).is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file}")
    _check_format(run)


def best_epoch(run):
    """What was logged in the epoch that a run's model is of: a dict of numbers."""
    best = _record(pathlib.Path(run))["best_epoch"]
    with open(pathlib.Path(run) / "history.csv", newline="") as file:
        return {key: float(value) for key, value in list(csv.DictReader(file))[best - 1].items()}


def evaluate(run, split="test", samples=5000, more=True, show=None):
    """Evaluates a run's model on a split: ELBO, its terms, and log p(x), nats; writes and returns `evaluation.json`.

    Args:
        run: folder of a finished run.
        split: "train", "validation" or "test" of the config, or TFDS' split syntax.
        samples: importance samples per example for log p(x).
        more: also what `measures` has: of the latents, of reconstructions and of samples.
        show: function, which is given the result before it is written.

    Raises:
        OSError: when `evaluation.json` cannot be written; before anything is measured.
    """
    _check_finished(pathlib.Path(run))
    files.check(pathlib.Path(run) / "evaluation.json")
    vae, experiment = load(run)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", evaluation.FewEffective)  # it is in the result, as a doubt
        result = {"split": split} | measures.evidence(vae, config.evaluation_data(experiment, split), samples)
        if more:
            result["measures"], result["left_out"] = measures.taken(vae, experiment, split, samples)
    result["seconds"] = round(time.perf_counter() - start, 1)
    if show is not None:
        show(result)
    files.write_json(pathlib.Path(run) / "evaluation.json", result)
    return result


def plot(run, report=None):
    """Draws the figures that a run can have, of test examples and of its history, to `figures/`; returns their paths.

    Args:
        run: folder of a finished run.
        report: function, which is given a line for each figure when it is written, and where some were left out one
            that says which, and why.
    """
    _check_finished(pathlib.Path(run))
    files.check(pathlib.Path(run) / "figures" / "samples.png")
    return plots.draw(pathlib.Path(run), *load(run), report)


def export(run, models, **settings):
    """Export a run's model into the folder `models` by `exporting.export`, whose settings these are; return the paths
    of the new versions. Their model.json has the run's config, the record of its training, and its evaluation."""
    vae, _ = load(run)
    about = {"config": config.keys(pathlib.Path(run) / "config.yaml", base=False)}
    for name in ("run", "evaluation"):
        if (pathlib.Path(run) / f"{name}.json").is_file():
            about[name] = json.loads((pathlib.Path(run) / f"{name}.json").read_text())
    return exporting.export(vae, models, about=about, **settings)


def _start_record(run, experiment, vae, first, saved):
    """Writes, or of a run that goes on reads, config.yaml and run.json; gives what is in run.json.

    Raises:
        ValueError: when a run that goes on has other data than it began with.
    """
    fingerprint = zlib.crc32(b"".join(np.asarray(part).tobytes() for part in tf.nest.flatten(first)))
    if saved is not None and (run / "run.json").is_file():
        record = _record(run)
        if record["first_batch_crc32"] != fingerprint:
            raise ValueError(f"{run} was begun with other data: go on with the same, or begin anew")
        _write_config(experiment, run)  # whose epochs may be others now
        return record
    _write_config(experiment, run)
    record = {
        "format": FORMAT,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "seed": experiment.seed,
        "parameters": vae.count_params(),
        "first_batch_crc32": fingerprint,
        "classes": _classes(experiment),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    files.write_json(run / "run.json", record)
    return record


def _classes(experiment):
    """Names of the classes that a conditional VAE is given, in the order of its one-hot vectors; None where it has
    none."""
    key = experiment.data.get("condition")
    return config.class_names(experiment, key) if isinstance(key, str) else None


def _write_config(experiment, run):
    with files.beside(run / "config.yaml") as partial:
        config.write(experiment, partial)


def _finish(run, record, checkpoints):
    """Gives the run the model of its best epoch, which was loaded before; returns it."""
    with files.beside(run / "model.keras") as partial:
        shutil.copyfile(checkpoints.folder / "best.keras", partial)
        vae = config.load_model(partial)
    now = datetime.datetime.now(datetime.UTC)
    record |= {
        "finished": now.isoformat(timespec="seconds"),
        "seconds": round((now - datetime.datetime.fromisoformat(record["started"])).total_seconds()),
        "best_epoch": checkpoints.best_epoch,
        f"best_{checkpoints.monitor}": checkpoints.best,
    }
    files.write_json(run / "run.json", record)
    return vae
