"""Evaluation in nats: the ELBO's terms, and an estimate of the evidence log p(x) that the ELBO bounds."""

import functools
import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae import objectives, random, replicas
from tfvae.data import untuned

__all__ = ["Estimate", "active_units", "bits_per_dimension", "elbo_terms", "log_marginal"]

NUMBERS_AT_ONCE = 2**22  # decoded values that a chunk of samples may hold: 16 MB of float32


class Estimate(NamedTuple):
    """Values `[N]`, one per example, nats."""

    values: np.ndarray

    @property
    def mean(self):
        """Mean over the examples, nats."""
        return float(np.mean(self.values, dtype=np.float64))

    @property
    def standard_error(self):
        """Standard error of the mean over the examples, nats."""
        if len(self.values) < 2:
            return math.nan
        with np.errstate(invalid="ignore"):  # a bound of -infinity has no spread
            return float(np.std(self.values, ddof=1, dtype=np.float64) / math.sqrt(len(self.values)))

    def __str__(self):
        return f"{self.mean:.2f} +- {self.standard_error:.2f} nats"


def bits_per_dimension(nats, event_shape):
    """-nats / (log 2 * number of dimensions): the unit of papers on discrete pixels, smaller is better."""
    return -nats / (math.log(2.0) * math.prod(event_shape))


def elbo_terms(vae, data, samples=1, seed=0, verbose=0):
    """ELBO, reconstruction E_q[log p(x|z)] and KL(q(z|x) || p(z)) of each example, nats.

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
    values = _over_batches(vae, _elbo_terms, data, seed, verbose, objective)
    return {name: Estimate(row) for name, row in zip(("elbo", "reconstruction", "kl"), values, strict=True)}


def _elbo_terms(vae, objective, batch, key):
    found = objective(*vae.given(batch), 0, key)
    return tf.stack([found.elbo, found.reconstruction, found.kl])  # [3, B]


def log_marginal(vae, data, samples=5000, seed=0, verbose=0):
    """Importance-sampled estimate of log p(x) of each example, nats: log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x).

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
        `Estimate`: its `mean` is the estimate for the data, its `standard_error` that over the examples.
    """
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, not {samples}")

    return Estimate(_over_batches(vae, log_marginal_of_batch, data, seed, verbose, samples)[0])


def log_marginal_of_batch(vae, samples, batch, key):
    x, posterior, prior, decode = vae.given(batch)
    at_once = max(1, min(samples, NUMBERS_AT_ONCE // (x.shape[0] * math.prod(x.shape[1:]))))

    def log_sum(count, index):  # log sum of the weights of this many samples, [B]
        z, log_q = posterior.experimental_sample_and_log_prob(count, seed=random.fold(key, index))  # [S, B, n]
        log_weight = decode(z).log_prob(x) + prior.log_prob(z) - log_q  # [S, B]
        return tf.reduce_logsumexp(log_weight, axis=0)

    chunks, rest = divmod(samples, at_once)
    total = log_sum(rest, chunks) if rest else tf.fill([x.shape[0]], -math.inf)

    def add(index, total):
        return index + 1, tf.reduce_logsumexp(tf.stack([total, log_sum(at_once, index)]), axis=0)

    _, total = tf.while_loop(lambda index, _: index < chunks, add, [0, total], parallel_iterations=1)
    return (total - math.log(samples))[None]  # [1, B]


def active_units(vae, data, threshold=0.01, verbose=0):
    """Which latent units tell examples apart: those whose posterior mean (or center) varies over the data.

    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519: the variance over x of E[z_j|x] is above 0.01.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        threshold: of the variance.
        verbose: 1 shows a progress bar.

    Returns:
        bool `[n]`.
    """

    return np.var(_over_batches(vae, _centers, data, 0, verbose), axis=1) > threshold


def _centers(vae, _, batch, key):
    del key  # the posterior is not drawn from
    return tf.transpose(vae.posterior.center(vae.given(batch)[1]))  # [n, B]


def _over_batches(vae, function, data, seed, verbose, setting=None):
    """function(vae, setting, batch, seed int32 [2]) -> [K, B] over all batches: [K, N].

    By XLA unless the VAE was compiled otherwise. Each example's noise follows from its index in the data.
    """
    run = functools.partial(function, vae, setting) if vae.run_eagerly else _compiled(vae, function, setting)
    if replicas.several(vae.distribute_strategy):
        run = replicas.over_replicas(vae.distribute_strategy, run)
    else:
        run = functools.partial(_alone, run)
    if not isinstance(data, tf.data.Dataset):
        data = untuned(tf.data.Dataset.from_tensor_slices(data).batch(100))
    count = int(data.cardinality())
    progress = keras.utils.Progbar(count if count > 0 else None, verbose=verbose, unit_name="batch")
    results, index = [], 0
    for batch in data:
        seeds = lambda first, index=index: random.seed(seed, random.Stream.EVALUATION, row=index + first)  # noqa: E731
        results.append(run(batch, seeds).numpy())
        index += results[-1].shape[1]
        progress.add(1)
    if not results:
        raise ValueError("there is no data to evaluate")
    return np.concatenate(results, axis=1)


def _alone(run, batch, seeds):
    return run(batch, seeds(0))


def _compiled(vae, function, setting):
    """function(vae, setting, ...) as a program, made once and kept with the VAE: compiling takes seconds."""
    key = (function, setting, vae.jit_compile)
    if key not in vae.programs:
        vae.programs[key] = tf.function(functools.partial(function, vae, setting), jit_compile=vae.jit_compile)
    return vae.programs[key]
