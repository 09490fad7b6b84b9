"""How well single latents stand for single known factors: from codes `[N, n]` and factors `[N, k]` of N examples.

All scores lie between 0 and 1, larger is better; how they differ and how much they vary from seed to seed is in
Locatello et al. 2019, arXiv:1811.12359. A factor with one value in the table says nothing and is left out.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.batches import over_batches
from tfvae.extras import require_extra
from tfvae.model import VAE

__all__ = ["DCI", "codes", "dci", "factor_vae_score", "mig", "sap"]


def codes(vae: VAE, data: Any, verbose: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Encode data: the centers of q(z|x), for most posteriors the means, beside the factors that x was made from.

    Args:
        vae: the model; a conditional one is conditioned on the factors.
        data: `tf.data` of batches of pairs (x as loaded, factors `[B, k]`), such as
            `data.load("shapes", "test[:10000]", condition="factors")`, or a pair of arrays.
        verbose: 1 shows a progress bar.

    Returns:
        float32 `[N, n]`, int64 `[N, k]`.

    Raises:
        ValueError: when the data are not pairs, or the factors no integers.
    """
    spec = data.element_spec if isinstance(data, tf.data.Dataset) else data
    if not isinstance(spec, (tuple, list)) or len(spec) != 2:
        raise ValueError(
            "the data must be pairs (x, factors): load them with condition='factors', or another name of known factors"
        )
    k = math.prod(spec[1].shape[1:])
    table = over_batches(vae, _codes_and_factors, data, 0, verbose).T  # [N, n + k]
    found, factors = table[:, :-k], table[:, -k:]
    if not np.array_equal(factors, np.round(factors)):
        raise ValueError("factors must be integers, one for each value; to use measurements, cut them into bins")
    return found, factors.astype(np.int64)


def _codes_and_factors(vae, _, batch, key):
    del key  # the posterior is not drawn from
    x, factors = batch
    centers = vae.posterior.center(vae.given(batch if vae.condition_size else x).posterior)
    factors = tf.reshape(tf.cast(factors, tf.float32), [tf.shape(factors)[0], -1])  # exact below 2^24
    return tf.concat([tf.transpose(centers), tf.transpose(factors)], axis=0)  # [n + k, B]


def mig(codes: np.ndarray, factors: np.ndarray, bins: int = 20) -> float:
    """Score the mutual information gap: how much more the best latent knows of a factor than the second; 0 to 1.

    The difference of the two mutual informations, in parts of the factor's entropy; mean over the factors. Chen, Li,
    Grosse and Duvenaud 2018, arXiv:1802.04942, with latents cut into bins as in Locatello et al. 2019,
    arXiv:1811.12359. A factor with more values than bins cannot reach 1: one of 32 reaches log 20 / log 32 = 0.86.

    Args:
        codes: floats `[N, n]`.
        factors: integers `[N, k]`.
        bins: of equal width, from the smallest to the largest value of each latent.
    """
    codes, factors = _check(codes, factors)
    cut = np.stack([_cut_into_bins(column, bins) for column in codes.T])  # [n, N]
    gaps = []
    for factor in factors.T:
        known = np.sort([_mutual_information(column, factor) for column in cut] + [0.0])  # 0: a latent of no use
        gaps.append((known[-1] - known[-2]) / _mutual_information(factor, factor))
    return float(np.mean(gaps))


def _cut_into_bins(column, bins):
    """Cut floats `[N]` into bins of equal width: the index of each one's bin."""
    low, high = column.min(), column.max()
    if low == high:
        return np.zeros(len(column), np.int64)
    return np.minimum((bins * ((column - low) / (high - low))).astype(np.int64), bins - 1)


def _mutual_information(a, b):
    """Compute the mutual information of integers `[N]` from 0, nats; of a column and itself it is its entropy."""
    joint = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1)) / len(a)
    joint = joint.reshape(a.max() + 1, b.max() + 1)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return max(0.0, float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen]))))


class DCI(NamedTuple):
    """Three scores from 0 to 1, larger is better; see `dci`."""

    disentanglement: float  # each latent matters to one factor only
    completeness: float  # each factor is held by one latent only
    informativeness: float  # accuracy of the predictions on rows not trained on; chance is not 0


def dci(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> DCI:
    """Score disentanglement, completeness and informativeness.

    Eastwood and Williams 2018, "A framework for the quantitative evaluation of disentangled representations".

    A random forest predicts each factor from the codes; how much it uses each latent, 1 minus the entropy of that over
    factors (for each latent, weighted by its use) and over latents (for each factor, plain mean) are the first two
    scores. Half of the rows are for training, the others for the accuracy. Boosted trees, a tree for each value of a
    factor in each round, took 14 times as long for importances much alike (1000 rows of `shapes`).

    Args:
        codes: floats `[N, n]`.
        factors: integers `[N, k]`.
        seed: of the forests and of the division into halves.
    """
    with require_extra("evaluate"):
        from sklearn.ensemble import RandomForestClassifier

    codes, factors = _check(codes, factors)
    train, test = _split_rows(len(codes), seed)
    use, accuracy = np.zeros((codes.shape[1], factors.shape[1])), []
    for j, factor in enumerate(factors.T):
        forest = RandomForestClassifier(20, max_features=None, min_samples_leaf=2, random_state=seed)
        forest.fit(codes[train], factor[train])
        use[:, j] = forest.feature_importances_
        accuracy.append(forest.score(codes[test], factor[test]))
    weight = use.sum(axis=1) / max(use.sum(), 1e-12)  # all 0 where no latent is of use
    return DCI(float(weight @ _purity(use)), float(np.mean(_purity(use.T))), float(np.mean(accuracy)))


def _purity(use):
    """Compute 1 minus the entropy of each row's shares, in parts of that of equal shares, `[a, b] -> [a]`."""
    share = use / np.maximum(use.sum(axis=1, keepdims=True), 1e-12)
    entropy = -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=1)
    return np.where(use.sum(axis=1) > 0, 1 - entropy / math.log(max(use.shape[1], 2)), 0.0)


def sap(codes: np.ndarray, factors: np.ndarray, categorical: Sequence[int] = (), seed: int = 0) -> float:
    """Score separated attribute predictability: how much better the best latent predicts than the second; 0 to 1.

    Kumar, Sattigeri and Balakrishnan 2018, arXiv:1711.00848.

    The score of a latent is R^2 of a linear regression; for factors without order the balanced accuracy of thresholds
    on the latent, on rows not trained on, moved so that chance is 0.

    Args:
        codes: floats `[N, n]`.
        factors: integers `[N, k]`.
        categorical: the columns of factors whose values have no order, such as `[0]`, the shape, for `shapes`.
        seed: of the division of rows.
    """
    unordered = np.isin(np.arange(np.shape(factors)[-1]), list(categorical))
    codes, factors, kept = _check(codes, factors, with_kept=True)
    gaps = []
    for factor, classes in zip(factors.T, unordered[kept], strict=True):
        score = _threshold_score if classes else _r_squared
        scores = np.sort([score(column, factor, seed) for column in codes.T] + [0.0])
        gaps.append(scores[-1] - scores[-2])
    return float(np.mean(gaps))


def _r_squared(column, factor, seed):
    del seed  # in closed form
    if column.min() == column.max():
        return 0.0
    return float(np.corrcoef(column, factor)[0, 1] ** 2)


def _threshold_score(column, factor, seed):
    train, test = _split_rows(len(column), seed)
    with require_extra("evaluate"):
        from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=factor.max() + 1, min_samples_leaf=5, class_weight="balanced", random_state=seed
    )
    tree.fit(column[train, None], factor[train])
    right = tree.predict(column[test, None]) == factor[test]
    classes = np.unique(factor[test])
    if len(classes) < 2:
        return 0.0
    balanced = np.mean([right[factor[test] == c].mean() for c in classes])
    return max(0.0, float((balanced - 1 / len(classes)) / (1 - 1 / len(classes))))


def factor_vae_score(codes: np.ndarray, factors: np.ndarray, votes: int = 1000, rows: int = 64, seed: int = 0) -> float:
    """Score how well the latent that varies least while one factor is fixed tells which factor that was; up to 1.

    Kim and Mnih 2018, arXiv:1802.05983. For each vote a factor and a value of it are drawn, then rows of the table
    with this value; the vote is the latent whose variance, in parts of that over the whole table, is least. Each latent
    is taken to tell the factor that got most of its votes; the score is how often this is right for as many new votes.
    Latents that are constant have no vote. Chance is 1 / k, and it is 0 where all latents are constant.

    Args:
        codes: floats `[N, n]`.
        factors: integers `[N, k]`.
        votes: in each of the two rounds.
        rows: for a vote; all rows with the value, where there are fewer. Values that only one row has are not drawn.
        seed: of the draws.

    Raises:
        NotApplicable: when no value of a factor has two rows.
    """
    codes, factors = _check(codes, factors)
    varies = codes.min(axis=0) < codes.max(axis=0)
    if not varies.any():
        return 0.0
    codes = codes[:, varies] / codes[:, varies].std(axis=0)
    groups = [_group_rows(factor, j) for j, factor in enumerate(factors.T)]
    rng = np.random.default_rng(seed)

    def count():  # votes of each latent for each factor, [n, k]
        counted = np.zeros((codes.shape[1], len(groups)), np.int64)
        for j in rng.integers(len(groups), size=votes):
            group = groups[j][rng.integers(len(groups[j]))]
            chosen = rng.choice(group, min(rows, len(group)), replace=False)
            counted[np.argmin(codes[chosen].var(axis=0)), j] += 1
        return counted

    told = np.argmax(count(), axis=1)
    return float(count()[np.arange(len(told)), told].sum() / votes)


def _group_rows(factor, j):
    """Group the rows of integers `[N]` by value, of values that two rows or more have."""
    order = np.argsort(factor, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(factor[order])) + 1)
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        raise NotApplicable(f"each value of factor {j} is in one row only: give more rows, so that values come again")
    return groups


def _split_rows(count, seed):
    """Split rows at random into those to train on and those to test on."""
    rows = np.random.default_rng(seed).permutation(count)
    return rows[: count // 2], rows[count // 2 :]


def _check(codes, factors, with_kept=False):
    """Check the table; give codes float64 `[N, n]`, and the factors that vary, as integers from 0 without gaps."""
    codes, factors = np.asarray(codes), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 2:
        raise ValueError(
            f"codes must be [N, n] and factors [N, k], of the same two or more examples; they are {codes.shape} and "
            f"{factors.shape}"
        )
    if factors.dtype.kind not in "iub":
        raise ValueError(f"factors must be integers, not {factors.dtype}: cut measurements into bins")
    if not np.isfinite(codes).all():
        raise ValueError("some codes are not finite")
    kept = (factors != factors[0]).any(axis=0)
    if not kept.any():
        raise NotApplicable("no factor varies: give examples that differ in their factors")
    factors = np.stack([np.unique(column, return_inverse=True)[1] for column in factors.T[kept]], axis=1)
    codes = codes.astype(np.float64)
    return (codes, factors, kept) if with_kept else (codes, factors)
