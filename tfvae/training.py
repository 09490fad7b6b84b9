"""Run folders: `train` makes one; `evaluate`, `plot` and `export` need nothing else.

RUN/config.yaml (resolved), run.json (versions, seed, times), checkpoints/, model.keras (the best epoch), history.csv,
tensorboard/, evaluation.json, figures/.
"""

import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import shutil
import time

import keras
import numpy as np
import tensorflow as tf

from tfvae import callbacks, checks, config, evaluation, figures, serving

__all__ = ["evaluate", "export", "load", "plot", "train"]

PACKAGES = ("tfvae", "tensorflow", "keras", "tensorflow-probability", "tensorflow-datasets", "numpy")
ELBO_SAMPLES = 10  # per example, in `evaluate`


def train(config_path, run, overrides=()):
    """Trains the experiment of a yaml in the new run folder `run`; returns the trained VAE of the best epoch.

    The best epoch is that of the highest ELBO (or what else the objective is judged by, its `monitor`) on the
    validation split, or on the training data where there is none.

    Raises:
        ConfigError, FileNotFoundError, ValueError: for config and data, before anything is written.
        FileExistsError: when `run` exists.
        ArithmeticError: when no epoch had a finite ELBO, or what else is monitored.
    """
    run = pathlib.Path(run)
    if run.exists():
        raise FileExistsError(f"the run folder {run} exists: choose another, or remove it")
    experiment = config.read(config_path, overrides)
    train_data, validation_data = config.training_data(experiment)
    vae = config.compiled_vae(experiment, train_data.element_spec)
    for data in (train_data, validation_data):
        checks.data(vae, data)
    if experiment.adapt:
        vae.adapt(train_data)
    run.mkdir(parents=True)
    config.write(experiment, run / "config.yaml")
    record = _start_record(run, experiment, vae)
    monitor = vae.objective.monitor if validation_data is None else f"val_{vae.objective.monitor}"
    checkpoints = callbacks.Checkpoints(run / "checkpoints", monitor)
    vae.fit(
        train_data,
        validation_data=validation_data,
        callbacks=[
            *config.callbacks(experiment),
            checkpoints,
            keras.callbacks.CSVLogger(run / "history.csv"),
            keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        ],
        **config.fit_arguments(experiment),
    )
    if checkpoints.best_epoch is None:
        raise ArithmeticError(
            f"no epoch had a finite {checkpoints.monitor}, see {run / 'history.csv'}: try a smaller learning rate"
        )
    _finish(run, record, checkpoints)
    return load(run)[0]


def load(run):
    """A run folder -> (its VAE, its experiment).

    Raises:
        FileNotFoundError: when the folder holds no trained model.
    """
    run = pathlib.Path(run)
    for file in ("config.yaml", "model.keras"):
        if not (run / file).is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file}")
    experiment = config.read(run / "config.yaml")
    return keras.saving.load_model(run / "model.keras"), experiment


def evaluate(run, split="test", samples=5000):
    """Evaluates a run's model on a split: ELBO, its terms, and log p(x), nats; writes and returns `evaluation.json`.

    Args:
        run: folder of a finished run.
        split: "train", "validation" or "test" of the config, or TFDS' split syntax.
        samples: importance samples per example for log p(x).
    """
    vae, experiment = load(run)
    data = config.evaluation_data(experiment, split)
    start = time.perf_counter()
    active = evaluation.active_units(vae, data)
    estimates = evaluation.elbo_terms(vae, data, ELBO_SAMPLES, verbose=1)
    estimates["log_marginal"] = evaluation.log_marginal(vae, data, samples, verbose=1)
    result = {
        "split": split,
        "examples": len(estimates["elbo"].values),
        "elbo_samples": ELBO_SAMPLES,
        "log_marginal_samples": samples,
        "seconds": round(time.perf_counter() - start, 1),
    }
    result |= {name: {"mean": e.mean, "standard_error": e.standard_error} for name, e in estimates.items()}
    result |= {"active_units": int(active.sum()), "latent_units": len(active)}
    result["bits_per_dimension"] = evaluation.bits_per_dimension(
        estimates["log_marginal"].mean, vae.likelihood.event_shape
    )
    _write_json(pathlib.Path(run) / "evaluation.json", result)
    return result


def plot(run):
    """Draws a run's figures on test examples: `figures/*.png`; returns their paths."""
    vae, experiment = load(run)
    data = config.evaluation_data(experiment, "test")
    examples = next(iter(data.unbatch().batch(40)))
    _, condition = vae.split(examples)
    half = min(8, len(tf.nest.flatten(examples)[0]) // 2)
    first, second = (tf.nest.map_structure(lambda e, s=s: e[s : s + half], examples) for s in (0, half))
    drawn = {
        "reconstructions": figures.reconstructions(vae, examples),
        "samples": figures.samples(vae, condition=None if condition is None else _some(condition.numpy(), 8)),
        "interpolations": figures.interpolations(vae, first, second),
    }
    folder = pathlib.Path(run) / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in drawn.items():
        partial = folder / f".partial-{name}.png"
        figure.savefig(partial)
        os.replace(partial, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in drawn]


def _some(conditions, count):
    """`count` rows of conditions [N, k], as different as there are."""
    distinct = np.unique(conditions, axis=0)[::-1]  # of one-hot vectors, the first class first
    return distinct[np.arange(count) % len(distinct)]


def export(run, models):
    """Exports a run's model into the folder `models`: `serving.export`; returns the paths of the new versions."""
    vae, _ = load(run)
    return serving.export(vae, models)


def _start_record(run, experiment, vae):
    record = {
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "seed": experiment.seed,
        "parameters": vae.count_params(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    _write_json(run / "run.json", record)
    return record


def _finish(run, record, checkpoints):
    partial = run / ".partial-model.keras"
    shutil.copyfile(checkpoints.folder / "best.keras", partial)
    os.replace(partial, run / "model.keras")
    now = datetime.datetime.now(datetime.UTC)
    record |= {
        "finished": now.isoformat(timespec="seconds"),
        "seconds": round((now - datetime.datetime.fromisoformat(record["started"])).total_seconds()),
        "best_epoch": checkpoints.best_epoch,
        f"best_{checkpoints.monitor}": checkpoints.best,
    }
    _write_json(run / "run.json", record)


def _write_json(path, content):
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")
    os.replace(partial, path)


def _finite(content):
    """Numbers that JSON does not have (infinity, not a number) -> None."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return None if isinstance(content, float) and not math.isfinite(content) else content
