"""Likelihoods of real numbers, and of positive ones."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Laplace", "LogNormal", "Normal", "StudentT"]

register = keras.saving.register_keras_serializable("tfvae")


class _LocationScale(distributions.Conditional):
    """Location from the features; scale fixed, learned as weights of the layer, or from the features too.

    Raises:
        ValueError: when scale is not positive, floor not from 0 to 1, scale_shape does not broadcast to event_shape, or
            goes with per_row.
    """

    elementwise = True

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: float = 1.0,
        scale_shape: list[int] | None = None,
        per_row: bool = False,
        floor: float = 0.0,
        standardize: bool = False,
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if not scale > 0:
            raise ValueError(f"scale must be positive, not {scale}")
        if not 0 <= floor < 1:
            raise ValueError(f"floor, a part of the scale, must be from 0 to less than 1, not {floor}")
        if per_row and scale_shape is not None:
            raise ValueError("per_row takes scales from the features, scale_shape learns weights: choose one of them")
        self.scale, self.scale_shape = scale, None if scale_shape is None else tuple(scale_shape)
        self.per_row, self.floor, self.standardize = per_row, floor, standardize
        self.parameters = 2 if per_row else 1
        self.log_ratio = self.add_raw("log_ratio", "scale_shape", self.scale_shape)  # of the learned scale to its start
        self.location: Any = None
        self.unit: Any = None
        if standardize:
            self.location = self.add_weight(self.event_shape, "zeros", trainable=False, name="location")
            self.unit = self.add_weight(self.event_shape, "ones", trainable=False, name="unit")

    def add_raw(self, name: str, argument: str, shape: tuple[int, ...] | None) -> Any:
        """Make weights of a shape that broadcasts to the event's, zeros at first; None for None."""
        if shape is None:
            return None
        distributions.check_broadcast(argument, shape, self.event_shape)
        return self.add_weight(shape=shape, initializer="zeros", name=name)

    def learned_scale(self, raw_scale: tf.Tensor | None = None) -> Any:
        """Give the scale, as x has it: of shape `scale_shape`, of that of raw_scale (`per_row`), or a number."""
        log_ratio = raw_scale if self.log_ratio is None else self.log_ratio.value
        scale = self.scale
        if log_ratio is not None:
            scale = self.scale * (self.floor + (1.0 - self.floor) * distributions.bounded_exp(log_ratio))
        return scale if self.unit is None else self.unit.value * scale

    def located(self, raw: tf.Tensor) -> tf.Tensor:
        """Give the location, as x has it, of what is of order 1."""
        return raw if self.location is None else self.location.value + self.unit.value * raw

    def measured(self, x: np.ndarray) -> np.ndarray:
        """Give that of x whose mean and standard deviation are location and unit."""
        return x

    def measure(self, x: tf.Tensor) -> None:
        if not self.standardize:
            return
        x = self.measured(np.asarray(x, np.float64))  # [N, *event]
        seen = np.isfinite(x)
        x, count = np.where(seen, x, 0.0), np.maximum(seen.sum(axis=0), 1)
        mean = x.sum(axis=0) / count
        deviation = np.sqrt(np.where(seen, (x - mean) ** 2, 0.0).sum(axis=0) / count)
        size = np.abs(mean)
        alike = np.where(size > 0, size, 1.0)  # the unit of what does not vary, but for the rounding of float32
        self.location.assign(mean)
        self.unit.assign(np.where(deviation > 1e-7 * size, deviation, alike))

    def over_positions(self, values: Any, rank: int) -> tf.Tensor:
        """Average what broadcasts to `[*event]` over all but `rank` axes: over maps positions start alike."""
        return tf.reduce_mean(tf.broadcast_to(values, self.event_shape), axis=list(range(len(self.event_shape) - rank)))

    def raw_location(self, location: tf.Tensor) -> tf.Tensor:
        """Give what `located` makes a location of."""
        if self.location is None:
            return location
        return self.over_positions((location - self.location.value) / self.unit.value, location.shape.rank)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return (self.raw_location(mean), *[tf.zeros_like(mean)] * (self.parameters - 1))

    def independent(self, scalars: tfd.Distribution) -> tfd.Distribution:
        """Make events of scalars `[..., *event]`."""
        return distributions.Independent(scalars, len(self.event_shape))

    def get_config(self) -> dict[str, Any]:
        names = ("scale", "scale_shape", "per_row", "floor", "standardize")
        return super().get_config() | {name: getattr(self, name) for name in names}


@register
class Normal(_LocationScale):
    """p(x|z) = prod_i N(x_i; mean_i(z), scale_i^2); `tfd.Normal`. With a fixed scale, the loss is the squared error
    over 2 scale^2, and a constant. A learned scale: Rybkin, Daniilidis and Levine 2020, arXiv:2006.13202.

    Args:
        event_shape: shape of x.
        scale: the scale, or its start where it is learned; positive. With `standardize`, in units of each element.
        scale_shape: None keeps the scale fixed; `[]` learns one for all of x; a shape that broadcasts to x's learns as
            many: `[28, 28, 1]` one per pixel of such an image, `[1, 1, 3]` one per channel, `[n]` one per column.
        per_row: whether scales come from the features, for each element of each x its own.
        floor: the least that a learned scale may be, as a part of its start; from 0 to less than 1. Without it the
            density of a column that z explains altogether rises far: Mattei and Frellsen 2018, arXiv:1802.04826.
        standardize: whether the layer holds location and unit of each element: mean and standard deviation of the data
            once `VAE.adapt` has measured them, until then 0 and 1. What features give is then of order 1 in whatever
            unit x is; density, mean and samples are still those of x as it is.
    """

    def distribution(self, mean: tf.Tensor, raw_scale: tf.Tensor | None = None) -> tfd.Distribution:  # [..., *event]
        return self.independent(tfd.Normal(self.located(mean), self.learned_scale(raw_scale)))


@register
class Laplace(_LocationScale):
    """p(x|z) = prod_i Laplace(x_i; mean_i(z), scale_i); `tfd.Laplace`. With a fixed scale, the loss is the
    absolute error over the scale, and a constant.

    Args: those of `Normal`.
    """

    def distribution(self, mean: tf.Tensor, raw_scale: tf.Tensor | None = None) -> tfd.Distribution:  # [..., *event]
        return self.independent(tfd.Laplace(self.located(mean), self.learned_scale(raw_scale)))


@register
class StudentT(_LocationScale):
    """p(x|z) = prod_i t(x_i; df, mean_i(z), scale_i), for x with outliers; `tfd.StudentT`.

    Its variance is scale^2 df / (df - 2). In VAEs: Takahashi et al. 2018, "Student-t variational autoencoder for robust
    density estimation", IJCAI.

    Args: those of `Normal`, and
        df: degrees of freedom, or their start where they are learned; more than 2, so that there is a variance.
        df_shape: None keeps them fixed; else they are learned, a number for all of x (`[]`) or as many as of a scale;
            they stay between 2 + (df - 2) exp(-4) and 2 + (df - 2) exp(4).

    Raises:
        ValueError: also when df is not more than 2.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: float = 1.0,
        scale_shape: list[int] | None = None,
        per_row: bool = False,
        floor: float = 0.0,
        standardize: bool = False,
        df: float = 5.0,
        df_shape: list[int] | None = None,
        **kwargs,
    ):
        super().__init__(event_shape, scale, scale_shape, per_row, floor, standardize, **kwargs)
        if not df > 2:
            raise ValueError(f"df must be more than 2, not {df}")
        self.df, self.df_shape = df, None if df_shape is None else tuple(df_shape)
        self.raw_df = self.add_raw("raw_df", "df_shape", self.df_shape)

    def learned_df(self) -> Any:
        """Give the degrees of freedom, of shape `df_shape`, or a number where they are fixed."""
        if self.raw_df is None:
            return self.df
        return 2.0 + (self.df - 2.0) * distributions.bounded_exp(self.raw_df.value, 4.0)

    def distribution(self, mean: tf.Tensor, raw_scale: tf.Tensor | None = None) -> tfd.Distribution:  # [..., *event]
        loc, scale = self.located(mean), self.learned_scale(raw_scale)
        return self.independent(distributions.StudentT(self.learned_df(), loc, scale))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"df": self.df, "df_shape": self.df_shape}


@register
class LogNormal(_LocationScale):
    """p(x|z) = prod_i N(log x_i; loc_i(z), scale_i^2) / x_i, for x > 0: prices, durations; `tfd.LogNormal`.

    The location stays within 30 of 0 (with `standardize`, within 30 units of the data's), the mean,
    exp(loc + scale^2 / 2), below exp(80). What stands for several distributions is exp of the mean of log x: where
    scales are large the mean of x lies above nearly all that is drawn, and an average of means is about the largest.

    Args: those of `Normal`, all of log x; with `standardize`, location and unit are those of log x.
    """

    BOUND = 30.0  # of the location
    filler = 1.0
    domain = "positive numbers"
    bounds = (0.0, None)

    def distribution(self, raw: tf.Tensor, raw_scale: tf.Tensor | None = None) -> tfd.Distribution:  # [..., *event]
        loc = self.located(distributions.soft_clip(raw, self.BOUND))
        return self.independent(distributions.LogNormal(loc, self.learned_scale(raw_scale)))

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x > 0) & tf.math.is_finite(x)

    def measured(self, x: np.ndarray) -> np.ndarray:
        return np.log(np.where(x > 0, x, np.nan))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        variance = self.learned_scale(0.0 if self.per_row else None) ** 2
        loc = tf.math.log(tf.maximum(mean, 1e-30)) - 0.5 * self.over_positions(variance, mean.shape.rank)
        loc = tf.clip_by_value(self.raw_location(loc), -0.99 * self.BOUND, 0.99 * self.BOUND)
        return (distributions.inverse_soft_clip(loc, self.BOUND), *[tf.zeros_like(mean)] * (self.parameters - 1))

    def summary(self, distribution: tfd.Distribution) -> tf.Tensor:  # [..., *event], means of log x
        return distribution.distribution.loc

    def value_of(self, summary: tf.Tensor) -> tf.Tensor:
        return tf.exp(tf.clip_by_value(summary, -80.0, 80.0))
