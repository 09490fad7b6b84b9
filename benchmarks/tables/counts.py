"""Counts of genes in cells: whether the types of cells lie apart in the latents of configs/counts.yaml."""

import importlib.util
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.tables import recipe
from benchmarks.tables.sets import LeftOut
from tfvae import evaluation

__all__ = ["celltypist_cells", "measure", "measure_evidence", "simulate"]

NEIGHBOURS = 5
TEST = 0.2  # of the cells
GENES = 300  # of real cells, those that vary most


def simulate(cells: int = 1_500, genes: int = 200, types: int = 3, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw counts `[cells, genes]` of cells of several types, and each cell's type.

    Each type has a quarter of the genes changed, by a factor of e or so. Totals are log-normal, with a deviation of
    0.5, and counts negative binomial about their means. Over half of the counts are 0.
    """
    rng = np.random.default_rng(seed)
    typical = rng.normal(-0.5, 1.2, genes)
    changed = rng.normal(0.0, 1.0, (types, genes)) * (rng.random((types, genes)) < 0.25)
    share = np.exp(typical + changed)
    share /= share.sum(axis=1, keepdims=True)
    which = rng.integers(0, types, cells)
    total = np.exp(rng.normal(np.log(0.9 * genes), 0.5, cells))
    dispersion = np.exp(rng.normal(0.7, 0.5, genes))
    mean = total[:, None] * share[which]
    counts = rng.poisson(rng.gamma(dispersion, mean / dispersion))
    return pd.DataFrame(counts, columns=[f"gene_{place}" for place in range(genes)]), which


def measure(seed: int, cells: int = 1_500, overrides: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Give the accuracy of the nearest neighbours' types, of cells kept aside: in the latents, and beside it in ten
    principal components of log(1 + x), each cell scaled to the same total."""
    frame, types = simulate(cells, seed=seed)
    zeros = float((frame.to_numpy() == 0).mean())
    about = {"task": "counts", "table": "simulated", "seed": seed, "zeros": zeros}
    test = round(TEST * len(frame))
    kinds = dict.fromkeys(frame.columns, "count")
    found = recipe.train(recipe.CONFIGS / "counts.yaml", frame[test:], kinds, seed, overrides)
    latents = found.vae.encode(found.schema.encode(frame)).mean().numpy()
    yield about | {"method": "tfvae", "accuracy": _neighbours(latents, types, test), "seconds": found.seconds}
    start, x = time.perf_counter(), frame.to_numpy(float)
    scaled = np.log1p(x / np.maximum(x.sum(axis=1, keepdims=True), 1.0) * np.median(x.sum(axis=1)))
    parts = PCA(10, random_state=seed).fit(scaled[test:]).transform(scaled)
    seconds = time.perf_counter() - start
    yield about | {"method": "pca", "accuracy": _neighbours(parts, types, test), "seconds": seconds}


def measure_evidence(seed: int, overrides: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Give log p(x) of real cells kept aside, given their totals: of the negative binomial, and beside it of Poisson.

    Raises:
        LeftOut: without celltypist.
    """
    frame = celltypist_cells()
    rows = np.random.default_rng(seed).permutation(len(frame))
    test, train = frame.iloc[rows[: len(frame) // 5]], frame.iloc[rows[len(frame) // 5 :]]
    kinds = dict.fromkeys(frame.columns, "count")
    poisson = "likelihood={table: {count: {Poisson: {offset: true}}}}"
    for method, more in (("tfvae", []), ("tfvae, Poisson", [poisson])):
        found = recipe.train(recipe.CONFIGS / "counts.yaml", train, kinds, seed, [*overrides, *more])
        nats = evaluation.log_marginal(found.vae, found.schema.encode(test), samples=1_000, seed=seed).mean
        about = {"task": "counts", "table": "celltypist", "seed": seed, "method": method}
        yield about | {"log p(x), nats": float(nats), "seconds": found.seconds}


def celltypist_cells() -> pd.DataFrame:
    """Read the cells that come with celltypist, raw counts of the genes that vary most; their types are not known.

    Raises:
        LeftOut: when it is not installed.
    """
    spec = importlib.util.find_spec("celltypist")  # found, not imported
    if spec is None or spec.origin is None:
        raise LeftOut("the real cells come with celltypist, which is not installed")
    path = pathlib.Path(spec.origin).parent / "data" / "samples" / "sample_cell_by_gene.csv"
    counts = pd.read_csv(path, index_col=0).round()
    logs = np.log1p(counts)
    chosen = logs.var().nlargest(GENES).index
    return counts[sorted(chosen)].reset_index(drop=True)


def _neighbours(latents: np.ndarray, types: np.ndarray, test: int) -> float:
    nearest = KNeighborsClassifier(NEIGHBOURS).fit(latents[test:], types[test:])
    return float(nearest.score(latents[:test], types[:test]))
