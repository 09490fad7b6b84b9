"""`Given`: everything that an objective, an evaluation or an exported signature may look at, for one batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

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

    x: Any
    posterior: tfd.Distribution
    prior: tfd.Distribution
    decode: Callable[..., tfd.Distribution]
    step: Any = 0
    seed: Any = None
    condition: Any = None
    infer: Callable[..., tfd.Distribution] | None = None

    def draw(self, samples: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw z from the posterior: z `[S, B, n]` and log q(z|x) `[S, B]`, nats."""
        return self.posterior.experimental_sample_and_log_prob(samples, seed=self.seed)

    def log_likelihood(self, z: tf.Tensor) -> tf.Tensor:
        """Give log p(x|z) `[S, B]`, nats, of z `[S, B, n]`."""
        return self.decode(z).log_prob(self.x)
