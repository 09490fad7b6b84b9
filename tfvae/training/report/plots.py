"""Which figures a run has, and what they are drawn of."""

import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae import config, evaluation, figures, progress
from tfvae.evaluation import NotApplicable
from tfvae.model import VAE
from tfvae.training import finished_run, run_record
from tfvae.training.report import measures
from tfvae.training.report.examples import preprocess_all, take
from tfvae.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

MAX_COLUMNS = 10  # conditions that the figure of samples shows
MAX_CATEGORIES = 12  # of a column that colours the latent space
MIN_DRAWN = 1000  # rows of a table, for its marginals
MAX_PLOTTED = 5000  # examples that figures of the latent space show
TEMPERATURES = (0.0, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0)  # of the curve of rate and distortion


def draw(
    run: RunFolder, vae: VAE, experiment: config.Experiment, report: Callable[[str], None] | None = None
) -> list[pathlib.Path]:
    """Draw all figures, and the film of training, that a run can have; return their paths.

    Args:
        run: the folder.
        vae: of the run.
        experiment: of the run.
        report: as for `training.plot`.
    """
    report = report or (lambda line: None)
    paths: list[pathlib.Path] = []
    reasons: dict[str, list[str]] = {}
    for file, write in _writers(run, vae, experiment).items():
        progress.doing(f"drawing {file}")
        try:
            paths.append(write(run.figures / file))
            report(f"written: {paths[-1]}")
        except NotApplicable as reason:
            reasons.setdefault(str(reason), []).append(file.removesuffix(".png"))
    if reasons:
        report("left out: " + "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items()))
    return paths


def _writers(
    run: RunFolder, vae: VAE, experiment: config.Experiment
) -> dict[str, Callable[[pathlib.Path], pathlib.Path]]:
    """Return, for the name of each file, a function that writes it at a path."""
    progress.doing("reading examples")
    drawings = _drawings(run, vae, experiment)

    def writer(drawn: Callable[[], "Figure"]) -> Callable[[pathlib.Path], pathlib.Path]:
        return lambda path: figures.write(drawn(), path)

    pictures = sorted(run.pictures.glob("epoch_*.png"))
    files = {f"{name}.png": writer(drawn) for name, drawn in drawings.items()}
    return files | {"training.gif": lambda path: figures.animation(pictures, path)}


def _drawings(run: RunFolder, vae: VAE, experiment: config.Experiment) -> dict[str, Callable[[], "Figure"]]:
    """Return, for the name of each figure, a function that draws it, or raises NotApplicable where there is none."""
    split = _split(experiment)
    data = take(vae, experiment, split, MAX_PLOTTED)
    examples = next(iter(data.unbatch().batch(40)))
    _, condition = vae.split(examples)
    half = min(5, len(tf.nest.flatten(examples)[0]) // 2)
    example, first, second = (
        tf.nest.map_structure(lambda e, s=s: e[s], examples) for s in (slice(1), slice(half), slice(half, 2 * half))
    )
    units = functools.cache(lambda: evaluation.latent_units(vae, data))
    given = None if condition is None else condition[:1]
    columns, of_table = None, vae.preprocessor_view.schema is not None
    if condition is not None:
        columns = _distinct_rows(np.concatenate([np.asarray(vae.split(batch)[1]) for batch in data]), MAX_COLUMNS)
    return {
        "reconstructions": lambda: figures.reconstructions(vae, examples),
        "samples": lambda: figures.samples(vae, 8, 8 if columns is None else len(columns), columns),
        "interpolations": lambda: figures.interpolations(vae, first, second),
        "traversals": lambda: figures.traversals(vae, example, units()),
        "manifold": lambda: figures.manifold(vae, units(), given),
        **(_drawings_of_columns(vae, data) | _drawings_of_odd_rows(vae, experiment, data) if of_table else {}),
        "latent_space": lambda: _latent_space(units(), vae, experiment, split),
        "units": lambda: figures.unit_costs(units()),
        "rate_distortion": lambda: figures.rate_distortion(
            measures.rate_distortion(vae, data, temperatures=TEMPERATURES)
        ),
        "learning_curves": lambda: _learning_curves(run, vae),
    }


def _split(experiment: config.Experiment) -> str:
    """Return the split that is drawn: of test examples, or, where there are none, of others."""
    return next(split for split in ("test", "validation", "train") if experiment.data.split(split) is not None)


def _drawings_of_columns(vae: VAE, data: tf.data.Dataset) -> dict[str, Callable[[], "Figure"]]:
    """Return the figures of a table, by their names, as `_drawings` does."""
    schema = evaluation.schema_of(vae)
    rows = functools.cache(lambda: preprocess_all(vae, data))

    @functools.cache
    def drawn() -> np.ndarray:  # MIN_DRAWN rows or more, on the conditions of the data in turn
        x, conditions = rows()
        repeats = -(-MIN_DRAWN // len(x))
        given = None if conditions is None else np.tile(conditions, (repeats, 1))
        return evaluation.draw_rows(vae, repeats * len(x), given)

    return {
        "reconstructions": lambda: figures.column_reconstructions(schema, *evaluation.reconstruct_rows(vae, data)),
        "marginals": lambda: figures.marginals(schema, rows()[0], drawn()),
        "associations": lambda: figures.associations(schema, rows()[0], drawn()[: len(rows()[0])]),
    }


def _drawings_of_odd_rows(
    vae: VAE, experiment: config.Experiment, data: tf.data.Dataset
) -> dict[str, Callable[[], "Figure"]]:
    """Return the figures of how odd rows are, held against the validation split, as `_drawings` does."""

    @functools.cache
    def found() -> evaluation.Anomalies:
        if experiment.data.split("validation") is None:
            raise NotApplicable("no rows were held out for a threshold: data.validation is not set")
        return evaluation.anomaly(vae, finished_run.read_data(vae, experiment, "validation"), data)

    return {
        "scores": lambda: figures.score_histogram(found().scores[found().score], found().thresholds[found().score]),
        "odd_columns": lambda: figures.odd_columns(found().columns, found().names),
    }


def _latent_space(units: evaluation.Units, vae: VAE, experiment: config.Experiment, split: str) -> "Figure":
    schema = vae.preprocessor_view.schema
    try:
        labels = measures.labels(vae, experiment, split, len(units.centers))
    except NotApplicable:
        if schema is None or experiment.data.labels:
            raise
        return _colour_by_column(units, vae, experiment, split)
    return figures.latent_space(units, labels, config.class_names(experiment, "label", schema))


def _colour_by_column(units: evaluation.Units, vae: VAE, experiment: config.Experiment, split: str) -> "Figure":
    """Draw the latents of a table without labels, by the first column of few categories."""
    columns = evaluation.schema_of(vae).encoded
    found = (place for place, column in enumerate(columns) if 2 <= len(column.categories) <= MAX_CATEGORIES)
    place = next(found, None)
    if place is None:
        raise NotApplicable("there are no labels, and no column of few categories: data.labels names columns that are")
    codes = preprocess_all(vae, take(vae, experiment, split, len(units.centers)))[0][:, place]
    column = columns[place]
    labels = np.where(np.isnan(codes), len(column.categories), codes).astype(np.int64)
    return figures.latent_space(units, labels, [*map(str, column.categories), "(missing)"], column.name)


def _learning_curves(run: RunFolder, vae: VAE) -> "Figure":
    if not run.history.is_file():
        raise NotApplicable("the run has no history.csv")
    best = run_record.read(run)["best_epoch"]
    steps = int(vae.optimizer.iterations) / best  # of an epoch; the model is that of the best
    return figures.learning_curves(figures.history(run.history), vae.objective, steps, best)


def _distinct_rows(conditions: np.ndarray, count: int) -> np.ndarray:
    """Return the distinct rows of conditions `[N, k]`, at most so many."""
    return np.unique(conditions, axis=0)[::-1][:count]  # of one-hot vectors, the first class first
