"""Likelihoods p(x|z): features -> distribution over events (images, vectors), batch `[B]` or `[S, B]`."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Bernoulli", "ContinuousBernoulli", "Laplace", "NegativeBinomial", "Normal", "Poisson"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class Bernoulli(distributions.Conditional):
    """p(x|z) = prod_i mean_i(z)^x_i (1 - mean_i(z))^(1 - x_i), for x of zeros and ones; float32 `tfd.Bernoulli`.

    Grey values are not modelled: binarise them (`preprocessing.Binarize`).
    Kingma and Welling 2013, arXiv:1312.6114, appendix C.1.

    Args:
        event_shape: shape of x.
    """

    domain = "0 and 1 (grey pixels become so through preprocessing.Binarize)"

    def distribution(self, logits):  # [..., *event]
        return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float32), len(self.event_shape))

    def support(self, x):
        return (x == 0) | (x == 1)

    def raw(self, mean):
        mean = tf.clip_by_value(mean, 1e-3, 1 - 1e-3)  # a pixel that was never lit may be yet
        return (tf.math.log(mean) - tf.math.log1p(-mean),)


@register
class ContinuousBernoulli(distributions.Conditional):
    """p(x|z) = prod_i C(l_i) exp(l_i x_i), l = logits(z), for x in [0, 1]: grey pixels as they are;
    `tfd.ContinuousBernoulli`.

    Its mean is not the sigmoid of its logits. Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845.

    Args:
        event_shape: shape of x.
    """

    domain = "numbers in [0, 1] (pixels become so through preprocessing.Rescale)"

    def distribution(self, raw_logits):  # [..., *event]
        logits = distributions.bent(raw_logits, 15.0)  # beyond, the density is infinite in float32
        return tfd.Independent(tfd.ContinuousBernoulli(logits=logits), len(self.event_shape))

    def support(self, x):
        return (x >= 0) & (x <= 1)


class _LocationScale(distributions.Conditional):
    """Mean from the features; scale fixed, or learned as weights of the layer.

    Raises:
        ValueError: when scale is not positive, or scale_shape does not broadcast to event_shape.
    """

    def __init__(self, event_shape, scale: float = 1.0, scale_shape: list[int] | None = None, **kwargs):
        super().__init__(event_shape, **kwargs)
        if not scale > 0:
            raise ValueError(f"scale must be positive, not {scale}")
        self.scale, self.scale_shape = scale, None if scale_shape is None else tuple(scale_shape)
        self.log_ratio = None  # of the learned scale to its start
        if self.scale_shape is not None:
            event = tf.TensorShape(self.event_shape)
            if tf.broadcast_static_shape(event, tf.TensorShape(self.scale_shape)) != event:
                raise ValueError(f"scale_shape {self.scale_shape} does not broadcast to the event's {self.event_shape}")
            self.log_ratio = self.add_weight(shape=self.scale_shape, initializer="zeros", name="log_ratio")

    def learned_scale(self):
        """The scale, of shape `scale_shape`, or a number where it is fixed."""
        return self.scale if self.log_ratio is None else self.scale * distributions.bounded_exp(self.log_ratio.value)

    def raw(self, mean):
        return (mean,)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "scale_shape": self.scale_shape}


@register
class Normal(_LocationScale):
    """p(x|z) = prod_i N(x_i; mean_i(z), scale_i^2); `tfd.Normal`. With a fixed scale, the loss is the squared error
    over 2 scale^2, and a constant. A learned scale: Rybkin, Daniilidis and Levine 2020, arXiv:2006.13202.

    Args:
        event_shape: shape of x.
        scale: the scale, or its start where it is learned; positive.
        scale_shape: None keeps the scale fixed; `[]` learns one for all of x; a shape that broadcasts to x's learns as
            many: `[28, 28, 1]` one per pixel of such an image, `[1, 1, 3]` one per channel, `[n]` one per column.
    """

    def distribution(self, mean):  # [..., *event]
        return tfd.Independent(tfd.Normal(mean, self.learned_scale()), len(self.event_shape))


@register
class Laplace(_LocationScale):
    """p(x|z) = prod_i Laplace(x_i; mean_i(z), scale_i); `tfd.Laplace`. With a fixed scale, the loss is the
    absolute error over the scale, and a constant.

    Args:
        event_shape: shape of x.
        scale: the scale, or its start where it is learned; positive.
        scale_shape: None keeps the scale fixed; `[]` learns one for all of x; a shape that broadcasts to x's learns as
            many: `[28, 28, 1]` one per pixel of such an image, `[1, 1, 3]` one per channel, `[n]` one per column.
    """

    def distribution(self, mean):  # [..., *event]
        return tfd.Independent(tfd.Laplace(mean, self.learned_scale()), len(self.event_shape))


class _Counts(distributions.Conditional):
    """For x of whole numbers from 0, as floats."""

    domain = "whole numbers from 0, as floats"

    def support(self, x):
        return (x >= 0) & (x == tf.floor(x)) & tf.math.is_finite(x)

    def log_mean(self, mean):
        """Logarithm of a mean, for `raw`; a count that was never seen may be yet."""
        return tf.math.log(tf.clip_by_value(mean, 1e-3, 1e6))


@register
class Poisson(_Counts):
    """p(x|z) = prod_i Poisson(x_i; rate_i(z)), for counts; `tfd.Poisson`. The rate stays within exp(-15) and exp(15).

    Args:
        event_shape: shape of x.
    """

    def distribution(self, raw_rate):  # [..., *event]
        log_rate = distributions.bent(raw_rate, 15.0)
        return tfd.Independent(tfd.Poisson(log_rate=log_rate), len(self.event_shape))

    def raw(self, mean):
        return (distributions.unbent(self.log_mean(mean), 15.0),)


@register
class NegativeBinomial(_Counts):
    """p(x|z) = prod_i NB(x_i; total_count_i(z), logits_i(z)), for counts that vary more than Poisson's: the mean is
    total_count exp(logits), the variance mean (1 + mean / total_count); `tfd.NegativeBinomial`.

    Both parameters come from the features; total_count stays within exp(-7) and exp(7), logits within -15 and 15.
    In VAEs of gene counts: Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics".

    Args:
        event_shape: shape of x.
    """

    parameters = 2

    def distribution(self, raw_count, raw_logits):  # [..., *event] each
        counts = tfd.NegativeBinomial(
            total_count=distributions.bounded_exp(raw_count), logits=distributions.bent(raw_logits, 15.0)
        )
        return tfd.Independent(counts, len(self.event_shape))

    def raw(self, mean):
        return tf.zeros_like(mean), distributions.unbent(self.log_mean(mean), 15.0)
