"""Rows that are unlike the others, found by tfvae and by pyod's detectors: sets of ADBench.

The protocol of ADBench (Han et al. 2022, arXiv:2206.09426), unsupervised: 70 % of the rows are for training, with the
anomalies that are among them, 30 % for the test, each with its share of anomalies; seeds 1 to 3.
"""

import pathlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

__all__ = ["METHODS", "SEEDS", "measure", "read"]

SEEDS = (1, 2, 3)
Scores = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # (training rows, test rows, seed) -> higher is odder


def read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a set of ADBench: rows `[N, D]`, and 1 for each anomaly."""
    with np.load(path) as arrays:
        return arrays["X"].astype(np.float64), arrays["y"].astype(int)


def measure(path: pathlib.Path, seed: int, methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the AUROC and the average precision of each method on one set."""
    x, anomaly = read(path)
    train, test, _, truth = train_test_split(x, anomaly, test_size=0.3, stratify=anomaly, random_state=seed)
    for method in methods:
        start = time.perf_counter()
        scores = np.minimum(
            METHODS[method](train, test, seed), np.finfo(np.float64).max
        )  # pyod's PCA has infinite ones
        seconds = time.perf_counter() - start
        scores = np.minimum(scores, np.finfo(np.float64).max)  # pyod's PCA has infinite ones
        found = {"auroc": float(roc_auc_score(truth, scores)), "ap": float(average_precision_score(truth, scores))}
        about = {"task": "anomalies", "table": path.stem, "seed": seed, "method": method}
        yield about | found | {"seconds": seconds}


def _tfvae(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from tfvae.detector import AnomalyDetector

    detector = AnomalyDetector(random_state=seed).fit(train)
    return -detector.score_samples(test)  # as scikit-learn's: the lower the odder


def _of_pyod(name: str, **settings: Any) -> Scores:
    """Give the scores of a detector of pyod, with its defaults; rows are scaled to 0..1, as ADBench does it."""

    def scores(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        from pyod.models import ecod, iforest, pca, vae

        classes = {"ecod": ecod.ECOD, "iforest": iforest.IForest, "pca": pca.PCA, "vae": vae.VAE}
        scale = MinMaxScaler().fit(train)
        seeds = {} if name == "ecod" else {"random_state": seed}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector = classes[name](**settings, **seeds).fit(scale.transform(train))
            return detector.decision_function(scale.transform(test))

    return scores


METHODS: dict[str, Scores] = {
    "tfvae": _tfvae,
    "iforest": _of_pyod("iforest"),
    "pca": _of_pyod("pca"),
    "ecod": _of_pyod("ecod"),
    "vae of pyod": _of_pyod("vae", verbose=0),
}
