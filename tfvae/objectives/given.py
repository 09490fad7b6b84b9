"""`Given`: everything that an objective, an evaluation or an exported signature may look at, for one batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.objectives.divergence import kl_divergence, kl_of_units

__all__ = ["Given"]


class Given(NamedTuple):
    """One batch of B examples and the distributions that a VAE gives for it; `VAE.given` makes it.

    Where a batch is spread over replicas, B is the number of examples on one of them.

    Attributes:
        x: the examples, preprocessed, `[B, *event]` float32.
        posterior: q(z|x), batch `[B]`, event `[n]`.
        prior: p(z), batch `[]`, or, given conditions, `[B]`; event `[n]`.
        decode: function (z `[..., B, n]`, condition=None) -> p(x|z), batch `[..., B]`; the condition is the batch's own
            unless another is given.
        step: the optimizer's step, integer scalar.
        seed: int32 `[2]`, from which all noise follows.
        condition: `[B, k]` float32 of a conditional VAE, else None.
        infer: function (x, condition=None) -> q(z|x), for objectives that encode other examples than x.
    """

    x: tf.Tensor
    posterior: tfd.Distribution
    prior: tfd.Distribution
    decode: Callable[..., tfd.Distribution]
    step: Any = 0
    seed: tf.Tensor | None = None
    condition: tf.Tensor | None = None
    infer: Callable[..., tfd.Distribution] | None = None

    def draw(self, samples: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw z from the posterior: z `[S, B, n]` and log q(z|x) `[S, B]`, nats."""
        return self.posterior.experimental_sample_and_log_prob(samples, seed=self.seed)

    def log_likelihood(self, z: tf.Tensor) -> tf.Tensor:
        """Give log p(x|z) `[S, B]`, nats, of z `[S, B, n]`."""
        return self.decode(z).log_prob(self.x)

    def log_weight(self, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
        """Give log p(x|z) p(z) / q(z|x) `[S, B]`, nats: the logarithm of importance weights.

        Args:
            z: `[S, B, n]`.
            log_q: log q(z|x) `[S, B]`, as `draw` gives it.
        """
        return self.log_likelihood(z) + self.prior.log_prob(z) - log_q

    def kl(self, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
        """Give KL(q(z|x) || p(z)) `[B]`, nats: in closed form, or else estimated from what `draw` gives."""
        return kl_divergence(self.posterior, self.prior, z, log_q)

    def kl_of_units(self, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
        """Give the KL of each independent unit `[B, n]`, nats, or, where there are none, of all together `[B, 1]`."""
        return kl_of_units(self.posterior, self.prior, z, log_q)
