"""Which figures a run has, and what they are drawn of."""

import functools
import json

import numpy as np
import tensorflow as tf

from tfvae import config, evaluation, figures, progress
from tfvae.evaluation import NotApplicable
from tfvae.training import measures

__all__ = ["draw"]

MOST_COLUMNS = 10  # conditions that the figure of samples shows
MOST_PLOTTED = 5000  # examples that figures of the latent space show
TEMPERATURES = (0.0, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0)  # of the curve of rate and distortion


def draw(run, vae, experiment, report=None):
    """`training.plot`, of a run's folder, its VAE and its experiment."""
    report = report or (lambda line: None)
    paths, reasons = [], {}
    for file, write in _written(run, vae, experiment).items():
        progress.doing(f"drawing {file}")
        try:
            paths.append(write(run / "figures" / file))
            report(f"written: {paths[-1]}")
        except NotApplicable as reason:
            reasons.setdefault(str(reason), []).append(file.removesuffix(".png"))
    if reasons:
        report("left out: " + "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items()))
    return paths


def _written(run, vae, experiment):
    """{name of a file: function that writes it at a path} of all figures, and of the film of training."""
    progress.doing("reading examples")
    drawings = _drawings(run, vae, experiment)
    files = {f"{name}.png": lambda path, drawn=drawn: figures.write(drawn(), path) for name, drawn in drawings.items()}
    pictures = sorted((run / "pictures").glob("epoch_*.png"))
    return files | {"training.gif": lambda path: figures.animation(pictures, path)}


def _drawings(run, vae, experiment):
    """{name: function -> figure} of all figures; a function raises NotApplicable where there is none."""
    data = config.evaluation_data(experiment, "test").unbatch().batch(100).take(MOST_PLOTTED // 100)
    examples = next(iter(data.unbatch().batch(40)))
    _, condition = vae.split(examples)
    half = min(5, len(tf.nest.flatten(examples)[0]) // 2)
    example, first, second = (
        tf.nest.map_structure(lambda e, s=s: e[s], examples) for s in (slice(1), slice(half), slice(half, 2 * half))
    )
    units = functools.cache(lambda: evaluation.latent_units(vae, data))
    given = None if condition is None else condition[:1]
    columns = None
    if condition is not None:
        columns = _some(np.concatenate([vae.split(batch)[1].numpy() for batch in data]), MOST_COLUMNS)
    return {
        "reconstructions": lambda: figures.reconstructions(vae, examples),
        "samples": lambda: figures.samples(vae, 8, 8 if columns is None else len(columns), columns),
        "interpolations": lambda: figures.interpolations(vae, first, second),
        "traversals": lambda: figures.traversals(vae, example, units()),
        "manifold": lambda: figures.manifold(vae, units(), given),
        "latent_space": lambda: _latent_space(units(), experiment),
        "units": lambda: figures.unit_costs(units()),
        "rate_distortion": lambda: figures.rate_distortion(
            measures.rate_distortion(vae, data, temperatures=TEMPERATURES)
        ),
        "learning_curves": lambda: _learning_curves(run, vae),
    }


def _latent_space(units, experiment):
    labels = measures.labels(experiment, "test", len(units.centers))
    return figures.latent_space(units, labels, config.class_names(experiment, "label"))


def _learning_curves(run, vae):
    if not (run / "history.csv").is_file():
        raise NotApplicable("the run has no history.csv")
    best = json.loads((run / "run.json").read_text())["best_epoch"]
    steps = int(vae.optimizer.iterations) / best  # of an epoch; the model is that of the best
    return figures.learning_curves(figures.history(run / "history.csv"), vae.objective, steps, best)


def _some(conditions, most):
    """Rows of conditions [N, k], each once, at most so many."""
    return np.unique(conditions, axis=0)[::-1][:most]  # of one-hot vectors, the first class first
