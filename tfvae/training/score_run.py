"""How odd the rows of a table are to the model of a finished run."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae import evaluation, model, progress
from tfvae.training import finished_run
from tfvae.training.rows_run import TableRun, Unknown, write_pieces

if TYPE_CHECKING:
    import pandas as pd

    from tfvae import config

__all__ = ["make_scorer", "score_table"]

COLUMNS = 3  # that are named as odd, at most


def make_scorer(
    vae: model.VAE, experiment: "config.Experiment", contamination: float = 0.05, samples: int = 100
) -> evaluation.Scorer:
    """Make the scorer of a run: a score, and the threshold that a share `contamination` of held-out rows pass.

    The score is -log p(x), nats; of a posterior without density, such as an autoencoder's, -log p(x|z).

    Args:
        vae: of the run.
        experiment: of the run, whose validation split is held out.
        contamination: between 0 and 1.
        samples: draws of z for each row.

    Raises:
        ConfigError: when the run held out no validation split.
    """
    progress.doing("scoring the validation split, for the threshold")
    reference = finished_run.read_data(vae, experiment, "validation")
    found = evaluation.anomaly(vae, reference, reference, None, contamination, samples)
    assert found.scorer is not None  # only regret has none
    return found.scorer


def score_table(
    run: str | os.PathLike,
    source: str | os.PathLike,
    output: str | os.PathLike,
    contamination: float = 0.05,
    samples: int = 100,
    unknown: Unknown = "refuse",
) -> int:
    """Write how odd each row of a table is.

    Args:
        run: a finished run, trained on a table.
        source: the table: a file, a folder of files or a pattern.
        output: a .csv or .parquet file: columns that the model does not look at (labels, ignored ones), then `score`,
            as `make_scorer` says, in nats, `flag`, whether it is beyond the threshold, and `odd_columns`, those that
            are oddest for this row, the oddest first.
        contamination: the share of held-out rows that lie beyond the threshold.
        samples: draws of z for each row.
        unknown: as for `TableRun`.

    Returns:
        how many rows there are.
    """
    vae, experiment = finished_run.load(run)
    table = TableRun.of(vae, run, unknown)
    scorer = make_scorer(vae, experiment, contamination, samples)
    names = np.array(table.schema.names)

    def of_piece(first: int, frame: "pd.DataFrame") -> "pd.DataFrame":
        found = evaluation.score_rows(vae, table.loaded(frame), samples)
        terms = evaluation.subtract_typical(found["columns"], np.array(scorer.medians, np.float32))
        named: dict[str, Any] = {
            "score": found[scorer.score],
            "flag": found[scorer.score] > scorer.threshold,
            "odd_columns": [", ".join(names[odd]) for odd in map(_odd, terms)],
        }
        return table.beside(frame, named)

    return write_pieces(table, source, output, "scoring", of_piece)


def _odd(terms: np.ndarray) -> np.ndarray:
    """Give the indices of the oddest columns of a row, of its terms `[D]`: of those that are odder than is typical."""
    order = np.argsort(-terms, kind="stable")[:COLUMNS]
    return order[terms[order] > 0]
