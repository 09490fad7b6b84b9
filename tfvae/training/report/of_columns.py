"""Measures of a run on a table: each column reconstructed, filled in and drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfvae import config, evaluation
from tfvae.evaluation import ColumnQuality, NotApplicable
from tfvae.model import VAE
from tfvae.tables import Schema
from tfvae.training.report.examples import preprocess_all, take

__all__ = ["MEASURES", "reconstruction"]

Experiment = config.Experiment
Numbers = dict[str, Any]

MAX_TRAIN = 100_000  # rows that deviations, means and modes are measured of
MAX_ROWS = 5_000  # that are reconstructed, or compared with draws
MAX_IMPUTED = 1_000  # rows whose cells are hidden and filled in, each five times
IMPUTATION_SAMPLES = 1_000  # per row, at most
HIDDEN = 0.2  # of the cells, at once
MAX_PAIRED = 60  # columns that are associated two by two


def reconstruction(vae: VAE, experiment: Experiment, split: str, _: int = 0) -> Numbers:
    """Measure how well each column of a split is reconstructed, in deviations of the training data."""
    schema = evaluation.schema_of(vae)
    train = preprocess_all(vae, take(vae, experiment, "train", MAX_TRAIN))[0]
    x, found = evaluation.reconstruct_rows(vae, take(vae, experiment, split, MAX_ROWS))
    quality = evaluation.column_quality(schema, x, found, evaluation.column_deviations(schema, train))
    return {"examples": len(x), **_summary(schema, quality), "columns": _by_column(schema, quality)}


def _imputation(vae: VAE, experiment: Experiment, split: str, samples: int) -> Numbers:
    """Measure how well hidden cells are filled in, beside the mean or the mode of the training data."""
    schema = evaluation.schema_of(vae)
    train = preprocess_all(vae, take(vae, experiment, "train", MAX_TRAIN))[0]
    x, conditions = preprocess_all(vae, take(vae, experiment, split, MAX_IMPUTED))
    if np.isnan(x).all():
        raise NotApplicable("all cells are missing: there is none to hide")
    samples = min(samples, IMPUTATION_SAMPLES)
    filled = evaluation.fill_hidden(vae, x, conditions, HIDDEN, samples)
    deviations = evaluation.column_deviations(schema, train)
    own = evaluation.column_quality(schema, x, filled, deviations)
    typical = evaluation.column_quality(schema, x, evaluation.typical_values(schema, train), deviations)
    return {
        "examples": len(x),
        "hidden": HIDDEN,
        "samples": samples,
        **_summary(schema, own),
        "mean_or_mode": _summary(schema, typical),
        "columns": _by_column(schema, own, typical),
    }


def _marginals(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    """Measure how far draws are from the split, column by column and two by two; and, to compare, training rows."""
    schema = evaluation.schema_of(vae)
    train, given = preprocess_all(vae, take(vae, experiment, "train", MAX_ROWS))
    x = preprocess_all(vae, take(vae, experiment, split, MAX_ROWS))[0]
    drawn = evaluation.draw_rows(vae, len(train), given)
    distances = {
        name: evaluation.marginal_distances(schema, x, rows) for name, rows in (("draws", drawn), ("train", train))
    }
    compared = np.isfinite(distances["draws"]) & np.isfinite(distances["train"])
    if not compared.any():
        raise NotApplicable("no column has a value in the data and in draws")
    names = [name for name, kept in zip(schema.names, compared, strict=True) if kept]
    draws, training = (distances[name][compared] for name in ("draws", "train"))
    columns = {
        name: {"draws": float(own), "training_examples": float(other)}
        for name, own, other in zip(names, draws, training, strict=True)
    }
    found = {"draws": float(draws.mean()), "training_examples": float(training.mean()), "columns": columns}
    return {"examples": len(x), "rows": len(train), **found} | _association_error(schema, x, drawn, train)


def _association_error(schema: Schema, x: np.ndarray, drawn: np.ndarray, train: np.ndarray) -> Numbers:
    """Measure the mean difference of the associations of pairs of columns; {} where there is no pair."""
    size = min(len(x), len(train))  # which associations depend on, by chance
    found = [evaluation.associations(schema, rows[:size], MAX_PAIRED) for rows in (x, drawn, train)]
    pairs = np.triu(np.isfinite(found).all(axis=0), k=1)
    if not pairs.any():
        return {}
    data, *others = (values[pairs] for values in found)
    draws, training = (float(np.abs(values - data).mean()) for values in others)
    return {"association_error": {"pairs": int(pairs.sum()), "draws": draws, "training_examples": training}}


def _summary(schema: Schema, quality: ColumnQuality) -> Numbers:
    """Return the mean over columns of numbers, and over those of categories, where there are any."""
    found: Numbers = {}
    for key in ("rmse", "accuracy"):
        values = [value for value, name in zip(quality.values, _keys(schema), strict=True) if name == key]
        values = [value for value in values if np.isfinite(value)]
        if values:
            found[key] = float(np.mean(values))
    return found


def _by_column(schema: Schema, quality: ColumnQuality, typical: ColumnQuality | None = None) -> Numbers:
    """Return what was measured of each column of which a cell was compared."""
    found: Numbers = {}
    for place, (name, key) in enumerate(zip(schema.names, _keys(schema), strict=True)):
        if quality.cells[place]:
            found[name] = {"cells": int(quality.cells[place]), key: float(quality.values[place])}
            if typical is not None:
                found[name]["mean_or_mode"] = float(typical.values[place])
    return found


def _keys(schema: Schema) -> list[str]:
    return ["accuracy" if column.categories else "rmse" for column in schema.encoded]


MEASURES: dict[str, Callable[[VAE, Experiment, str, int], Numbers]] = {
    "imputation": _imputation,
    "marginals": _marginals,
}
