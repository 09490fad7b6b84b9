"""Likelihoods of counts."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["NegativeBinomial", "Poisson", "ZeroInflatedNegativeBinomial"]

register = keras.saving.register_keras_serializable("tfvae")

LEAST_COUNT, MOST_COUNT, COUNT_BOUND = 0.1, 300.0, 7.0  # of a total_count at the start; log of the farthest from 1
BOUND = 15.0  # of logarithms of means


class _Counts(distributions.Conditional):
    """For x of whole numbers from 0, as floats.

    Raises:
        ValueError: when the total is both given and latent.
    """

    domain = "whole numbers from 0, as floats"
    bounds = (0.0, None)
    discrete = elementwise = True

    def __init__(self, event_shape: int | Sequence[int], offset: bool = False, latent_total: bool = False, **kwargs):
        super().__init__(event_shape, **kwargs)
        if offset and latent_total:
            raise ValueError("offset takes the total from x, latent_total from the features: choose one of them")
        self.offset, self.latent_total, self.total = offset, latent_total, None
        if offset or latent_total:
            self.total = self.add_weight((), "ones", trainable=False, name="total")

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        total = ((*self.event_shape[:-1], 1),) if self.latent_total else ()  # over maps a number at each position
        return ((self.event_shape,) * self.parameters) + total

    def log_mean(self, raw: tf.Tensor, raw_total: tf.Tensor | None = None) -> tf.Tensor:
        """Give the logarithms of means `[..., *event]`: as they are, or, with a total, as shares of it."""
        raw = distributions.soft_clip(raw, BOUND)
        if self.total is None:
            return raw
        axes = list(range(-len(self.event_shape), 0))
        log_total = tf.math.log(self.total.value)
        if raw_total is not None:
            log_total += distributions.soft_clip(tf.reduce_mean(raw_total, axis=axes, keepdims=True), BOUND)
        return log_total + raw - tf.reduce_logsumexp(raw, axis=axes, keepdims=True)

    def raw_mean(self, mean: tf.Tensor) -> tf.Tensor:
        """Give the raw number of a mean, or, with a total, of the share that it has.

        A count never seen in the data keeps some probability.
        """
        log_mean = tf.math.log(tf.clip_by_value(mean, 1e-3, 1e6))
        if self.total is not None:
            log_mean -= tf.reduce_mean(log_mean)
        return distributions.inverse_soft_clip(log_mean, BOUND)

    def raw_totals(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Give the raw parameters of the total for `raw`: those of the typical one."""
        return (tf.zeros_like(mean[..., :1]),) if self.latent_total else ()

    def independent(self, counts: tfd.Distribution) -> tfd.Distribution:
        """Make events of counts `[..., *event]`."""
        kind = distributions.GivenTotal if self.offset else distributions.Independent
        return kind(counts, len(self.event_shape))

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x == tf.floor(x)) & tf.math.is_finite(x)

    def measure(self, x: tf.Tensor) -> None:
        """Set the typical total: the median of the rows' totals, those of zeros left out."""
        if self.total is None:
            return
        x = np.reshape(np.asarray(x, np.float64), [len(x), -1])  # [N, m]
        seen = np.isfinite(x)
        x = np.where(seen, x, 0.0)
        share = x.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        share /= max(share.sum(), 1e-9)
        observed = (seen * share).sum(axis=1)  # what part of the total the elements have that are not missing
        totals = x.sum(axis=1) / np.where(observed > 0, observed, 1.0)
        totals = totals[totals > 0]
        self.total.assign(np.median(totals) if len(totals) else 1.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"offset": self.offset, "latent_total": self.latent_total}


@register
class Poisson(_Counts):
    """p(x|z) = prod_i Poisson(x_i; rate_i(z)), for counts; `tfd.Poisson`. The rate stays within exp(-15) and exp(15).

    Rows of counts often differ most in their total: how many words a text has, how many molecules of a cell were
    read. By default that is z's business, as all else. With `offset` it is given: the features give shares, which add
    up to 1, rates are shares of the row's own total, and log p(x|z) is that of counts given their total (of elements
    that are not missing; `distributions.GivenTotal`), which does not compare with that of others. Mean and samples are
    then those of a typical total. With `latent_total` rates are total(z) share_i(z), the total one more number from the
    features.

    Args:
        event_shape: shape of x.
        offset: whether the total of x is given. Lopez et al. 2018 (scVI), doi:10.1038/s41592-018-0229-2.
        latent_total: whether the total is a number from the features, within exp(-15) and exp(15) typical ones. The
            typical total is 1, or, once `VAE.adapt` has measured it, the median of the data.
    """

    def distribution(self, raw_rate: tf.Tensor, *raw_total: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        return self.independent(distributions.Poisson(log_rate=self.log_mean(raw_rate, *raw_total)))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return (self.raw_mean(mean), *self.raw_totals(mean))


class _Dispersed(_Counts):
    """Counts of a negative binomial distribution; its total_count from the features, or learned as weights."""

    OTHERS = 1  # raw parameters but for total_count

    def __init__(
        self,
        event_shape: int | Sequence[int],
        total_count_shape: list[int] | None = None,
        offset: bool = False,
        latent_total: bool = False,
        **kwargs,
    ):
        super().__init__(event_shape, offset, latent_total, **kwargs)
        self.total_count_shape = None if total_count_shape is None else tuple(total_count_shape)
        self.raw_count = None
        self.parameters = self.OTHERS + (total_count_shape is None)
        if self.total_count_shape is not None:
            distributions.check_broadcast("total_count_shape", self.total_count_shape, self.event_shape)
            self.raw_count = self.add_weight(self.total_count_shape, "zeros", name="raw_count")

    def measure(self, x: tf.Tensor) -> None:
        """Start learned counts where mean and variance of x are those of the data: total_count = mean^2 / (variance -
        mean). With a total, they start at 1."""
        super().measure(x)
        if self.raw_count is None or self.total is not None:
            return
        x = np.asarray(x, np.float64)
        seen = np.isfinite(x)
        x, count = np.where(seen, x, 0.0), np.maximum(seen.sum(axis=0), 1)
        mean = x.sum(axis=0) / count
        more = np.where(seen, (x - mean) ** 2, 0.0).sum(axis=0) / count - mean
        found = np.log(np.clip(mean**2 / np.maximum(more, 1e-9), LEAST_COUNT, MOST_COUNT))  # [*event]
        lead = found.ndim - len(self.raw_count.shape)
        axes = (*range(lead), *(lead + axis for axis, size in enumerate(self.raw_count.shape) if size == 1))
        found = np.reshape(found.mean(axis=axes), self.raw_count.shape)
        self.raw_count.assign(distributions.inverse_soft_clip(tf.constant(found, tf.float32), COUNT_BOUND))

    def split(self, raw: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Give total_count, and the other raw parameters."""
        raw_count, *others = raw if self.raw_count is None else (self.raw_count.value, *raw)
        return distributions.bounded_exp(raw_count), others

    def logits(self, total_count: tf.Tensor, raw_logits: tf.Tensor, *raw_total: tf.Tensor) -> tf.Tensor:
        """Give logits: as they are, or, with a total, those that give a share of it."""
        log_mean = self.log_mean(raw_logits, *raw_total)
        return log_mean if self.total is None else log_mean - tf.math.log(total_count)

    def per_count(self, mean: tf.Tensor) -> tf.Tensor:
        """Divide a mean by total_count, where that is learned and logits are of the quotient."""
        if self.raw_count is None or self.total is not None:
            return mean
        raw_count = tf.convert_to_tensor(self.raw_count.value)
        lead = max(0, raw_count.shape.rank - mean.shape.rank)  # axes of maps, over which means are the same
        return mean / distributions.bounded_exp(tf.reduce_mean(raw_count, axis=list(range(lead))))

    def raw_counts(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Give the raw parameters of total_count for `raw`."""
        return (tf.zeros_like(mean),) if self.raw_count is None else ()

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"total_count_shape": self.total_count_shape}


@register
class NegativeBinomial(_Dispersed):
    """p(x|z) = prod_i NB(x_i; total_count_i(z), logits_i(z)), for counts that vary more than Poisson's: the mean is
    total_count exp(logits), the variance mean (1 + mean / total_count); `tfd.NegativeBinomial`.

    total_count stays within exp(-7) and exp(7), logits within -15 and 15. Totals of rows: as for `Poisson`.
    In VAEs of gene counts: Lopez et al. 2018 (scVI), doi:10.1038/s41592-018-0229-2.

    Args:
        event_shape: shape of x.
        total_count_shape: None takes total_count from the features, for each element of each x its own; `[]` learns one
            for all of x, a shape that broadcasts to x's as many: `[n]` one per column.
        offset: whether the total of x is given, as for `Poisson`.
        latent_total: whether the total is a number from the features, as for `Poisson`.
    """

    def distribution(self, *raw: tf.Tensor) -> tfd.Distribution:  # [..., *event] each
        total_count, (raw_logits, *raw_total) = self.split(raw)
        logits = self.logits(total_count, raw_logits, *raw_total)
        return self.independent(distributions.NegativeBinomial(total_count, logits=logits))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return (*self.raw_counts(mean), self.raw_mean(self.per_count(mean)), *self.raw_totals(mean))


@register
class ZeroInflatedNegativeBinomial(_Dispersed):
    """p(x|z) = prod_i zero_i(z) [x_i = 0] + (1 - zero_i(z)) NB(x_i; total_count_i(z), logits_i(z)), for counts of which
    more are 0 than `NegativeBinomial` has; `distributions.ZeroInflatedNegativeBinomial`.

    The logits of zero_i come from the features, within -15 and 15. With a total of rows, its shares are the means of
    what is no further zero. Lopez et al. 2018 (scVI), doi:10.1038/s41592-018-0229-2.

    Args: those of `NegativeBinomial`.
    """

    OTHERS = 2
    START = -2.0  # logits of a further zero, once adapted

    def distribution(self, *raw: tf.Tensor) -> tfd.Distribution:  # [..., *event] each
        total_count, (raw_logits, raw_zero, *raw_total) = self.split(raw)
        logits = self.logits(total_count, raw_logits, *raw_total)
        zero = distributions.soft_clip(raw_zero, BOUND)
        return self.independent(distributions.ZeroInflatedNegativeBinomial(total_count, logits, zero))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        zero = tf.fill(tf.shape(mean), distributions.inverse_soft_clip(self.START, BOUND))
        counted = self.per_count(mean / tf.sigmoid(-self.START))
        return (*self.raw_counts(mean), self.raw_mean(counted), zero, *self.raw_totals(mean))
