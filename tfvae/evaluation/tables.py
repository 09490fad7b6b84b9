"""Tables: how well the columns of rows are reconstructed, filled in and drawn, in units that columns share.

Rows are x as a schema encodes them, `[N, D]`, NaN where a cell is missing; of D columns, those of categories, booleans
and ordinals are codes, and the others, dates too, numbers.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.batches import over_batches
from tfvae.evaluation.samples import draws
from tfvae.model import VAE
from tfvae.tables import Column, Schema

__all__ = [
    "ColumnQuality",
    "column_deviations",
    "column_quality",
    "draw_rows",
    "fill_hidden",
    "is_coded",
    "marginal_distances",
    "reconstruct_rows",
    "schema_of",
    "typical_values",
]


class ColumnQuality(NamedTuple):
    """How near values of columns are to the true ones.

    Attributes:
        values: of numbers the root mean squared error, in deviations of the column; of categories the share that is
            right; NaN where no cell was compared, `[D]`.
        cells: how many were, `[D]`.
    """

    values: np.ndarray
    cells: np.ndarray


def is_coded(column: Column) -> bool:
    """Say whether a column holds codes: of categories, booleans or ordinals."""
    return bool(column.categories)


def schema_of(vae: VAE) -> Schema:
    """Give the schema of the table that a VAE models; raise NotApplicable where it models no table."""
    schema = vae.preprocessor_view.schema
    if schema is None:
        raise NotApplicable("x is no row of a table: the preprocessor has no schema of columns")
    return schema


def column_deviations(schema: Schema, x: np.ndarray) -> np.ndarray:
    """Measure the standard deviation of each column of numbers, gaps left out; 1 where there is no spread: `[D]`."""
    found = np.ones(len(schema.encoded))
    for place, column in enumerate(schema.encoded):
        there = _there(x[:, place])
        if not is_coded(column) and len(there) and np.ptp(there) > 0:
            found[place] = there.std()
    return found


def typical_values(schema: Schema, x: np.ndarray) -> np.ndarray:
    """Give the mean of each column of numbers, and the most frequent code of categories: `[D]`; 0 without any cell."""
    found = np.zeros(len(schema.encoded))
    for place, column in enumerate(schema.encoded):
        there = _there(x[:, place])
        if len(there):
            found[place] = np.bincount(there.astype(np.int64)).argmax() if is_coded(column) else there.mean()
    return found


def column_quality(schema: Schema, x: np.ndarray, found: np.ndarray, deviations: np.ndarray) -> ColumnQuality:
    """Compare values of columns with the true ones, where these are not missing.

    Args:
        schema: of the table.
        x: the true rows, `[N, D]`.
        found: other values of them, `[N, D]`, or `[D]`, the same for all rows.
        deviations: of the columns, `[D]`, as `column_deviations` measures them; those of training data, say.
    """
    x, found = np.asarray(x, np.float64), np.broadcast_to(np.asarray(found, np.float64), np.shape(x))
    coded = np.array([is_coded(column) for column in schema.encoded])
    there = ~np.isnan(x)
    cells = there.sum(axis=0)
    each = np.where(coded, x == found, ((x - found) / deviations) ** 2)
    with np.errstate(invalid="ignore"):
        mean = np.sum(np.where(there, each, 0.0), axis=0) / np.where(cells, cells, np.nan)
    return ColumnQuality(np.where(coded, mean, np.sqrt(mean)), cells)


def reconstruct_rows(vae: VAE, data: Any, verbose: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruct rows at the center of q(z|x): x, and the values that stand for p(x|z), `[N, D]` each.

    These are means, of categories the likeliest, as the likelihood's `value_of` gives them.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, D]`; of a conditional VAE, of pairs, or a pair.
        verbose: 1 shows a progress bar.
    """
    found = over_batches(vae, _rows_and_values, data, 0, verbose).T  # [N, 2 D]
    return found[:, : found.shape[1] // 2], found[:, found.shape[1] // 2 :]


def _rows_and_values(vae, _, batch, key):
    del key  # nothing is drawn
    given = vae.given(batch)
    decoded = given.decode(vae.posterior.center(given.posterior))
    value = vae.likelihood.value_of(vae.likelihood.summary(decoded))
    return tf.concat([tf.transpose(given.x), tf.transpose(value)], axis=0)  # [2 D, B]


def fill_hidden(
    vae: VAE, x: np.ndarray, condition: np.ndarray | None = None, share: float = 0.2, samples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Fill in cells that are hidden at random, by `vae.impute`: in each of 1 / share rounds that share of each column.

    So each cell that is there is hidden once, and filled in from those that are left of its row.

    Args:
        vae: the model.
        x: rows, `[N, D]`.
        condition: of a conditional VAE, `[N, k]`.
        share: of the cells of a column, 1 / 2, 1 / 3, 1 / 4, ...
        samples: importance samples for each row.
        seed: integer, of what is hidden when, and of the samples.

    Returns:
        `[N, D]`, what was filled in for each cell; NaN where the cell is missing.

    Raises:
        ValueError: when share is not of these.
    """
    rounds = round(1 / share)
    if rounds < 2 or abs(rounds * share - 1) > 1e-6:
        raise ValueError(f"share must be 1 / 2, 1 / 3, 1 / 4, ..., so that each cell is hidden once, not {share}")
    when = _deal(~np.isnan(x), rounds, np.random.default_rng(seed))  # [N, D]
    shown = np.concatenate([np.where(when == turn, np.float32(np.nan), x) for turn in range(rounds)])
    rows = shown if condition is None else (shown, np.tile(condition, (rounds, 1)))
    filled = np.asarray(vae.impute(rows, samples=samples, seed=seed)).reshape(rounds, *x.shape)
    return np.where(when < 0, np.nan, np.take_along_axis(filled, np.maximum(when, 0)[None], axis=0)[0])


def _deal(there: np.ndarray, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the cells of each column out to rounds, as many to each; -1 where there is none: integers `[N, D]`."""
    when = np.full(there.shape, -1)
    for place, column in enumerate(there.T):
        rows = rng.permutation(np.flatnonzero(column))
        when[rows, place] = (np.arange(len(rows)) + place) % rounds
    return when


def draw_rows(vae: VAE, count: int, conditions: Any = None, seed: int = 0) -> np.ndarray:
    """Draw rows from p(x) as the table could have them: rounded, and within the ranges of columns; `[count, D]`.

    Args:
        vae: the model.
        count: number of rows.
        conditions: of a conditional VAE, one for each row.
        seed: integer.

    Raises:
        NotApplicable: when the VAE models no table, or a draw is infinite.
    """
    schema = schema_of(vae)
    drawn = draws(vae, count, conditions, seed)
    if np.isinf(drawn).any():
        raise NotApplicable("some draws are not finite")
    return schema.encode(schema.decode(drawn, within=True))


def marginal_distances(schema: Schema, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Measure how far apart the columns of two sets of rows are, gaps left out: 0 to 1, NaN without any cell; `[D]`.

    Of numbers it is the statistic of Kolmogorov and Smirnov, the largest difference of the two distribution functions;
    of categories the total variation, half the sum of the differences of their shares. Two samples of one distribution
    are some sqrt(1 / N + 1 / M) apart: compare with what rows of the data have that were kept apart.

    Args:
        schema: of the table.
        x: rows, `[N, D]`.
        other: rows, `[M, D]`.
    """
    found = np.full(len(schema.encoded), np.nan)
    for place, column in enumerate(schema.encoded):
        one, two = _there(x[:, place]), _there(other[:, place])
        if len(one) and len(two):
            found[place] = (_total_variation if is_coded(column) else _kolmogorov_smirnov)(one, two)
    return found


def _kolmogorov_smirnov(one: np.ndarray, two: np.ndarray) -> float:
    one, two = np.sort(one), np.sort(two)
    at = np.concatenate([one, two])
    below = [np.searchsorted(values, at, side="right") / len(values) for values in (one, two)]
    return float(np.abs(below[0] - below[1]).max())


def _total_variation(one: np.ndarray, two: np.ndarray) -> float:
    size = int(max(one.max(), two.max())) + 1
    shares = [np.bincount(codes.astype(np.int64), minlength=size) / len(codes) for codes in (one, two)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _there(column: np.ndarray) -> np.ndarray:
    """Give what is not missing of a column, float64."""
    return np.asarray(column[~np.isnan(column)], np.float64)
