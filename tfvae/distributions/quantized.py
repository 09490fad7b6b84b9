"""A logistic distribution of levels: of pixels that are whole numbers."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae.distributions.drawn import Drawn, open_uniform

__all__ = ["QuantizedLogistic"]


class QuantizedLogistic(Drawn, tfd.Distribution):
    """A logistic distribution rounded to the nearest of `levels` numbers k / (levels - 1), k = 0 .. levels - 1.

    P(x) = F(x + h) - F(x - h), with F the logistic distribution function and h half a step; 0 has all that is below
    it, 1 all that is above. A value between two levels counts as the nearest.

    Args:
        loc: location of the logistic distribution, `[...]`.
        scale: its scale, positive, `[...]`.
        levels: how many, at least 2.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        levels: int,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "QuantizedLogistic",
    ):
        parameters = dict(locals())
        self.logistic, self.levels = tfd.Logistic(loc, scale), levels
        super().__init__(
            dtype=self.logistic.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"loc": tfp.util.ParameterProperties(), "scale": tfp.util.ParameterProperties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, x):
        # s(a) - s(b) = s(a) s(-b) (1 - exp(-(a - b))), with s the sigmoid: no difference of nearly equal numbers, and
        # each logarithm is finite wherever x lies, so that the gradient through `where` is finite too
        steps = self.levels - 1
        k = tf.round(x * steps)
        first, last = k <= 0, k >= steps
        below = tf.where(first, 0.0, self.logistic.log_survival_function((k - 0.5) / steps))
        above = tf.where(last, 0.0, self.logistic.log_cdf((k + 0.5) / steps))
        width = tf.math.log(-tf.math.expm1(-1 / (steps * self.logistic.scale)))
        return below + above + tf.where(first | last, 0.0, width)

    def _mean(self):
        # a sum over the edges between levels of the probability to lie above; one at a time, for the memory's sake
        steps = self.levels - 1
        edges = (tf.range(steps, dtype=self.dtype) + 0.5) / steps
        none = tf.zeros_like(self.logistic.mean())
        return tf.foldl(lambda total, edge: total + self.logistic.survival_function(edge), edges, none) / steps

    def _quantile(self, level):
        steps = self.levels - 1
        return tf.clip_by_value(tf.round(self.logistic.quantile(level) * steps), 0, steps) / steps

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        return self._quantile(open_uniform(self._noise_shape(sample_shape, alike), seed))
