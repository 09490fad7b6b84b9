"""Which rows are odd, and what is odd about them: scores, thresholds from held-out rows, and terms of columns; nats."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.anomaly_scores import SCORES, score_of_batch, score_rows
from tfvae.extras import require_extra
from tfvae.model import VAE

__all__ = ["Anomalies", "Scorer", "anomaly", "subtract_typical", "typical_terms"]


@dataclasses.dataclass(frozen=True)
class Scorer:
    """A score of rows, its threshold and the typical values of columns: a function that an export may trace.

    Attributes:
        score: name of the score.
        threshold: rows with more are flagged, nats.
        medians: of the terms of columns on the reference, D of them.
        samples: draws of z for each row.
        seed: integer, of the noise, which is the same for all rows.
    """

    score: str
    threshold: float
    medians: tuple[float, ...]
    samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise NotApplicable(f"a scorer has one of the scores {', '.join(SCORES)}, not {self.score!r}")

    def __call__(self, vae: VAE, x: Any, condition: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Score a batch of data as loaded `[B, ...]`: `score` `[B]`, `flag` bool `[B]`, `columns` `[B, D]`."""
        found = score_of_batch(vae, self.samples, x, condition, self.seed)
        score, columns = found[self.score], found["columns"]
        centred = tf.where(tf.math.is_nan(columns), 0.0, columns - tf.constant(self.medians, tf.float32))
        return {"score": score, "flag": score > tf.constant(self.threshold, tf.float32), "columns": centred}

    def get_config(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"medians": list(self.medians)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Scorer":
        return cls(**(config | {"medians": tuple(config["medians"])}))


@dataclasses.dataclass(frozen=True, eq=False)
class Anomalies:
    """How odd each of N rows is; bigger is odder, nats.

    Attributes:
        score: name of the score that was chosen.
        scores: name -> `[N]`.
        thresholds: name of a score -> the quantile of the reference's at 1 - contamination.
        flags: bool `[N]`: which rows lie above the threshold of that score.
        columns: `[N, D]`: how much odder each element of x is than it typically is on the reference; 0 where missing.
            D is 0 where the elements of x depend on each other given z.
        names: of the elements of x: those of the schema's columns, or their indices.
        scorer: the chosen score as a function of batches; None of regret.
        auroc, average_precision: name of a score -> number, where labels were given.
    """

    score: str
    scores: dict[str, np.ndarray]
    thresholds: dict[str, float]
    flags: np.ndarray
    columns: np.ndarray
    names: tuple[str, ...]
    scorer: Scorer | None
    auroc: dict[str, float] = dataclasses.field(default_factory=dict)
    average_precision: dict[str, float] = dataclasses.field(default_factory=dict)

    def odd_columns(self, n: int = 3) -> list[list[str]]:
        """Name the n oddest columns of each row, the oddest first: fewer where fewer are odder than is typical.

        Raises:
            NotApplicable: when there are no terms of columns.
        """
        if not self.columns.shape[1]:
            raise NotApplicable("the elements of x depend on each other given z: none of them is odd by itself")
        order = np.argsort(-self.columns, axis=1, kind="stable")[:, :n]
        return [[self.names[d] for d in row if terms[d] > 0] for row, terms in zip(order, self.columns, strict=True)]

    def __str__(self):
        head = f"{'score':<14}{'median':>10}{'threshold':>11}{'above':>9}"
        lines = [head + (f"{'AUROC':>8}{'AP':>8}" if self.auroc else "")]
        for name, values in self.scores.items():
            limit = self.thresholds[name]
            line = f"{name:<14}{np.median(values):>10.2f}{limit:>11.2f}{np.mean(values > limit):>9.1%}"
            if self.auroc:
                line += f"{self.auroc[name]:>8.3f}{self.average_precision[name]:>8.3f}"
            lines.append(line)
        return "\n".join([*lines, f"flagged: {self.flags.sum()} of {len(self.flags)} rows, by {self.score}"])


def anomaly(
    vae: VAE,
    reference: Any,
    rows: Any,
    labels: Any = None,
    contamination: float = 0.05,
    samples: int = 100,
    score: str | None = None,
    regret: int = 0,
    seed: int = 0,
    verbose: int = 0,
) -> Anomalies:
    """Tell how odd rows are, and which columns of them: -log p(x) and its parts, each held against held-out rows.

    `log_marginal` is -log p(x), importance-sampled; `elbo` the negative ELBO; `reconstruction` -E_q log p(x|z); `kl`
    KL(q(z|x) || p(z)); `regret`, by choice as it is slow, the ELBO of the row's own best q(z|x) less that of the
    encoder's (likelihood regret: Xiao, Yan and Amit 2020, arXiv:2003.02977). A row's scores do not depend on the other
    rows: a part of the rows scores as it does within the whole.

    Args:
        vae: the model.
        reference: rows that it was not trained on, all but a few of them normal: an array, `tf.data` or a data frame;
            of a conditional VAE a pair.
        rows: to be scored, likewise.
        labels: `[N]`, 1 for an anomaly and 0 for a normal row: then AUROC and average precision are measured.
        contamination: the share of the reference that lies above the thresholds, between 0 and 1.
        samples: draws of z for each row.
        score: by which rows are flagged; unless given log_marginal, or, where the posterior has no density,
            reconstruction.
        regret: steps of Adam in which each row's own posterior is found, such as 200; 0 leaves the regret out.
        seed: integer.
        verbose: 1 shows a progress bar.

    Raises:
        NotApplicable: of regret where the posterior is other than `DiagonalNormal`; of scores that a posterior without
            density has not.
        ValueError: when an argument is out of its range, labels do not fit, or rows do not.
    """
    score = score or ("log_marginal" if vae.posterior.has_density else "reconstruction")
    names = [*(SCORES if vae.posterior.has_density else ("reconstruction",)), *(["regret"] if regret else [])]
    _check(vae, names, contamination, samples, score, regret)
    if labels is not None:
        labels = _check_labels(labels)
    held_out, found = (score_rows(vae, data, samples, seed, regret, verbose) for data in (reference, rows))
    scores = {name: found[name] for name in names}
    if labels is not None and len(labels) != len(found["kl"]):
        raise ValueError(f"there are {len(labels)} labels, and {len(found['kl'])} rows: give each row one")
    thresholds = {name: float(np.quantile(held_out[name], 1 - contamination, method="lower")) for name in names}
    medians = typical_terms(held_out["columns"])
    columns = subtract_typical(found["columns"], medians)
    scorer = Scorer(score, thresholds[score], tuple(medians.tolist()), samples, seed) if score in SCORES else None
    return Anomalies(
        score,
        scores,
        thresholds,
        scores[score] > thresholds[score],
        columns,
        _names(vae),
        scorer,
        *(({}, {}) if labels is None else _measure(scores, labels)),
    )


def typical_terms(columns: np.ndarray) -> np.ndarray:
    """Give the median of each column's terms `[N, D]`, missing cells left out; 0 where all are: float32 `[D]`."""
    there = [column[~np.isnan(column)] for column in columns.T]
    return np.array([np.median(column) if len(column) else 0 for column in there], np.float32)


def subtract_typical(columns: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Give how much odder than typical each cell is, `[N, D]`, nats; 0 where it is missing."""
    return np.where(np.isnan(columns), np.float32(0), columns - medians)


def _names(vae: VAE) -> tuple[str, ...]:
    """Name the elements of x: the schema's columns, or indices."""
    schema, shape = vae.preprocessor_view.schema, vae.likelihood.event_shape
    if schema is not None:
        return schema.names
    if len(shape) == 1:
        return tuple(map(str, range(shape[0])))
    return tuple(", ".join(map(str, index)) for index in np.ndindex(*shape))


def _check(vae: VAE, names: list[str], contamination: float, samples: int, score: str, regret: int) -> None:
    if not 0 < contamination < 1:
        raise ValueError(f"contamination must be above 0 and below 1, not {contamination}")
    if samples < 1 or regret < 0:
        raise ValueError(f"samples must be 1 or more, and regret, steps, 0 or more; not {samples} and {regret}")
    if score in SCORES and score not in names:
        raise NotApplicable(
            f"the posterior {type(vae.posterior).__name__} has no density, so that {score} is infinite: take "
            "score='reconstruction'"
        )
    if score not in names:
        hint = ": give regret, the steps of Adam that find it" if score == "regret" else ""
        raise ValueError(f"score must be one of {', '.join(names)}, not {score!r}{hint}")


def _check_labels(labels: Any) -> np.ndarray:
    """Give labels as whole numbers `[N]`, 1 for an anomaly; raise ValueError of others."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels must be 0, or 1 for an anomaly, [N], not {labels.dtype} of shape {labels.shape}")
    if len(np.unique(labels)) < 2:
        raise ValueError("all labels are the same: AUROC needs anomalies, 1, and normal rows, 0")
    return labels.astype(int)


def _measure(scores: dict[str, np.ndarray], labels: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Measure the area under the ROC curve, and average precision, of each score."""
    with require_extra("evaluate"):
        from sklearn.metrics import average_precision_score, roc_auc_score

    largest = float(np.finfo(np.float32).max)  # scikit-learn refuses infinity
    finite = {name: np.nan_to_num(values, nan=largest) for name, values in scores.items()}
    auroc = {name: float(roc_auc_score(labels, values)) for name, values in finite.items()}
    return auroc, {name: float(average_precision_score(labels, values)) for name, values in finite.items()}
