"""Annealed importance sampling: bounds of log p(x) that do not rest on the encoder, in nats."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae import compatibility, random
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.evaluation.chains import STRETCHES, Settings, step_sizes, weigh_chains
from tfvae.model import VAE
from tfvae.objectives import Given

__all__ = ["Annealed", "Bounds", "annealed", "bidirectional"]


@dataclasses.dataclass(frozen=True, eq=False)
class Annealed(Estimate):
    """An `Estimate` by annealed importance sampling, and how its chains went; each `[N]`, one per example."""

    effective_chains: np.ndarray  # (sum w)^2 / sum w^2 of the chains' weights w, from 1 to their number
    acceptance: np.ndarray  # share of the proposals accepted, over chains and stretches; about 0.8 is meant


class Bounds(NamedTuple):
    """Of data drawn from the model: in expectation, log p(x) lies between them."""

    lower: Annealed
    upper: Annealed

    @property
    def gap(self) -> Estimate:
        """Give upper - lower, an `Estimate`: how far off, at most, either is in expectation, nats."""
        return Estimate(self.upper.values - self.lower.values)

    def __str__(self):
        return f"between {self.lower} and {self.upper}"


def annealed(
    vae: VAE,
    data: Any,
    chains: int = 16,
    temperatures: int = 1000,
    leapfrogs: int = 10,
    from_posterior: bool = False,
    seed: int = 0,
    verbose: int = 0,
) -> Annealed:
    """Estimate log p(x) of each example by annealed importance sampling, nats: log of the chains' mean weight.

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
    return Annealed(*over_batches(vae, _bound_batch, data, seed, verbose, settings))


def bidirectional(
    vae: VAE,
    count: int = 100,
    chains: int = 16,
    temperatures: int = 1000,
    leapfrogs: int = 10,
    from_posterior: bool = False,
    condition: Any = None,
    seed: int = 0,
    verbose: int = 0,
) -> Bounds:
    """Bound log p(x) from both sides, on data drawn from the model itself: test how well `annealed` does on it.

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
    drawn = _draw_examples(vae, count, condition, random.seed(seed, random.Stream.SAMPLING))
    found = over_batches(vae, _bound_batch_both_ways, drawn, seed, verbose, settings, lambda *_: None)  # it is ours
    return Bounds(Annealed(*found[:3]), Annealed(*found[3:]))


def _settings(vae, chains, temperatures, leapfrogs, from_posterior):
    numbers = {"chains": chains, "temperatures": temperatures, "leapfrogs": leapfrogs}
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    if not vae.prior.flat:
        name = type(vae.prior).__name__
        raise ValueError(f"chains move in R^n, but the prior {name} is on a sphere: use evaluation.log_marginal")
    if from_posterior and not (vae.posterior.has_density and vae.posterior.flat):
        name = type(vae.posterior).__name__
        raise ValueError(f"the posterior {name} has no density on R^n to start from: leave out from_posterior")
    stretches = min(STRETCHES, temperatures)
    return Settings(chains, stretches, math.ceil(temperatures / stretches), leapfrogs, bool(from_posterior))


def _draw_examples(vae, count, condition, seed):
    """Draw examples and their latents: (x `[N, *event]`, z `[N, n]`), and the conditions if there are any."""
    condition = compatibility.spread_condition(vae, condition, count)
    prior = vae.prior.distribution(condition, vae.infer)
    z = prior.sample([] if prior.batch_shape.rank else count, seed=random.fold(seed, 0))
    x = []
    for first in range(0, count, 100):
        rows = slice(first, first + 100)
        likelihood = vae.decode(z[rows], None if condition is None else condition[rows])
        x.append(likelihood.sample(seed=random.fold(seed, 1 + first)))
    parts = (tf.concat(x, axis=0), z, condition)
    return tuple(part.numpy() for part in parts if part is not None)


def _bound_batch(vae, settings, batch, key):
    """Compute the fields of `Annealed` for a batch: `[3, B]`."""
    given = vae.given(batch)
    start, ratio = _path(settings, given)
    sizes = step_sizes(settings, given.x, start, ratio, random.fold(key, 0))
    return weigh_chains(settings, given.x, start, ratio, sizes, random.fold(key, 1))


def _bound_batch_both_ways(vae, settings, batch, key):
    """Compute the fields of `Annealed`, of lower and upper bound, for x `[B, *event]` and their z: `[6, B]`."""
    x, z, *condition = batch
    (condition,) = condition or (None,)
    posterior, prior = vae.infer(x, condition), vae.prior.distribution(condition, vae.infer)
    start, ratio = _path(
        settings, Given(x=x, posterior=posterior, prior=prior, decode=lambda z: vae.decode(z, condition))
    )
    sizes = step_sizes(settings, x, start, ratio, random.fold(key, 0))
    lower = weigh_chains(settings, x, start, ratio, sizes, random.fold(key, 1))
    upper = weigh_chains(settings, x, start, ratio, sizes, random.fold(key, 2), z)
    return tf.concat([lower, -upper[:1], upper[1:]], axis=0)


def _path(settings, given):
    """Give p_0, a distribution of batch `[]` or `[B]`, and log f_1 / p_0, a function z `[C, B, n]` -> `[C, B]`."""
    if not settings.from_posterior:
        return given.prior, given.log_likelihood
    q, p = given.posterior, given.prior
    return q, lambda z: given.log_likelihood(z) + p.log_prob(z) - q.log_prob(z)
