"""Chains of annealed importance sampling.

The way leads from a start p_0(z), the prior (or q(z|x)), to f_1(z) = p(z) p(x|z) by f_b = p_0^(1-b) f_1^b, in stretches
whose ends b_k lie on a sigmoid, close where p_0 or f_1 rule (Grosse, Ghahramani and Adams 2015, arXiv:1511.02543).
Within a stretch TFP's `sample_annealed_importance_chain` goes in equal steps, with Hamiltonian Monte Carlo.

Step sizes, one for each example and stretch, come from a run beforehand, with noise of its own. They are fixed when the
chains that count begin, which would be biased if their steps depended on where they had been.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.evaluation.evidence import chunk_size

__all__ = ["STRETCHES", "Settings", "step_sizes", "weigh_chains"]

STRETCHES = 20
STEEPNESS = 4.0  # of the sigmoid: it is cut off at this distance to either side of its middle
SCOUTS, SCOUT_STEPS = 4, 20  # chains per example, and their steps in each stretch, that find the step sizes
FIRST_STEP = 0.1
ACCEPTANCE = 0.8  # that the step sizes aim at; the best for HMC lies between 0.6 and 0.9 (Betancourt et al. 2014)


class Settings(NamedTuple):
    """How chains go."""

    chains: int
    stretches: int
    steps: int  # in each stretch
    leapfrogs: int
    from_posterior: bool


def _ends(settings):
    """Give the ends of the stretches, b_0 = 0, ..., b_K = 1, `[K + 1]`."""
    raw = 1.0 / (1.0 + np.exp(-STEEPNESS * np.linspace(-1.0, 1.0, settings.stretches + 1)))
    return tf.constant((raw - raw[0]) / (raw[-1] - raw[0]), tf.float32)


def _log_density(start, ratio, b):
    """Give the function log f_b, z `[C, B, n]` -> `[C, B]`."""
    return lambda z: start.log_prob(z) + b * ratio(z)


def _draw_start(start, count, x, seed):
    shape = [count] if start.batch_shape.rank else [count, x.shape[0]]
    return start.sample(shape, seed=seed)  # [C, B, n]


class _Fresh(tfp.mcmc.TransitionKernel):
    """A kernel that looks anew at the density where it is.

    TFP's chain hands that on from step to step, though the target has changed: Hamiltonian Monte Carlo would hold a
    proposal against the density at the last temperature, and bounds come to lie on the wrong side of log p(x). (Bad
    results are reported in github.com/tensorflow/probability/issues/1429.)
    """

    def __init__(self, inner: Any):
        self.inner = inner

    @property
    def is_calibrated(self) -> bool:
        return self.inner.is_calibrated

    def bootstrap_results(self, z: tf.Tensor) -> Any:
        return self.inner.bootstrap_results(z)

    def one_step(self, z: tf.Tensor, previous: Any, seed: tf.Tensor | None = None) -> tuple:
        del previous
        return self.inner.one_step(z, self.inner.bootstrap_results(z), seed=seed)


def _kernel(settings, size, log_prob):  # size [B]
    steps = settings.leapfrogs
    return _Fresh(tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size=size[:, None], num_leapfrog_steps=steps))


def step_sizes(
    settings: Settings, x: tf.Tensor, start: tfd.Distribution, ratio: Callable[[tf.Tensor], tf.Tensor], key: tf.Tensor
) -> tf.Tensor:
    """Find step sizes of stretches and examples, `[K, B]`, by stochastic approximation.

    They rise while more is accepted than `ACCEPTANCE`, and fall otherwise (Andrieu and Thoms 2008, "A tutorial on
    adaptive MCMC"); the result is the average over the later half of the steps.
    """
    ends = _ends(settings)

    def step(i, b, z, log_size, total, key):
        kernel = _kernel(settings, tf.exp(log_size), _log_density(start, ratio, b))
        z, found = kernel.one_step(z, None, seed=random.fold(key, i))
        accepted = tf.exp(tf.minimum(found.log_accept_ratio, 0.0))  # [C, B]
        accepted = tf.where(tf.math.is_finite(accepted), accepted, 0.0)  # of trajectories that went astray
        gain = 2.0 / tf.sqrt(1.0 + tf.cast(i, tf.float32))
        log_size += gain * (tf.reduce_mean(accepted, axis=0) - ACCEPTANCE)
        return i + 1, b, z, log_size, total + tf.where(i >= SCOUT_STEPS // 2, log_size, 0.0), key

    def stretch(k, z, log_size, sizes):
        loop = [0, ends[k + 1], z, log_size, tf.zeros_like(log_size), random.fold(key, k)]
        found = tf.while_loop(lambda i, *_: i < SCOUT_STEPS, step, loop, parallel_iterations=1)
        log_size = found[4] / (SCOUT_STEPS - SCOUT_STEPS // 2)
        return k + 1, found[2], log_size, sizes.write(k, tf.exp(log_size))

    z = _draw_start(start, SCOUTS, x, random.fold(key, settings.stretches))
    sizes = tf.TensorArray(tf.float32, settings.stretches, element_shape=[x.shape[0]])
    loop = [0, z, tf.fill([x.shape[0]], math.log(FIRST_STEP)), sizes]
    found = tf.while_loop(lambda k, *_: k < settings.stretches, stretch, loop, parallel_iterations=1)
    return found[3].stack()


def weigh_chains(
    settings: Settings,
    x: tf.Tensor,
    start: tfd.Distribution,
    ratio: Callable[[tf.Tensor], tf.Tensor],
    sizes: tf.Tensor,
    key: tf.Tensor,
    z: tf.Tensor | None = None,
) -> tf.Tensor:
    """Weigh chains in groups, to bound memory: log of their mean weight, effective chains, acceptance, `[3, B]`.

    From samples of p_0 to f_1 or, given z `[B, n]` of p(z|x), from there to p_0.
    """
    most = chunk_size(x, settings.chains)
    count = next(size for size in range(most, 0, -1) if settings.chains % size == 0)
    run = functools.partial(_run_chains, settings, x, start, ratio, sizes, z, count)

    def add(i, weights, accepted):
        weight, share = run(random.fold(key, i))
        return i + 1, weights.write(i, weight), accepted + share

    groups = settings.chains // count
    weights = tf.TensorArray(tf.float32, groups, element_shape=[count, x.shape[0]])
    loop = [0, weights, tf.zeros([x.shape[0]])]
    _, weights, accepted = tf.while_loop(lambda i, *_: i < groups, add, loop, parallel_iterations=1)
    weights = weights.concat()  # [C, B]
    once, twice = (tf.reduce_logsumexp(power * weights, axis=0) for power in (1.0, 2.0))
    effective = tf.where(once > -math.inf, tf.exp(2.0 * once - twice), 0.0)
    return tf.stack([once - math.log(settings.chains), effective, accepted / groups])


def _run_chains(settings, x, start, ratio, sizes, z, count, key):
    """Run `count` chains: their log weights `[C, B]`, and the share of proposals accepted `[B]`, at stretches' ends."""
    back, last, ends = z is not None, settings.stretches - 1, _ends(settings)

    def stretch(k, z, weights, accepted):
        here = last - k if back else k
        low, high = ends[here], ends[here + 1]
        first, second = (high, low) if back else (low, high)
        z, weight, found = tfp.mcmc.sample_annealed_importance_chain(
            settings.steps,
            proposal_log_prob_fn=_log_density(start, ratio, first),
            target_log_prob_fn=_log_density(start, ratio, second),
            current_state=z,
            make_kernel_fn=lambda log_prob: _kernel(settings, sizes[here], log_prob),
            parallel_iterations=1,
            seed=random.fold(key, k),
        )
        accepted += tf.reduce_mean(tf.cast(found.inner_results.is_accepted, tf.float32), axis=0)
        return k + 1, z, weights + weight, accepted

    key, begin = random.fold(key, 0), random.fold(key, 1)
    z = tf.repeat(z[None], count, axis=0) if back else _draw_start(start, count, x, begin)
    loop = [0, z, tf.zeros([count, x.shape[0]]), tf.zeros([x.shape[0]])]
    found = tf.while_loop(lambda k, *_: k <= last, stretch, loop, parallel_iterations=1)
    return found[2], found[3] / settings.stretches
