"""What may stand where elements of x are missing: averages and draws of p(x_missing | x_observed)."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae import progress, random
from tfvae.distributions import draw_rows_alike, open_uniform
from tfvae.objectives import Given
from tfvae.programs import program

__all__ = ["impute_batch", "impute_rows"]

NUMBERS_AT_ONCE = 2**22  # decoded values that are held at once: 16 MB of float32
ROWS = 128  # that go through together, the last ones too: one program, and the same rounding for each row


class _State(NamedTuple):
    """What is known after some importance samples of each row.

    Attributes:
        total: logarithm of the sum of their weights `[B]`.
        summary: the likelihood's `summary`, averaged by weight: tensors `[B, ...]`.
        drawn: a draw of x for each of `draws`, `[draws, B, *event]`.
    """

    total: tf.Tensor
    summary: Any
    drawn: tf.Tensor


def impute_rows(
    vae: Any,
    data: np.ndarray,
    condition: np.ndarray | None,
    draws: int | None,
    samples: int,
    seed: int,
    start: int = 0,
) -> np.ndarray:
    """Fill in what is missing of x by self-normalised importance sampling, the posterior being the proposal.

    Mattei and Frellsen 2019, arXiv:1812.02633, section 3; draws are taken among the samples by their weights.

    Args:
        vae: the model.
        data: as loaded, `[N, ...]`, NaN where missing.
        condition: `[N, k]`, or None.
        draws: how many; None for one value that stands for all.
        samples: of z, for each row; a few more, where they come in chunks.
        seed: integer; a row's noise follows from it and from the row's index.
        start: index of the first row, where these are a piece of more.

    Returns:
        float32 `[draws, N, *event]`, or `[1, N, *event]`.

    Raises:
        ValueError: when there are no rows, or samples or draws are below 1.
    """
    if not len(data):
        raise ValueError("there are no rows to fill in")
    if samples < 1 or (draws is not None and draws < 1):
        raise ValueError(f"samples and draws must be 1 or more, not {samples} and {draws}")
    at_once = _count_at_once(vae, samples)
    arrays, filled = [array for array in (data, condition) if array is not None], []
    for first in range(0, len(data), ROWS):
        progress.at(f"{first} of {len(data)} rows")
        parts = [array[first : first + ROWS] for array in arrays]
        count = len(parts[0])
        parts = [np.concatenate([part, np.repeat(part[:1], ROWS - count, axis=0)]) for part in parts]
        batch = parts[0] if condition is None else tuple(parts)
        key, state = random.seed(seed, random.Stream.SAMPLING, row=start + first), None
        for chunk in range(-(-samples // at_once)):
            state = _run(vae, at_once, draws or 0, batch, random.fold(key, chunk), state)
        assert state is not None  # there is a chunk at least
        values = vae.likelihood.value_of(state.summary)[None] if draws is None else state.drawn
        x = vae.preprocess(batch)
        filled.append(tf.where(tf.math.is_nan(x), values, x).numpy()[:, :count])
    return np.concatenate(filled, axis=1)


def impute_batch(vae: Any, batch: Any, samples: int, seed: int = 0) -> tf.Tensor:
    """Fill in what is missing of a batch as loaded, within a program, by one value that stands for all.

    As `impute_rows`, but with the same noise for all rows: what a row is given depends on that row alone.

    Returns:
        float32 `[B, *event]`.
    """
    given, key = vae.given(batch), random.seed(seed, random.Stream.SAMPLING)
    at_once = _count_at_once(vae, samples)

    def add(chunk, state):
        return _add(vae, given, at_once, 0, random.fold(key, chunk), state, alike=True)

    state = add(0, None)
    if samples > at_once:
        _, state = tf.while_loop(
            lambda chunk, _: chunk < -(-samples // at_once),
            lambda chunk, state: (chunk + 1, tf.nest.map_structure(_as_known, add(chunk, state), state)),
            [1, state],
            parallel_iterations=1,
        )
    return tf.where(tf.math.is_nan(given.x), vae.likelihood.value_of(state.summary), given.x)


def _as_known(tensor: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tensor, like.shape)


def _count_at_once(vae: Any, samples: int) -> int:
    """Count the samples whose decoded values are held at once, of `ROWS` rows: all chunks have as many."""
    width = max(int(np.prod(vae.likelihood.event_shape)), int(np.prod(vae.decoder.output_shape[1:])))
    chunks = -(-samples // max(1, NUMBERS_AT_ONCE // (ROWS * width)))
    return -(-samples // chunks)


def _run(vae: Any, samples: int, draws: int, batch: Any, key: tf.Tensor, state: _State | None) -> _State:
    """Call the program of these numbers, which is kept with the VAE: it takes seconds to make."""
    name = (impute_rows, samples, draws, state is None)
    if name not in vae.programs:

        def run(batch, key, *state):
            given = vae.given(batch)
            return _add(vae, given, samples, draws, key, _State(*state) if state else None)

        vae.programs[name] = program(run, autograph=False)
    return _State(*vae.programs[name](batch, key, *(state or ())))


def _add(
    vae: Any, given: Given, samples: int, draws: int, key: tf.Tensor, state: _State | None, alike: bool = False
) -> _State:
    """Take further importance samples of each row into account, of noise of its own, or of the same for all rows."""
    if alike:
        z = draw_rows_alike(given.posterior, samples, random.fold(key, 0))
        log_q = given.posterior.log_prob(z)
    else:
        z, log_q = given._replace(seed=random.fold(key, 0)).draw(samples)  # [S, B, n], [S, B]
    decoded = given.decode(z)
    log_weight = decoded.log_prob(given.x) + given.prior.log_prob(z) - log_q  # [S, B]
    if not vae.posterior.has_density:  # a point: all samples are one
        log_weight = tf.zeros_like(log_weight)
    here = tf.reduce_logsumexp(log_weight, axis=0)
    weight = tf.nn.softmax(log_weight, axis=0)
    summary = tf.nest.map_structure(
        lambda s: tf.reduce_sum(_like(weight, s) * s, axis=0), vae.likelihood.summary(decoded)
    )
    drawn = _draw(vae, given, z, log_weight, draws, key)
    if state is None:
        return _State(here, summary, drawn)
    total = tf.reduce_logsumexp(tf.stack([state.total, here]), axis=0)
    share = tf.exp(here - total)  # of these samples, [B]
    averaged = tf.nest.map_structure(lambda old, new: old + _like(share, new) * (new - old), state.summary, summary)
    level = open_uniform([max(draws, 1), tf.shape(share)[0], 1], random.fold(key, 3))[:draws, :, 0]  # [draws, B]
    return _State(total, averaged, tf.where(_like(level < share, drawn), drawn, state.drawn))


def _draw(vae: Any, given: Given, z: tf.Tensor, log_weight: tf.Tensor, draws: int, key: tf.Tensor) -> tf.Tensor:
    """Draw x `[draws, B, *event]` from p(x|z), z from the samples `[S, B, n]` by their weights `[S, B]`."""
    if not draws:
        return tf.zeros(tf.concat([[0], tf.shape(given.x)], axis=0))
    level = open_uniform([draws, tf.shape(z)[1], 1], random.fold(key, 1))[..., 0]  # [draws, B]
    cumulated = tf.cumsum(tf.nn.softmax(tf.transpose(log_weight)), axis=-1)[:, :-1]  # [B, S - 1]
    which = tf.searchsorted(cumulated, tf.transpose(level))  # [B, draws]; rounding cannot pass the last
    chosen = tf.gather(tf.transpose(z, [1, 0, 2]), which, batch_dims=1)  # [B, draws, n]
    decoded = vae.likelihood.whole(given.decode(tf.transpose(chosen, [1, 0, 2])))
    return decoded.sample(seed=random.fold(key, 2))


def _like(values: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Give values `[...]` as many axes as `other` has, which begins with theirs."""
    return tf.reshape(
        values, tf.concat([tf.shape(values), tf.ones([other.shape.rank - values.shape.rank], tf.int32)], 0)
    )
