"""Counts that are shares of a total, which an example tells itself; counts with more zeros than a total explains."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae.distributions.scalars import (
    Independent,
    NegativeBinomial,
    Uniform,
    draw_scalars,
    log_prob_of_elements,
)

__all__ = ["GivenTotal", "ZeroInflatedNegativeBinomial"]

LEAST = 1e-3  # the total of a row of zeros
UNSEEN = -1e9  # logarithm of the share of an element that is missing


class ZeroInflatedNegativeBinomial(tfd.Distribution):
    """0 with probability sigmoid(inflation), else a count of a negative binomial distribution, which may be 0 too.

    Args:
        total_count: of the negative binomial distribution, positive, `[...]`.
        logits: its logits, `[...]`: its mean is total_count exp(logits).
        inflation: logits of the probability of a further zero, `[...]`.
    """

    def __init__(
        self,
        total_count: tf.Tensor,
        logits: tf.Tensor,
        inflation: tf.Tensor,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ZeroInflatedNegativeBinomial",
    ):
        parameters = dict(locals())
        self.counts, self.inflation = NegativeBinomial(total_count, logits=logits), tf.convert_to_tensor(inflation)
        super().__init__(
            dtype=self.counts.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {name: tfp.util.ParameterProperties() for name in ("total_count", "logits", "inflation")}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def log_rate_parameter(self) -> tf.Tensor:
        """Give the logarithm of the mean of what is no further zero."""
        return self.counts.log_rate_parameter()

    def times(self, log_factor: tf.Tensor) -> "ZeroInflatedNegativeBinomial":
        """Multiply the mean by exp(log_factor)."""
        logits = self.counts.logits_parameter() + log_factor
        return ZeroInflatedNegativeBinomial(self.counts.total_count, logits, self.inflation)

    def _log_prob(self, x):
        counted = tf.math.log_sigmoid(-self.inflation) + self.counts.log_prob(x)
        further = tf.nn.softplus(tf.math.log_sigmoid(self.inflation) - counted)  # log(1 + exp(.)), of another zero
        return counted + tf.where(x == 0, further, 0.0)

    def _mean(self):
        return tf.sigmoid(-self.inflation) * self.counts.mean()

    def _variance(self):
        zero, mean = tf.sigmoid(self.inflation), self.counts.mean()
        return tf.sigmoid(-self.inflation) * (self.counts.variance() + zero * mean**2)


@draw_scalars.register
def _(scalars: ZeroInflatedNegativeBinomial, uniform: Uniform) -> tf.Tensor:
    further = uniform(2) < tf.sigmoid(scalars.inflation)
    return tf.where(further, 0.0, draw_scalars(scalars.counts, uniform))


class GivenTotal(Independent):
    """Independent counts, of which only the shares of the means are modelled: the total is that of each x itself.

    log_prob(x) is that of the scalars, all their means multiplied by one number, such that those of the observed
    elements add up to the sum of these; missing elements, NaN, are left out of both, and of log_prob. So it is
    log p(x | total of x), in which the total itself has no probability: over all x it does not sum to one. Mean and
    samples are those of the scalars as given.
    Lopez et al. 2018 (scVI), doi:10.1038/s41592-018-0229-2.

    Args:
        distribution: of scalars that have `log_rate_parameter` and `times`, means of a typical total.
        reinterpreted_batch_ndims: rank of an event.
    """

    def _log_prob(self, x: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        return tf.reduce_sum(log_prob_of_elements(self, x), axis=list(range(-self.event_shape.rank, 0)))


@log_prob_of_elements.register
def _(distribution: GivenTotal, x: tf.Tensor, missing: tf.Tensor | None = None) -> tf.Tensor:
    scalars, axes = distribution.distribution, list(range(-distribution.event_shape.rank, 0))
    seen = ~(tf.math.is_nan(x) if missing is None else missing)
    x = tf.where(seen, x, 0.0)
    total = tf.math.log(tf.maximum(tf.reduce_sum(x, axis=axes, keepdims=True), LEAST))
    expected = tf.where(seen, scalars.log_rate_parameter(), UNSEEN)  # a sum over these has finite gradients anyhow
    some = tf.reduce_any(seen, axis=axes, keepdims=True)
    expected = tf.where(some, tf.reduce_logsumexp(expected, axis=axes, keepdims=True), 0.0)
    return tf.where(seen, scalars.times(total - expected).log_prob(x), 0.0)
