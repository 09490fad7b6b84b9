"""How much the columns of a table have to do with each other, two by two."""

import math

import numpy as np

from tfvae.evaluation.tables import is_coded
from tfvae.tables import Schema

__all__ = ["associations"]


def associations(schema: Schema, x: np.ndarray, first: int | None = None) -> np.ndarray:
    """Measure how strongly each two columns are associated, 0 to 1: `[D, D]`, symmetric.

    Of two columns of numbers it is the magnitude of Pearson's correlation; of two of categories Cramer's V, the root of
    chi-squared / (N (min(classes) - 1)) (Cramer 1946, "Mathematical Methods of Statistics", section 21.9); of one of
    each the correlation ratio, the root of the share of the variance that lies between categories (Fisher 1925,
    "Statistical Methods for Research Workers"). None is corrected for chance: of N rows without any association they
    are not 0, so compare tables of as many rows.

    Args:
        schema: of the table.
        x: rows as it encodes them, `[N, D]`; each pair of columns is measured on the rows that have both.
        first: how many columns, the first ones; all unless given.

    Returns:
        NaN where one of two columns has no spread in the rows that have both; on the diagonal 1, or NaN.
    """
    columns = [np.asarray(column, np.float64) for column in np.asarray(x).T[:first]]
    coded = [is_coded(column) for column in schema.encoded]
    found = np.full((len(columns), len(columns)), np.nan)
    for i, one in enumerate(columns):
        for j in range(i, len(columns)):
            both = ~(np.isnan(one) | np.isnan(columns[j]))
            found[i, j] = found[j, i] = _associate(one[both], coded[i], columns[j][both], coded[j])
    return found


def _associate(one: np.ndarray, one_coded: bool, other: np.ndarray, other_coded: bool) -> float:
    """Measure the association of two columns without gaps; NaN where one is constant."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    if one_coded and other_coded:
        return _cramers_v(_codes(one), _codes(other))
    if one_coded or other_coded:
        return _correlation_ratio(*((_codes(one), other) if one_coded else (_codes(other), one)))
    return _correlation(one, other)


def _codes(column: np.ndarray) -> np.ndarray:
    """Give codes as integers from 0 without gaps."""
    return np.unique(column, return_inverse=True)[1]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = (column / np.abs(column).max() for column in (one - one.mean(), other - other.mean()))  # no overflow
    return float(min(1.0, abs(one @ other) / math.sqrt((one @ one) * (other @ other))))


def _cramers_v(one: np.ndarray, other: np.ndarray) -> float:
    shape = one.max() + 1, other.max() + 1
    joint = np.bincount(one * shape[1] + other, minlength=shape[0] * shape[1]).reshape(shape) / len(one)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float(min(1.0, math.sqrt(np.sum((joint - apart) ** 2 / apart) / (min(shape) - 1))))


def _correlation_ratio(codes: np.ndarray, numbers: np.ndarray) -> float:
    numbers = numbers - numbers.mean()
    numbers = numbers / np.abs(numbers).max()
    counts, sums = np.bincount(codes), np.bincount(codes, weights=numbers)
    return float(min(1.0, math.sqrt(np.sum(sums**2 / counts) / (numbers @ numbers))))
