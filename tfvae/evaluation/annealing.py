"""Annealed importance sampling: bounds of log p(x) that do not rest on the encoder, in nats.

The way leads from a start p_0(z), the prior (or q(z|x)), to f_1(z) = p(z) p(x|z) by f_b = p_0^(1-b) f_1^b, in stretches
whose ends b_k lie on a sigmoid, close where p_0 or f_1 rule (Grosse, Ghahramani and Adams 2015, arXiv:1511.02543).
Within a stretch TFP's `sample_annealed_importance_chain` goes in equal steps, with Hamiltonian Monte Carlo.

Step sizes, one for each example and stretch, come from a run beforehand, with noise of its own. They are fixed when the
chains that count begin, which would be biased if their steps depended on where they had been.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import random
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.evaluation.evidence import chunk

__all__ = ["Annealed", "Bounds", "annealed", "bidirectional"]

STRETCHES = 20
STEEPNESS = 4.0  # of the sigmoid: it is cut off at this distance to either side of its middle
SCOUTS, SCOUT_STEPS = 4, 20  # chains per example, and their steps in each stretch, that find the step sizes
FIRST_STEP = 0.1
ACCEPTANCE = 0.8  # that the step sizes aim at; the best for HMC lies between 0.6 and 0.9 (Betancourt et al. 2014)


class Annealed(NamedTuple):
    """An `Estimate` by annealed importance sampling, and how its chains went; each `[N]`, one per example."""

    values: np.ndarray  # a bound of log p(x), nats
    effective_chains: np.ndarray  # (sum w)^2 / sum w^2 of the chains' weights w, from 1 to their number
    acceptance: np.ndarray  # share of the proposals accepted, over chains and stretches; about 0.8 is meant

    mean = Estimate.mean
    standard_error = Estimate.standard_error
    __str__ = Estimate.__str__


class Bounds(NamedTuple):
    """Of data drawn from the model: in expectation, log p(x) lies between them."""

    lower: Annealed
    upper: Annealed

    @property
    def gap(self):
        """`Estimate` of upper - lower: how far off, at most, either is in expectation, nats."""
        return Estimate(self.upper.values - self.lower.values)

    def __str__(self):
        return f"between {self.lower} and {self.upper}"


class _Settings(NamedTuple):
    chains: int
    stretches: int
    steps: int  # in each stretch
    leapfrogs: int
    from_posterior: bool


def annealed(vae, data, chains=16, temperatures=1000, leapfrogs=10, from_posterior=False, seed=0, verbose=0):
    """Estimate of log p(x) of each example by annealed importance sampling, nats: log of the chains' mean weight.

    A lower bound in expectation, which tightens with `temperatures` and, more slowly, with `chains`: where the encoder
    is poor, sooner than `log_marginal`. Any decoder and any prior on R^n with a density will do.
    Neal 2001, "Annealed importance sampling", arXiv:physics/9803008; for decoders: Wu et al. 2017, arXiv:1611.04273.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        chains: per example.
        temperatures: steps of a chain, rounded up to a multiple of 20 (if there are more than 20).
        leapfrogs: gradients in each step of Hamiltonian Monte Carlo.
        from_posterior: chains start from q(z|x), not from the prior. That is a shorter way, if q covers the posterior.
        seed: integer. The noise is TFP's: it repeats, but for batches of another size, or with XLA, it is another.
        verbose: 1 shows a progress bar.

    Returns:
        `Annealed`.

    Raises:
        ValueError: when prior or posterior have no density on R^n, or a number is below 1.
    """
    settings = _settings(vae, chains, temperatures, leapfrogs, from_posterior)
    return Annealed(*over_batches(vae, _forward, data, seed, verbose, settings))


def bidirectional(
    vae,
    count=100,
    chains=16,
    temperatures=1000,
    leapfrogs=10,
    from_posterior=False,
    condition=None,
    seed=0,
    verbose=0,
):
    """Bounds of log p(x) from both sides, on data drawn from the model itself: how well `annealed` does on this model.

    With x comes the z that it was drawn from, an exact sample of p(z|x). Chains that go from there back to the start
    estimate 1 / p(x) without bias: the negative log of their mean weight is an upper bound in expectation. If the
    bounds meet, `annealed` with the same arguments is exact for such data; of real data it says only as much as they
    look alike to the model. Bidirectional Monte Carlo: Grosse, Ghahramani and Adams 2015, arXiv:1511.02543; for
    decoders: Wu et al. 2017, arXiv:1611.04273.

    Args:
        vae: the model.
        count: N, how many x to draw.
        chains, temperatures, leapfrogs, from_posterior, seed, verbose: as for `annealed`.
        condition: of a conditional VAE, one for all (`[k]`, or an integer below k) or N of them.

    Returns:
        `Bounds`, each `Annealed`, `[N]`.

    Raises:
        ValueError: as `annealed`.
    """
    settings = _settings(vae, chains, temperatures, leapfrogs, from_posterior)
    drawn = _drawn(vae, count, condition, random.seed(seed, random.Stream.SAMPLING))
    found = over_batches(vae, _both, drawn, seed, verbose, settings)
    return Bounds(Annealed(*found[:3]), Annealed(*found[3:]))


def _settings(vae, chains, temperatures, leapfrogs, from_posterior):
    numbers = {"chains": chains, "temperatures": temperatures, "leapfrogs": leapfrogs}
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    name = type(vae.prior).__name__
    if name == "SphericalUniform":
        raise ValueError(f"chains move in R^n, but the prior {name} is on a sphere: use evaluation.log_marginal")
    name = type(vae.posterior).__name__
    if from_posterior and name in ("Deterministic", "PowerSpherical"):
        raise ValueError(f"the posterior {name} has no density on R^n to start from: leave out from_posterior")
    stretches = min(STRETCHES, temperatures)
    return _Settings(chains, stretches, math.ceil(temperatures / stretches), leapfrogs, bool(from_posterior))


def _drawn(vae, count, condition, seed):
    """Examples and the latents they were drawn from: (x `[N, *event]`, z `[N, n]`), and conditions if there are any."""
    if condition is not None:
        condition = tf.broadcast_to(vae.as_condition(tf.convert_to_tensor(condition)), [count, vae.condition_size])
    prior = vae.prior.distribution(condition, vae.infer)
    z = prior.sample([] if prior.batch_shape.rank else count, seed=random.fold(seed, 0))
    x = []
    for first in range(0, count, 100):
        rows = slice(first, first + 100)
        likelihood = vae.decode(z[rows], None if condition is None else condition[rows])
        x.append(likelihood.sample(seed=random.fold(seed, 1 + first)))
    parts = (tf.concat(x, axis=0), z, condition)
    return tuple(part.numpy() for part in parts if part is not None)


def _forward(vae, settings, batch, key):
    """`[3, B]`: what `Annealed` has."""
    x, posterior, prior, decode = vae.given(batch)
    start, ratio = _way(settings, x, posterior, prior, decode)
    sizes = _step_sizes(settings, x, start, ratio, random.fold(key, 0))
    return _weigh(settings, x, start, ratio, sizes, random.fold(key, 1))


def _both(vae, settings, batch, key):
    """`[6, B]`: what `Annealed` has, of the lower and of the upper bound, of x `[B, *event]` and their z `[B, n]`."""
    x, z, *condition = batch
    (condition,) = condition or (None,)
    posterior, prior = vae.infer(x, condition), vae.prior.distribution(condition, vae.infer)
    start, ratio = _way(settings, x, posterior, prior, lambda z: vae.decode(z, condition))
    sizes = _step_sizes(settings, x, start, ratio, random.fold(key, 0))
    lower = _weigh(settings, x, start, ratio, sizes, random.fold(key, 1))
    upper = _weigh(settings, x, start, ratio, sizes, random.fold(key, 2), z)
    return tf.concat([lower, -upper[:1], upper[1:]], axis=0)


def _way(settings, x, posterior, prior, decode):
    """(p_0, distribution of batch `[]` or `[B]`; log f_1 / p_0, a function z `[C, B, n]` -> `[C, B]`)."""
    if not settings.from_posterior:
        return prior, lambda z: decode(z).log_prob(x)
    return posterior, lambda z: decode(z).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)


def _ends(settings):
    """b_0 = 0, ..., b_K = 1, `[K + 1]`."""
    raw = 1.0 / (1.0 + np.exp(-STEEPNESS * np.linspace(-1.0, 1.0, settings.stretches + 1)))
    return tf.constant((raw - raw[0]) / (raw[-1] - raw[0]), tf.float32)


def _between(start, ratio, b):
    """log f_b, z `[C, B, n]` -> `[C, B]`."""
    return lambda z: start.log_prob(z) + b * ratio(z)


def _sample(start, count, x, seed):
    shape = [count] if start.batch_shape.rank else [count, x.shape[0]]
    return start.sample(shape, seed=seed)  # [C, B, n]


class _Fresh(tfp.mcmc.TransitionKernel):
    """A kernel that looks anew at the density where it is.

    TFP's chain hands that on from step to step, though the target has changed: Hamiltonian Monte Carlo would hold a
    proposal against the density at the last temperature, and bounds come to lie on the wrong side of log p(x). (Bad
    results are reported in github.com/tensorflow/probability/issues/1429.)
    """

    def __init__(self, inner):
        self.inner = inner

    @property
    def is_calibrated(self):
        return self.inner.is_calibrated

    def bootstrap_results(self, z):
        return self.inner.bootstrap_results(z)

    def one_step(self, z, previous, seed=None):
        del previous
        return self.inner.one_step(z, self.inner.bootstrap_results(z), seed=seed)


def _kernel(settings, size, log_prob):  # size [B]
    steps = settings.leapfrogs
    return _Fresh(tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size=size[:, None], num_leapfrog_steps=steps))


def _step_sizes(settings, x, start, ratio, key):
    """Step sizes of stretches and examples, `[K, B]`, by stochastic approximation: larger while more is accepted than
    is meant, smaller otherwise (Andrieu and Thoms 2008, "A tutorial on adaptive MCMC"); averages over the later half.
    """
    ends = _ends(settings)

    def step(i, b, z, log_size, total, key):
        kernel = _kernel(settings, tf.exp(log_size), _between(start, ratio, b))
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

    z = _sample(start, SCOUTS, x, random.fold(key, settings.stretches))
    sizes = tf.TensorArray(tf.float32, settings.stretches, element_shape=[x.shape[0]])
    loop = [0, z, tf.fill([x.shape[0]], math.log(FIRST_STEP)), sizes]
    found = tf.while_loop(lambda k, *_: k < settings.stretches, stretch, loop, parallel_iterations=1)
    return found[3].stack()


def _weigh(settings, x, start, ratio, sizes, key, z=None):
    """`[3, B]`: log of the chains' mean weight, effective chains, acceptance; by groups of chains, to bound memory.

    From samples of p_0 to f_1 or, given z `[B, n]` of p(z|x), from there to p_0.
    """
    most = chunk(x, settings.chains)
    count = next(size for size in range(most, 0, -1) if settings.chains % size == 0)
    run = functools.partial(_chains, settings, x, start, ratio, sizes, z, count)

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


def _chains(settings, x, start, ratio, sizes, z, count, key):
    """Log weights of this many chains `[C, B]`, and the share of proposals accepted `[B]`, at the stretches' ends."""
    back, last, ends = z is not None, settings.stretches - 1, _ends(settings)

    def stretch(k, z, weights, accepted):
        here = last - k if back else k
        low, high = ends[here], ends[here + 1]
        first, second = (high, low) if back else (low, high)
        z, weight, found = tfp.mcmc.sample_annealed_importance_chain(
            settings.steps,
            proposal_log_prob_fn=_between(start, ratio, first),
            target_log_prob_fn=_between(start, ratio, second),
            current_state=z,
            make_kernel_fn=lambda log_prob: _kernel(settings, sizes[here], log_prob),
            parallel_iterations=1,
            seed=random.fold(key, k),
        )
        accepted += tf.reduce_mean(tf.cast(found.inner_results.is_accepted, tf.float32), axis=0)
        return k + 1, z, weights + weight, accepted

    key, begin = random.fold(key, 0), random.fold(key, 1)
    z = tf.repeat(z[None], count, axis=0) if back else _sample(start, count, x, begin)
    loop = [0, z, tf.zeros([count, x.shape[0]]), tf.zeros([x.shape[0]])]
    found = tf.while_loop(lambda k, *_: k <= last, stretch, loop, parallel_iterations=1)
    return found[2], found[3] / settings.stretches
