"""What bounds and estimates the evidence log p(x), in nats."""

import math

import tensorflow as tf

from tfvae import objectives, random
from tfvae.evaluation.batches import Estimate, over_batches

__all__ = ["bits_per_dimension", "elbo_terms", "log_marginal", "log_marginal_of_batch"]

NUMBERS_AT_ONCE = 2**22  # decoded values that a chunk of samples may hold: 16 MB of float32


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
    values = over_batches(vae, _elbo_terms, data, seed, verbose, objective)
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

    return Estimate(over_batches(vae, log_marginal_of_batch, data, seed, verbose, samples)[0])


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
