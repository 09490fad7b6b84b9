"""Rows drawn by tfvae and by ctgan's TVAE: how alike they are to the table, and what a classifier learns of them."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from benchmarks.tables import recipe
from benchmarks.tables.sets import LeftOut, Table
from tfvae import random

__all__ = ["METHODS", "measure", "quality", "usefulness"]

TEST = 0.2  # of the rows, on which classifiers are tested


def measure(
    name: str, table: Table, seed: int, methods: Sequence[str], overrides: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Give the scores of each method, trained on four fifths of a table, as many rows drawn; and of the real rows.

    Raises:
        LeftOut: when the table has no column to predict.
    """
    if table.target is None:
        raise LeftOut(f"{name} has no column to predict")
    frame = table.frame.dropna().sample(frac=1.0, random_state=seed).reset_index(drop=True)
    test, train = frame.iloc[: round(TEST * len(frame))], frame.iloc[round(TEST * len(frame)) :].reset_index(drop=True)
    about = {"task": "synthesis", "table": name, "seed": seed}
    yield about | {"method": "real rows", "accuracy": usefulness(table, train, test, seed)}
    for method in methods:
        seconds, rows = METHODS[method](table, train, seed, overrides)
        found = {"accuracy": usefulness(table, rows, test, seed), "seconds": seconds}
        yield about | {"method": method} | quality(table, train, rows) | found


def quality(table: Table, real: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
    """Give the quality score of SDMetrics, 0 to 1, and its two parts, of columns and of pairs of columns; empty
    without SDMetrics."""
    try:
        from sdmetrics.reports.single_table import QualityReport
    except ModuleNotFoundError:
        return {}
    columns = {name: {"sdtype": "categorical" if name in table.categories else "numerical"} for name in real}
    report = QualityReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that are constant
        report.generate(real.copy(), drawn[list(real)].copy(), {"columns": columns}, verbose=False)
    shapes, pairs = report.get_properties()["Score"]
    return {"quality": float(report.get_score()), "shapes": float(shapes), "pairs": float(pairs)}


def usefulness(table: Table, rows: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """Give the accuracy, on real rows, of a random forest that was trained on other rows."""
    features = pd.get_dummies(pd.concat([rows, test], ignore_index=True)[list(test)].drop(columns=table.target))
    forest = RandomForestClassifier(200, random_state=seed, n_jobs=1)
    forest.fit(features[: len(rows)], rows[table.target].astype(str))
    return float((forest.predict(features[len(rows) :]) == test[table.target].astype(str).to_numpy()).mean())


def _tfvae(table: Table, train: pd.DataFrame, seed: int, overrides: Sequence[str]) -> tuple[float, pd.DataFrame]:
    found = recipe.train(recipe.CONFIGS / "table.yaml", train, table.kinds, seed, overrides)
    key = random.seed(seed, random.Stream.SAMPLING)
    return found.seconds, found.schema.decode(found.vae.sample(len(train), seed=key, mean=False).numpy(), within=True)


def _tvae(table: Table, train: pd.DataFrame, seed: int, overrides: Sequence[str]) -> tuple[float, pd.DataFrame]:
    import torch
    from ctgan import TVAE

    np.random.seed(seed)
    torch.manual_seed(seed)
    model, start = TVAE(enable_gpu=False), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train, table.categories)
    return time.perf_counter() - start, model.sample(len(train))


METHODS: dict[str, Callable[..., tuple[float, pd.DataFrame]]] = {"tfvae": _tfvae, "tvae": _tvae}
