"""What bounds and estimates the evidence log p(x), in nats."""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import distributions, objectives, random
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.model import VAE

__all__ = [
    "FewEffective",
    "Importance",
    "bits_per_dimension",
    "doubt",
    "elbo_terms",
    "log_marginal",
    "log_marginal_of_batch",
]

NUMBERS_AT_ONCE = 2**22  # decoded values that a chunk of samples may hold: 16 MB of float32

# A weighted mean of E effective samples has a relative error of about 1 / sqrt(E): with 10 that is 0.3 nats, and where
# so few weights rule the sum, the heavy ones that are missing are not seen in it either. The number of samples does
# not matter for that, so the limit is no share of them. A quick look, of fewer samples than this, claims no precision.
FEW_EFFECTIVE, WARN_FROM = 10, 1000


class FewEffective(RuntimeWarning):
    """So few importance samples are effective that an estimate is likely too low."""


@dataclasses.dataclass(frozen=True, eq=False)
class Importance(Estimate):
    """An `Estimate` by importance sampling, and how far its weights w can be trusted; each `[N]`, one per example.

    The further fields come from the same weights: where the samples miss the mass of p(z|x), they do not know it.
    """

    effective_samples: np.ndarray  # (sum w)^2 / sum w^2, from 1 to the number of samples; 0 where all w are 0
    errors: np.ndarray  # standard error of `values` that comes from the sampling, by the delta method, nats


def bits_per_dimension(nats: float, event_shape: int | Sequence[int]) -> float:
    """Compute -nats / (log 2 * number of dimensions): the unit of papers on discrete pixels, smaller is better.

    Of likelihoods that are `discrete`: the log of a density depends on the unit in which x is measured.
    """
    return -nats / (math.log(2.0) * math.prod(distributions.as_shape(event_shape)))


def elbo_terms(vae: VAE, data: Any, samples: int = 1, seed: int = 0, verbose: int = 0) -> dict[str, Estimate]:
    """Measure ELBO, reconstruction E_q[log p(x|z)] and KL(q(z|x) || p(z)) of each example, nats.

    Args:
        vae: the model; its objective does not matter.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        samples: draws of z per example.
        seed: integer; the result does not depend on the size of the batches.
        verbose: 1 shows a progress bar.

    Returns:
        dict of `Estimate`: `elbo`, `reconstruction`, `kl`.
    """
    objective = objectives.ELBO(samples=samples)
    values = over_batches(vae, _elbo_terms, data, seed, verbose, objective)
    return {name: Estimate(row) for name, row in zip(("elbo", "reconstruction", "kl"), values, strict=True)}


def _elbo_terms(vae, objective, batch, key):
    found = objective(vae.given(batch, seed=key))
    return tf.stack([found.elbo, found.reconstruction, found.kl])  # [3, B]


def log_marginal(vae: VAE, data: Any, samples: int = 5000, seed: int = 0, verbose: int = 0) -> Importance:
    """Estimate log p(x) of each example by importance sampling: log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x), nats.

    A lower bound in expectation, which tightens as S grows; the bound of IWAE with S samples (Burda, Grosse and
    Salakhutdinov 2015, arXiv:1509.00519). That of a `Deterministic` posterior is -infinity. The encoder runs once per
    example, and memory does not grow with `samples`.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        samples: S, draws of z per example.
        seed: integer.
        verbose: 1 shows a progress bar.

    Returns:
        `Importance`: its `mean` is the estimate for the data, its `standard_error` that over the examples; for each
        example there are the effective number of samples and the standard error that comes from the sampling.

    Warns:
        FewEffective: when, of 1000 samples or more, fewer than 10 are effective for over a tenth of the examples.
    """
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, not {samples}")
    values, effective = over_batches(vae, log_marginal_of_batch, data, seed, verbose, samples)
    found = Importance(values, effective, _errors(effective, samples))
    reason = doubt(found, samples)
    if reason:
        warnings.warn(f"log_marginal: {reason}", FewEffective, stacklevel=2)
    return found


def _errors(effective, samples):
    """Compute standard errors of log(mean of w), sd(w) / mean(w) / sqrt(S), of the effective samples (delta method)."""
    if samples < 2:
        return np.full_like(effective, math.nan)
    with np.errstate(divide="ignore"):  # where all weights are 0, nothing is known
        return np.sqrt(np.maximum(samples / effective - 1.0, 0.0) / (samples - 1))


def doubt(found: Importance, samples: int) -> str | None:
    """Say in a sentence why an `Importance` of so many samples is likely too low; None where nothing tells of it."""
    finite = np.isfinite(found.values)  # a point's bound is -infinity, which no samples would mend
    few = int(np.sum(found.effective_samples[finite] < FEW_EFFECTIVE))
    if samples < WARN_FROM or few <= 0.1 * len(found.values):
        return None
    return (
        f"for {few} of {len(found.values)} examples fewer than {FEW_EFFECTIVE} of {samples} samples are effective, so "
        "that log p(x) is likely too low: take more samples, or use evaluation.annealed"
    )


def log_marginal_of_batch(vae: VAE, samples: int, batch: Any, key: tf.Tensor) -> tf.Tensor:
    """Estimate log p(x) of a batch, nats, and count the effective samples: `[2, B]`."""
    given = vae.given(batch)
    at_once = chunk_size(given.x, samples)

    def log_sums(count, index):  # logs of the sums of these samples' weights, and of their squares, [2, B]
        z, log_q = given._replace(seed=random.fold(key, index)).draw(count)  # [S, B, n]
        log_weight = given.log_weight(z, log_q)  # [S, B]
        return tf.stack([tf.reduce_logsumexp(power * log_weight, axis=0) for power in (1.0, 2.0)])

    chunks, rest = divmod(samples, at_once)
    total = log_sums(rest, chunks) if rest else tf.fill([2, given.x.shape[0]], -math.inf)

    def add(index, total):
        return index + 1, tf.reduce_logsumexp(tf.stack([total, log_sums(at_once, index)]), axis=0)

    _, total = tf.while_loop(lambda index, _: index < chunks, add, [0, total], parallel_iterations=1)
    total, squares = tf.unstack(total)
    effective = tf.where(total > -math.inf, tf.exp(2.0 * total - squares), 0.0)
    return tf.stack([total - math.log(samples), effective])  # [2, B]


def chunk_size(x: tf.Tensor, samples: int) -> int:
    """Give how many of `samples` decodings of x `[B, *event]` are made at once."""
    return max(1, min(samples, NUMBERS_AT_ONCE // math.prod(x.shape)))
