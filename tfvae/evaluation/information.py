"""What the latents hold of the data, and at what rate; nats."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions, random
from tfvae.compatibility import NotApplicable
from tfvae.evaluation.batches import Estimate, compile_function, over_batches
from tfvae.evaluation.evidence import NUMBERS_AT_ONCE, chunk_size
from tfvae.model import VAE

__all__ = [
    "KLParts",
    "RateDistortion",
    "aggregate_kl",
    "kl_parts",
    "mutual_information",
    "rate_distortion",
]

ROWS = 100  # examples whose latents are held against all others at once


class KLParts(NamedTuple):
    """The KL term and its parts, each an `Estimate`: kl = mutual_information + aggregate_kl, example by example."""

    kl: Estimate
    mutual_information: Estimate
    aggregate_kl: Estimate


class RateDistortion(NamedTuple):
    """Points of a curve, each `[T]`, means over the examples, nats."""

    temperatures: np.ndarray
    rates: np.ndarray  # KL(q_t(z|x) || p(z))
    distortions: np.ndarray  # -E[log p(x|z)] under q_t
    errors: np.ndarray  # standard errors of the distortions over the examples


def average_draws(estimate: Callable, q: tfd.Distribution, x: tf.Tensor, samples: int, key: tf.Tensor) -> tf.Tensor:
    """Average estimate(q, count, seed) `[B]`, a mean over `count` draws, over all samples, in chunks."""
    at_once = chunk_size(x, samples)
    chunks, rest = divmod(samples, at_once)
    total = rest * estimate(q, rest, random.fold(key, chunks)) if rest else tf.zeros([x.shape[0]])

    def add(i, total):
        return i + 1, total + at_once * estimate(q, at_once, random.fold(key, i))

    return tf.while_loop(lambda i, _: i < chunks, add, [0, total], parallel_iterations=1)[1] / samples


def mutual_information(
    vae: VAE, data: Any, samples: int = 1, examples: int | None = None, seed: int = 0, verbose: int = 0
) -> Estimate:
    """Estimate I_q(x; z), what z tells of which example it is, nats, 0 to log N: one part of `kl_parts`."""
    return kl_parts(vae, data, samples, examples, seed, verbose).mutual_information


def aggregate_kl(
    vae: VAE, data: Any, samples: int = 1, examples: int | None = None, seed: int = 0, verbose: int = 0
) -> Estimate:
    """Estimate KL(q(z) || p(z)), how far the prior is from what is encoded, nats: one part of `kl_parts`."""
    return kl_parts(vae, data, samples, examples, seed, verbose).aggregate_kl


def kl_parts(
    vae: VAE, data: Any, samples: int = 1, examples: int | None = None, seed: int = 0, verbose: int = 0
) -> KLParts:
    """Split the KL term, mean of KL(q(z|x) || p(z)), into I_q(x; z) + KL(q(z) || p(z)), q(z) = 1/N sum_i q(z|x_i).

    q(z) is the mixture over all examples, not over a batch; for the distribution that the data is drawn from, the
    information is too low where it comes near log N. All three are means over the same draws of z, and take N^2
    densities for each. Hoffman and Johnson 2016, "ELBO surgery: yet another way to carve up the variational evidence
    lower bound", NIPS workshop on advances in approximate Bayesian inference.

    Args:
        vae: the model; not a conditional one, and its posterior has a density.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`.
        samples: draws of z per example.
        examples: only the first so many are taken; all unless given.
        seed: integer.
        verbose: 1 shows a progress bar.

    Returns:
        `KLParts`.

    Raises:
        NotApplicable: when the VAE is conditional, or its posterior `Deterministic`.
    """
    if not vae.posterior.has_density:
        name = type(vae.posterior).__name__
        raise NotApplicable(f"the posterior {name} has no density, and so no finite KL: take another posterior")
    if vae.condition_size:
        raise NotApplicable(
            "the aggregate posterior is not defined for a conditional VAE: it is another for each condition"
        )
    if examples is not None:
        data = data.unbatch().take(examples).batch(ROWS) if isinstance(data, tf.data.Dataset) else data[:examples]
    features = over_batches(vae, _encode_features, data, seed, verbose).T  # [N, F]
    eager = functools.partial(_compare_with_all, vae, samples)
    program = eager if vae.run_eagerly else compile_function(vae, _compare_with_all, samples)
    rows = []
    for first in range(0, len(features), ROWS):
        key = random.seed(seed, random.Stream.EVALUATION, row=first)
        rows.append(program(features[first : first + ROWS], features, key))
    return KLParts(*(Estimate(row) for row in np.concatenate(rows, axis=1)))


def _encode_features(vae, _, batch, key):
    del key
    features = vae.encoder(vae.preprocessor_view.seen(vae.preprocess(batch)))
    return tf.transpose(tf.reshape(features, [features.shape[0], -1]))  # [F, B]


def _compare_with_all(vae, samples, some, everyone, key):
    """Compute KL, information and aggregate KL `[3, B]` of examples with features `[B, F]`, among all `[N, F]`."""
    shape = [-1, *vae.encoder.output_shape[1:]]
    posterior, prior = vae.posterior(tf.reshape(some, shape)), vae.prior.distribution(None, vae.infer)
    z, log_q = posterior.experimental_sample_and_log_prob(samples, seed=key)  # [S, B, n], [S, B]
    total = everyone.shape[0]
    size = max(1, min(total, NUMBERS_AT_ONCE // math.prod(z.shape)))  # examples whose densities are taken at once

    def log_sum(features):  # of the densities by these examples, [S, B]
        each = tf.repeat(z[:, :, None], features.shape[0], axis=2)  # [S, B, M, n]; flows do not broadcast
        return tf.reduce_logsumexp(vae.posterior(tf.reshape(features, shape)).log_prob(each), axis=-1)

    chunks, rest = divmod(total, size)
    log_all = log_sum(everyone[chunks * size :]) if rest else tf.fill(log_q.shape, -math.inf)

    def add(i, log_all):
        more = log_sum(tf.gather(everyone, i * size + tf.range(size)))
        return i + 1, tf.reduce_logsumexp(tf.stack([log_all, more]), axis=0)

    _, log_all = tf.while_loop(lambda i, _: i < chunks, add, [0, log_all], parallel_iterations=1)
    log_aggregate, log_p = log_all - math.log(total), prior.log_prob(z)
    parts = (log_q - log_p, log_q - log_aggregate, log_aggregate - log_p)
    return tf.stack([tf.reduce_mean(part, axis=0) for part in parts])


def rate_distortion(
    vae: VAE,
    data: Any,
    temperatures: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    samples: int = 10,
    seed: int = 0,
    verbose: int = 0,
) -> RateDistortion:
    """Measure points (rate, distortion) of a trained model, by q_t(z|x) ~ p(z)^(1-t) q(z|x)^t, t from 0 to 1.

    At t = 0 that is the prior, which knows nothing of x; at t = 1 the encoder's posterior, and rate + distortion is
    -ELBO. q_t is normal, its rate has a closed form and its distortion is a mean over draws, so both are exact in
    expectation. The best curve of this decoder lies on or below: its points are those of p(z) p(x|z)^t (Huang et al.
    2020, arXiv:2008.06653). Rate and distortion of a VAE: Alemi et al. 2018, "Fixing a broken ELBO", arXiv:1711.00464.

    Args:
        vae: the model; posterior and prior have independent normal units.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        temperatures: t of each point, from 0 to 1.
        samples: draws of z per example and point.
        seed: integer.
        verbose: 1 shows a progress bar.

    Returns:
        `RateDistortion`.

    Raises:
        ValueError: when the units are not independent normals, or a temperature lies outside.
    """
    if not len(temperatures) or not all(0.0 <= t <= 1.0 for t in temperatures):
        raise ValueError(f"temperatures must be numbers from 0, the prior, to 1, the posterior, not {temperatures}")
    points = [over_batches(vae, _measure_point, data, seed, verbose, (float(t), samples)) for t in temperatures]
    rates, distortions = ([Estimate(point[i]) for point in points] for i in (0, 1))
    return RateDistortion(
        np.array(temperatures),
        np.array([rate.mean for rate in rates]),
        np.array([distortion.mean for distortion in distortions]),
        np.array([distortion.standard_error for distortion in distortions]),
    )


def _measure_point(vae, settings, batch, key):
    """Measure rate and distortion of each example, `[2, B]`."""
    t, samples = settings
    given = vae.given(batch)
    units, prior_units = distributions.independent_units(given.posterior, given.prior)
    precisions = t / units.variance(), (1.0 - t) / prior_units.variance()  # [B, n], [n]
    loc = (precisions[0] * units.loc + precisions[1] * prior_units.loc) / sum(precisions)
    q = distributions.MultivariateNormalDiag(loc, sum(precisions) ** -0.5)
    rate = tf.reduce_sum(tfd.kl_divergence(distributions.units_of(q), prior_units), axis=-1)  # [B]

    def distortion(q, count, seed):
        return -tf.reduce_mean(given.log_likelihood(q.sample(count, seed=seed)), axis=0)

    return tf.stack([rate, average_draws(distortion, q, given.x, samples, key)])
