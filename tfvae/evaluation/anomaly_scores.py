"""How odd rows are: scores of a batch, which an export may hold too, and of all rows of data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae import compatibility, random
from tfvae.compatibility import NotApplicable
from tfvae.data import disable_tuning
from tfvae.distributions import draw_rows_alike, log_prob_of_elements
from tfvae.evaluation.batches import over_batches
from tfvae.evaluation.gaps import refine_batch
from tfvae.model import VAE
from tfvae.objectives import Given

__all__ = ["SCORES", "score_of_batch", "score_rows"]

SCORES = ("log_marginal", "elbo", "reconstruction", "kl")  # of each row, from one set of draws
ROWS = 128  # that go through together, the last ones too: one program, and the same rounding wherever a row stands
NUMBERS_AT_ONCE = 2**22  # decoded values that a chunk of samples may hold: 16 MB of float32
DRAWS, RATE = 16, 0.02  # of z in each step of Adam that refines a row's posterior, and its first learning rate


class _Sums(NamedTuple):
    """What is known after some samples of each row.

    Attributes:
        total: logarithm of the sum of their importance weights `[B]`.
        reconstruction: sum of log p(x|z) `[B]`.
        kl: sum of the KL, as often as there are samples `[B]`.
        elements: log p(x_d|z) averaged by weight `[B, D]`.
    """

    total: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor
    elements: tf.Tensor


def score_of_batch(
    vae: VAE, samples: int, x: Any, condition: tf.Tensor | None = None, seed: int = 0
) -> dict[str, tf.Tensor]:
    """Score a batch, nats; bigger is odder. It is a pure function of the rows: an export may trace it, without a seed.

    All rows have the same noise, so that a row's scores depend neither on its place nor on its neighbours.

    Args:
        vae: the model.
        samples: draws of z from q(z|x) for each row.
        x: as loaded, `[B, ...]`.
        condition: of a conditional VAE, `[B, k]`.
        seed: integer, a constant of the function.

    Returns:
        `log_marginal`, which is -log p(x), importance-sampled; `elbo`, the negative ELBO; `reconstruction`,
        -E_q log p(x|z); `kl`, KL(q(z|x) || p(z)); each `[B]`. And `columns` `[B, D]`: -E log p(x_d|z) under p(z|x), by
        the same importance weights, of each of the D elements of x; NaN where one is missing. D is 0 where the elements
        of x depend on each other given z.
    """
    given = vae.given(x if condition is None else (x, condition))
    width = int(np.prod(vae.likelihood.event_shape))
    at_once = max(1, min(samples, NUMBERS_AT_ONCE // (ROWS * width)))
    key = random.seed(seed, random.Stream.EVALUATION)

    def sums(count, index):
        return _sums_of(given, vae.posterior.has_density, count, random.fold(key, index))

    chunks, rest = divmod(samples, at_once)
    found = sums(rest, chunks) if rest else sums(at_once, 0)
    first = 0 if rest else 1
    if chunks > first:
        _, found = tf.while_loop(
            lambda index, _: index < chunks,
            lambda index, found: (index + 1, _join(found, sums(at_once, index))),
            [first, found],
            parallel_iterations=1,
        )
    reconstruction, kl = found.reconstruction / samples, found.kl / samples
    log_marginal = found.total - tf.math.log(float(samples))
    return {
        "log_marginal": -log_marginal,
        "elbo": kl - reconstruction,
        "reconstruction": -reconstruction,
        "kl": kl,
        "columns": -found.elements,
    }


def _sums_of(given: Given, has_density: bool, count: int, key: tf.Tensor) -> _Sums:
    """Draw `count` samples of each row, with the same noise for all rows."""
    z = draw_rows_alike(given.posterior, count, key)  # [S, B, n]
    log_q, decoded = given.posterior.log_prob(z), given.decode(z)  # [S, B]
    elements = _elements(decoded, given.x)  # [S, B, D]
    log_likelihood = tf.reduce_sum(elements, axis=-1) if elements.shape[-1] else decoded.log_prob(given.x)  # [S, B]
    log_weight = log_likelihood + given.prior.log_prob(z) - log_q
    total = tf.reduce_logsumexp(log_weight, axis=0)  # [B]
    trusted = tf.math.is_finite(total) & has_density  # else all samples count alike
    weight = tf.where(trusted, tf.exp(log_weight - total), 1.0 / count)
    averaged = tf.reduce_sum(tf.math.multiply_no_nan(elements, weight[..., None]), axis=0)  # [B, D]
    missing = tf.reshape(tf.math.is_nan(given.x), [tf.shape(given.x)[0], -1])[:, : elements.shape[-1]]
    return _Sums(
        total,
        tf.reduce_sum(log_likelihood, axis=0),
        count * given.kl(z, log_q),
        tf.where(missing, np.float32(np.nan), averaged),
    )


def _elements(decoded: Any, x: tf.Tensor) -> tf.Tensor:
    """Give log p(x_d|z) `[S, B, D]` of the elements of x; D is 0 where they depend on each other."""
    shape = decoded.batch_shape_tensor()
    if log_prob_of_elements.dispatch(type(decoded)) is log_prob_of_elements.dispatch(object):
        return tf.zeros(tf.concat([shape, [0]], axis=0))
    found = log_prob_of_elements(decoded, x)
    size = int(np.prod(decoded.event_shape))
    return tf.ensure_shape(tf.reshape(found, tf.concat([shape, [size]], axis=0)), [*decoded.batch_shape, size])


def _join(old: _Sums, new: _Sums) -> _Sums:
    """Take further samples into account."""
    total = tf.reduce_logsumexp(tf.stack([old.total, new.total]), axis=0)
    share = tf.where(tf.math.is_finite(total), tf.exp(new.total - total), 0.5)[:, None]  # of the new ones, [B, 1]
    elements = old.elements + share * (new.elements - old.elements)
    return _Sums(total, old.reconstruction + new.reconstruction, old.kl + new.kl, elements)


def score_rows(vae: VAE, data: Any, samples: int, seed: int = 0, regret: int = 0, verbose: int = 0) -> dict[str, Any]:
    """Score all rows of data, as `score_of_batch` does, and by regret.

    Args:
        vae: the model.
        data: as for `anomaly`.
        samples: draws of z for each row.
        seed: integer.
        regret: steps of Adam for each row's own posterior; 0 leaves regret out.
        verbose: 1 shows a progress bar.

    Returns:
        the scores, each `[N]`, and `columns` `[N, D]`: float32.

    Raises:
        NotApplicable: of regret, where the posterior cannot be refined.
        ValueError: when there are no rows, or by `over_batches`.
    """
    if regret and not vae.posterior.refinable:
        raise NotApplicable(
            f"regret refines each row's own posterior, which the posterior DiagonalNormal can, and "
            f"{type(vae.posterior).__name__} cannot: leave it out, regret=0"
        )
    arrays = _load(vae, data)
    count = len(arrays[0])
    batches = _pad(arrays)
    values = over_batches(vae, _scores, batches, seed, verbose, (samples, seed))[:, :count]
    found: dict[str, Any] = dict(zip(SCORES, values, strict=False))
    found["columns"] = np.ascontiguousarray(values[len(SCORES) :].T)
    if regret:
        found["regret"] = over_batches(vae, _regret, batches, seed, verbose, (samples, regret, seed))[0, :count]
    return found


def _load(vae: VAE, data: Any) -> list[np.ndarray]:
    """Give data, or data and conditions, as arrays `[N, ...]`."""
    data = compatibility.as_numbers(vae, data)
    if isinstance(data, tf.data.Dataset):
        parts = [vae.split(batch) for batch in data]
        if not parts:
            raise ValueError("there is no data to score")
        columns = [[part for part in parts if part is not None] for parts in zip(*parts, strict=True)]
        return [np.concatenate(column) for column in columns if column]
    found = [np.asarray(part) for part in vae.split(data) if part is not None]
    if not len(found[0].shape) or not len(found[0]):
        raise ValueError(f"the data is an array of shape {found[0].shape}: there is no row in it")
    return found


def _pad(arrays: list[np.ndarray]) -> tf.data.Dataset:
    """Make batches of `ROWS` rows; the last is filled up with its last row."""
    short = -len(arrays[0]) % ROWS
    arrays = [np.concatenate([array, np.repeat(array[-1:], short, axis=0)]) for array in arrays]
    whole = arrays[0] if len(arrays) == 1 else tuple(arrays)
    return disable_tuning(tf.data.Dataset.from_tensor_slices(whole).batch(ROWS, drop_remainder=True))


def _scores(vae: VAE, setting: tuple[int, int], batch: Any, key: tf.Tensor) -> tf.Tensor:
    """Score a batch: `[4 + D, B]`. The noise is not that of `key`, which differs by row."""
    samples, seed = setting
    x, condition = batch if isinstance(batch, tuple) else (batch, None)
    found: Mapping[str, tf.Tensor] = score_of_batch(vae, samples, x, condition, seed)
    return tf.concat([tf.stack([found[name] for name in SCORES]), tf.transpose(found["columns"])], axis=0)


def _regret(vae: VAE, setting: tuple[int, int, int], batch: Any, key: tf.Tensor) -> tf.Tensor:
    """Compute the regret of a batch, `[1, B]`: the encoder's own posterior is one of those that may be the best."""
    samples, steps, seed = setting
    noise = random.seed(seed, random.Stream.EVALUATION, 1)
    elbo, best = tf.unstack(refine_batch(vae, batch, samples, steps, DRAWS, RATE, noise, _draw_alike))
    return tf.maximum(best - elbo, 0.0)[None]


def _draw_alike(q: Any, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    z = draw_rows_alike(q, count, seed)
    return z, q.log_prob(z)
