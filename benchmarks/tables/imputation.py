"""Cells that are missing completely at random, filled in by tfvae and by scikit-learn's imputers."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables import recipe
from benchmarks.tables.sets import Table

__all__ = ["METHODS", "hide", "measure", "score"]

WITHOUT_CLASS = ("breast_cancer", "wine")  # whose features alone are filled in, as is usual
SAMPLES = 2_000  # of z for each row


def hide(frame: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Hide cells completely at random: the table with gaps, and which cells are hidden, `[N, D]`."""
    hidden = np.random.default_rng([seed, round(100 * share)]).random(frame.shape) < share
    for place in np.flatnonzero(hidden.all(axis=0)):
        hidden[0, place] = False
    return frame.mask(pd.DataFrame(hidden, frame.index, frame.columns)), hidden & frame.notna().to_numpy()


def score(table: Table, filled: pd.DataFrame, hidden: np.ndarray) -> dict[str, float | None]:
    """Give the RMSE of hidden numbers, in deviations of their columns, and the accuracy of hidden categories."""
    squares, right = [], []
    for place, name in enumerate(table.frame):
        rows = hidden[:, place]
        truth, found = table.frame[name][rows], filled[name][rows]
        if name in table.numbers:
            squares.append(((truth - found).to_numpy(float) / table.frame[name].std(ddof=0)) ** 2)
        else:
            right.append((truth.astype(str) == found.astype(str)).to_numpy())
    return {
        "rmse": float(np.sqrt(np.concatenate(squares).mean())) if squares else None,
        "accuracy": float(np.concatenate(right).mean()) if right else None,
    }


def measure(
    name: str, table: Table, share: float, seed: int, methods: Sequence[str], overrides: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Give the scores of each method on one table with gaps, trained on these very rows."""
    if name in WITHOUT_CLASS:
        table = table._replace(frame=table.frame.drop(columns="class"))
    gaps, hidden = hide(table.frame, share, seed)
    for method in methods:
        start = time.perf_counter()
        filled = METHODS[method](table, gaps, seed, overrides)
        seconds = time.perf_counter() - start
        found = score(table, filled, hidden) | {"seconds": seconds}
        yield {"task": "imputation", "table": name, "missing": share, "seed": seed, "method": method} | found


def _tfvae(table: Table, gaps: pd.DataFrame, seed: int, overrides: Sequence[str]) -> pd.DataFrame:
    found = recipe.train(recipe.CONFIGS / "zoo" / "miwae_imputation.yaml", gaps, table.kinds, seed, overrides)
    return found.vae.impute(gaps, samples=SAMPLES, seed=seed)


def _by_numbers(make: Callable[[int], Any]) -> Callable[..., pd.DataFrame]:
    """Give the function of an imputer of numbers: they are scaled, and categories go as a column for each class but the
    last, which follows from the others: it would tell an imputer that iterates nothing but its own first guess."""

    def fill(table: Table, gaps: pd.DataFrame, seed: int, overrides: Sequence[str]) -> pd.DataFrame:
        numbers = gaps[table.numbers]
        center, scale = numbers.mean(), numbers.std().replace(0.0, 1.0)
        classes = {name: sorted(gaps[name].dropna().unique()) for name in table.categories}
        parts = [((numbers - center) / scale).to_numpy(float)]
        for name, its in classes.items():
            coded = np.stack(
                [(gaps[name] == each).to_numpy(float) for each in its[:-1]] or [np.zeros(len(gaps))], axis=1
            )
            parts.append(np.where(gaps[name].isna().to_numpy()[:, None], np.nan, coded))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it did not converge, which is the imputer's default
            x = make(seed).fit_transform(np.concatenate(parts, axis=1))
        filled = gaps.copy()
        filled[table.numbers] = x[:, : len(table.numbers)] * scale.to_numpy() + center.to_numpy()
        place = len(table.numbers)
        for name, its in classes.items():
            width = max(1, len(its) - 1)
            shares = x[:, place : place + width]
            shares = np.concatenate([shares, 1.0 - shares.sum(axis=1, keepdims=True)], axis=1)[:, -len(its) :]
            chosen = np.asarray(its, object)[shares.argmax(axis=1)]
            filled[name] = gaps[name].where(gaps[name].notna(), pd.Series(chosen, gaps.index))
            place += width
        return filled

    return fill


def _iterative(seed: int) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(random_state=seed)


def _nearest(seed: int) -> Any:
    from sklearn.impute import KNNImputer

    return KNNImputer()


def _mean(seed: int) -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer()  # of a column for each class the mean, whose largest is the most frequent class


METHODS: dict[str, Callable[..., pd.DataFrame]] = {
    "tfvae": _tfvae,
    "iterative": _by_numbers(_iterative),
    "knn": _by_numbers(_nearest),
    "mean": _by_numbers(_mean),
}
