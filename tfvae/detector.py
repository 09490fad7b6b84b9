"""`AnomalyDetector`: VAEs of a table as an outlier detector of scikit-learn."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np

from tfvae import ensemble, evaluation, tables
from tfvae.compatibility import is_frame
from tfvae.evaluation.anomaly import subtract_typical, typical_terms
from tfvae.evaluation.anomaly_scores import SCORES
from tfvae.extras import require_extra

with require_extra("evaluate"):
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["AnomalyDetector"]

LARGEST = float(np.finfo(np.float32).max)  # stands for an infinite score, which scikit-learn refuses


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Find odd rows of a table without labels, by -log p(x) of several small VAEs: an outlier detector of scikit-learn.

    The rows are an array of numbers or a data frame with columns of any kind (`tables.Schema` finds which); missing
    cells, NaN, are left out of p(x). Each member starts from other weights, and holds out a fifth of the rows, which
    say when it is trained enough. The training rows may hold anomalies: inliers are learned first, and the rows that
    are the oddest after that are left out. Scores are averaged over members. Han et al. 2024, arXiv:2408.09791.

    A row's score does not depend on the rows beside it.

    Args:
        contamination: the share of the training rows that is flagged, above 0 and to 0.5.
        latent_size: of z. A model with many latents learns odd rows too.
        units: widths of the encoder's layers; the decoder has them turned around.
        epochs: passes over the rows at most.
        patience: passes without a better ELBO of the held-out rows, after which a member is done.
        batch_size: rows of a step.
        learning_rate: of Adam.
        trim: the share of the rows that a member leaves out of its training after its first steps, the oddest ones; at
            least 0, and below 1. Choose more than the share of anomalies that you expect.
        members: how many VAEs are averaged.
        samples: draws of z for the score of a row.
        random_state: integer, `numpy.random.RandomState`, or None for another result each time.
        criterion: the score, log_marginal, elbo, reconstruction or kl, as of `evaluation.anomaly`; scikit-learn has
            `score` for a method.

    Attributes:
        offset_: the score below which rows are flagged.
        schema_: `tables.Schema` of the columns.
        vae_: the VAE, which has the weights of one member at a time.
        weights_: of each member.
        elbos_: the best ELBO of each member's held-out rows, nats.
        medians_: typical terms of the columns, of which `score_columns` gives the excess.
        n_features_in_, feature_names_in_: as of scikit-learn's estimators.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        latent_size: int = 2,
        units: Sequence[int] = (64, 32),
        epochs: int = 300,
        patience: int = 50,
        batch_size: int = 128,
        learning_rate: float = 5e-3,
        trim: float = 0.2,
        members: int = 5,
        samples: int = 50,
        random_state: Any = 0,
        criterion: str = "log_marginal",
    ):
        self.contamination = contamination
        self.latent_size = latent_size
        self.units = units
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.trim = trim
        self.members = members
        self.samples = samples
        self.random_state = random_state
        self.criterion = criterion

    def fit(self, X: Any, y: Any = None) -> "AnomalyDetector":
        """Learn what is normal among rows X, an array `[N, D]` or a data frame; y is not used.

        Raises:
            ValueError: when an argument is out of its range, or X is no table of two rows or more.
        """
        self._check_arguments()
        rows = self._rows(X, reset=True)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.seed_ = seed
        self.vae_ = ensemble.make_vae(self.schema_, self.latent_size, self.units, seed)
        training = ensemble.Training(
            self.members,
            self.epochs,
            self.patience,
            self.batch_size,
            self.learning_rate,
            self.trim,
            self.samples,
            seed,
        )
        self.weights_, self.elbos_ = ensemble.train_members(self.vae_, rows, training)
        found = self._score(rows)
        self.medians_ = typical_terms(found["columns"])
        self.offset_ = float(np.percentile(-found["score"], 100.0 * self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Give the score of each row, `[N]` nats, averaged over members; bigger is more normal."""
        check_is_fitted(self)
        return -self._score(self._rows(X))["score"]

    def decision_function(self, X: Any) -> np.ndarray:
        """Give `score_samples(X) - offset_`, `[N]`: negative where a row is flagged."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Say -1 of rows that are flagged, and 1 of the others, `[N]`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score_columns(self, X: Any) -> np.ndarray:
        """Give how much odder each cell is than is typical of its column, `[N, D]` nats; 0 where it is missing.

        D is the number of the columns that are encoded, `schema_.names`.
        """
        check_is_fitted(self)
        return subtract_typical(self._score(self._rows(X))["columns"], self.medians_)

    def _score(self, rows: np.ndarray) -> dict[str, Any]:
        """Average `score` `[N]` and `columns` `[N, D]` over members, float64."""
        of_members = [
            evaluation.score_rows(vae, rows, self.samples, self.seed_)
            for vae in ensemble.iterate_members(self.vae_, self.weights_)
        ]
        score = np.mean([found[self.criterion] for found in of_members], axis=0, dtype=np.float64)
        columns = np.mean([found["columns"] for found in of_members], axis=0, dtype=np.float64)
        return {"score": np.nan_to_num(score, nan=LARGEST, posinf=LARGEST), "columns": columns}

    def _rows(self, X: Any, reset: bool = False) -> np.ndarray:
        """Give rows as the schema encodes them, which is found anew where `reset`: float32 `[N, D]`."""
        if _has_names(X) and (reset or hasattr(self, "feature_names_in_")):
            frame = tables.read(validate_data(self, X, reset=reset, skip_check_array=True))
            if len(frame) < 1 + reset:
                raise ValueError(f"Found array with {len(frame)} sample(s): a minimum of {1 + reset} is required")
            if reset:
                self.schema_ = tables.Schema.infer(frame)
            return self.schema_.encode(frame, unknown="allow")
        named = not reset and hasattr(self, "feature_names_in_")
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=None if named else np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=1 + reset,
        )
        if named:
            return self.schema_.encode(_frame(X, self.feature_names_in_), unknown="allow")
        if reset:
            self.schema_ = tables.Schema(tuple(_number(d, column) for d, column in enumerate(X.T)), rows=len(X))
        origins = [column.origin for column in self.schema_.encoded]
        return (X - origins).astype(np.float32)

    def _check_arguments(self) -> None:
        """Check the arguments of the constructor, which by scikit-learn's rules does not; raise ValueError."""
        counts = {"members": self.members, "epochs": self.epochs, "patience": self.patience, "samples": self.samples}
        counts |= {"batch_size": self.batch_size, "latent_size": self.latent_size}
        if not isinstance(self.units, Iterable):
            raise ValueError(f"units must be widths of layers, such as (64, 32), not {self.units!r}")
        for name, value in [*counts.items(), *(("units", width) for width in self.units)]:
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be whole numbers from 1, not {value!r}")
        if not isinstance(self.contamination, Real) or not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination must be above 0, and 0.5 at most, not {self.contamination!r}")
        if not isinstance(self.trim, Real) or not 0 <= self.trim < 1:
            raise ValueError(f"trim must be 0 or more, and below 1, not {self.trim!r}")
        if not isinstance(self.learning_rate, Real) or not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if self.criterion not in SCORES:
            raise ValueError(f"criterion must be one of {', '.join(SCORES)}, not {self.criterion!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "vae_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "vae.keras")
                state["vae_"].save(path)
                with open(path, "rb") as file:
                    state["vae_"] = file.read()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "vae_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "vae.keras")
                with open(path, "wb") as file:
                    file.write(state["vae_"])
                state["vae_"] = keras.saving.load_model(path)
        super().__setstate__(state)


def _has_names(X: Any) -> bool:
    """Say whether X is a data frame whose columns have names of text; others scikit-learn takes for arrays."""
    return is_frame(X) and all(isinstance(name, str) for name in X.columns)


def _number(place: int, values: np.ndarray) -> tables.Column:
    """Describe a column of numbers of an array; near its origin float32 keeps them well."""
    there = values[~np.isnan(values)]
    origin = float(np.median(there)) if len(there) else 0.0
    missing = float(np.mean(np.isnan(values)))
    return tables.Column(f"x{place}", "number", "float64", origin=origin, missing=missing)


def _frame(values: np.ndarray, names: Sequence[str]) -> Any:
    """Give an array the names of columns that a data frame had."""
    return tables.read(values).set_axis(list(names), axis=1)
