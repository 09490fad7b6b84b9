"""Likelihoods of whole numbers: counts, and indices of classes."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Categorical", "NegativeBinomial", "Poisson"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class Categorical(distributions.Conditional):
    """p(x|z) = prod_i p_i(x_i; z), a probability for each class, for x of class indices as floats; `tfd.Categorical`.

    The mean is that of the index: it says something where the classes are in order, as levels of grey are.

    Args:
        event_shape: shape of x.
        classes: how many, at least 2.
    """

    discrete = elementwise = True

    def __init__(self, event_shape: int | Sequence[int], classes: int, **kwargs):
        super().__init__(event_shape, **kwargs)
        if classes < 2:
            raise ValueError(f"classes must be 2 or more, not {classes}")
        self.classes = classes

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((*self.event_shape, self.classes),)

    @property
    def domain(self) -> str:
        return f"whole numbers from 0 to {self.classes - 1}, as floats"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return 0.0, self.classes - 1.0

    def distribution(self, logits: tf.Tensor) -> tfd.Distribution:  # [..., *event, classes]
        return distributions.Independent(
            distributions.Categorical(logits=logits, dtype=tf.float32), len(self.event_shape)
        )

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x < self.classes) & (x == tf.floor(x))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:  # all classes alike, but for the first or the last
        middle = (self.classes - 1) / 2
        alike = tf.clip_by_value(1 - tf.abs(mean - middle) / middle, 1e-3, 1.0)[..., None]
        end = tf.one_hot(tf.where(mean < middle, 0, self.classes - 1), self.classes)  # [..., classes]
        return (tf.math.log(alike / self.classes + (1 - alike) * end),)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"classes": self.classes}


class _Counts(distributions.Conditional):
    """For x of whole numbers from 0, as floats."""

    domain = "whole numbers from 0, as floats"
    bounds = (0.0, None)
    discrete = elementwise = True

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x == tf.floor(x)) & tf.math.is_finite(x)

    def log_mean(self, mean: tf.Tensor) -> tf.Tensor:
        """Give the logarithm of a mean, for `raw`; a count never seen in the data keeps some probability."""
        return tf.math.log(tf.clip_by_value(mean, 1e-3, 1e6))


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

    def distribution(self, raw_count: tf.Tensor, raw_logits: tf.Tensor) -> tfd.Distribution:  # [..., *event] each
        counts = distributions.NegativeBinomial(
            total_count=distributions.bounded_exp(raw_count), logits=distributions.soft_clip(raw_logits, 15.0)
        )
        return distributions.Independent(counts, len(self.event_shape))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return tf.zeros_like(mean), distributions.inverse_soft_clip(self.log_mean(mean), 15.0)


@register
class Poisson(_Counts):
    """p(x|z) = prod_i Poisson(x_i; rate_i(z)), for counts; `tfd.Poisson`. The rate stays within exp(-15) and exp(15).

    Args:
        event_shape: shape of x.
    """

    def distribution(self, raw_rate: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        log_rate = distributions.soft_clip(raw_rate, 15.0)
        return distributions.Independent(distributions.Poisson(log_rate=log_rate), len(self.event_shape))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return (distributions.inverse_soft_clip(self.log_mean(mean), 15.0),)
