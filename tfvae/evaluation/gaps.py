"""Where log p(x) - ELBO is lost: to the family of q, and to the encoder; nats."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfvae import random
from tfvae.compatibility import NotApplicable
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.evaluation.evidence import log_marginal
from tfvae.evaluation.information import average_draws
from tfvae.model import VAE

__all__ = ["Gap", "gap", "refine_batch"]


class Gap(NamedTuple):
    """Parts of log p(x) - ELBO, each an `Estimate`: total = approximation + amortisation, example by example."""

    log_marginal: Estimate  # log p(x)
    elbo: Estimate  # of q(z|x), by the encoder
    best_elbo: Estimate  # of the best q found for the example alone, in the same family

    @property
    def total(self) -> Estimate:
        """Give log p(x) - ELBO, which is KL(q(z|x) || p(z|x))."""
        return Estimate(self.log_marginal.values - self.elbo.values)

    @property
    def approximation(self) -> Estimate:
        """Give log p(x) - best ELBO: what no independent normals can reach."""
        return Estimate(self.log_marginal.values - self.best_elbo.values)

    @property
    def amortisation(self) -> Estimate:
        """Give best ELBO - ELBO: what the encoder loses, as it serves all examples."""
        return Estimate(self.best_elbo.values - self.elbo.values)

    def __str__(self):
        return f"total {self.total} = approximation {self.approximation} + amortisation {self.amortisation}"


def gap(
    vae: VAE,
    data: Any,
    samples: int = 5000,
    steps: int = 300,
    draws: int = 16,
    learning_rate: float = 0.02,
    evidence: Estimate | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> Gap:
    """Tell where log p(x) - ELBO is lost: in the family of the posterior, or in the encoder.

    For each example a local normal with independent components begins at q(z|x), and Adam takes its means and the
    logarithms of its scales to the best ELBO. Both ELBOs are measured with the same noise, other than that of Adam.
    Cremer, Li and Duvenaud 2018, "Inference suboptimality in variational autoencoders", arXiv:1801.03558.

    Args:
        vae: the model; its posterior is `DiagonalNormal`.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        samples: importance samples for log p(x), and draws of z, 1000 at most, for the ELBOs.
        steps: of Adam, with a learning rate that falls linearly to 0.
        draws: of z per example in each step.
        learning_rate: of Adam at first.
        evidence: log p(x) of the examples, an `Estimate` such as that of `annealed`; else importance-sampled.
        seed: integer.
        verbose: 1 shows a progress bar.

    Returns:
        `Gap`.

    Raises:
        NotApplicable: when the posterior is another.
        ValueError: when the evidence is of other examples.
    """
    if not vae.posterior.refinable:
        raise NotApplicable(
            f"approximation and amortisation are told apart for the posterior DiagonalNormal, not for "
            f"{type(vae.posterior).__name__}: the total gap is log_marginal(...) less elbo_terms(...)['elbo']"
        )
    if min(steps, draws, samples) < 1:
        raise ValueError(f"samples, steps and draws must be 1 or more, not {samples}, {steps} and {draws}")
    settings = (min(samples, 1000), steps, draws, learning_rate)
    elbo, best = over_batches(vae, _elbos, data, seed, verbose, settings)
    evidence = evidence or log_marginal(vae, data, samples, seed, verbose)
    if len(evidence.values) != len(elbo):
        raise ValueError(f"evidence is of {len(evidence.values)} examples, but the data has {len(elbo)}")
    return Gap(evidence, Estimate(elbo), Estimate(best))


def _elbos(vae, settings, batch, key):
    """Compute the ELBOs of q(z|x) and of the best local normal, `[2, B]`."""
    samples, steps, draws, rate = settings
    return refine_batch(vae, batch, samples, steps, draws, rate, key)


def _draw(q, count, seed):
    return q.experimental_sample_and_log_prob(count, seed=seed)


def refine_batch(
    vae: VAE,
    batch: Any,
    samples: int,
    steps: int,
    draws: int,
    rate: float,
    key: tf.Tensor,
    draw: Callable[..., tuple[tf.Tensor, tf.Tensor]] = _draw,
) -> tf.Tensor:
    """Give the ELBO of the encoder's q(z|x), and that of each example's own best q that Adam finds from there: nats.

    Args:
        vae: the model; its posterior is `refinable`.
        batch: as loaded, `[B, ...]`; of a conditional VAE, a pair.
        samples: draws of z for the two ELBOs, which share their noise.
        steps: of Adam, with a learning rate that falls linearly to 0.
        draws: of z in each step.
        rate: learning rate of Adam at first.
        key: int32 `[2]`.
        draw: function (q, count, seed) -> z `[S, B, n]`, log q(z) `[S, B]`.

    Returns:
        `[2, B]`.
    """
    given, local = vae.given(batch), vae.posterior.from_unconstrained

    def elbo(q, count, seed):
        z, log_q = draw(q, count, seed)  # [S, B, n]
        return tf.reduce_mean(given.log_likelihood(z) + given.prior.log_prob(z) - log_q, axis=0)  # [B]

    def loss_gradient(parameters, seed):  # [K, B, n]
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            loss = -elbo(local(parameters), draws, seed)
        return tape.gradient(loss, parameters)

    start = vae.posterior.unconstrained(given.posterior)
    best = _adam(loss_gradient, start, steps, rate, random.fold(key, 0))
    both = (given.posterior, local(best))
    return tf.stack([average_draws(elbo, q, given.x, samples, random.fold(key, 1)) for q in both])


def _adam(gradient, start, steps, rate, key):
    """Run Adam from `start` down gradient(parameters, seed) (Kingma and Ba 2014, arXiv:1412.6980); give its end."""

    def step(i, parameters, first, second):
        g, done = gradient(parameters, random.fold(key, i)), tf.cast(i, tf.float32)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        scale = tf.sqrt(second / (1.0 - 0.999 ** (done + 1.0))) + 1e-8
        parameters -= rate * (1.0 - done / steps) * first / (1.0 - 0.9 ** (done + 1.0)) / scale
        return i + 1, parameters, first, second

    loop = [0, start, tf.zeros_like(start), tf.zeros_like(start)]
    return tf.while_loop(lambda i, *_: i < steps, step, loop, parallel_iterations=1)[1]
