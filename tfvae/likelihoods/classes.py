"""Likelihoods of classes: of indices alone, and of those in order."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Categorical", "Ordinal"]

register = keras.saving.register_keras_serializable("tfvae")


class _Classes(distributions.Conditional):
    """For x of class indices 0 .. classes - 1, as floats. Over several distributions probabilities are averaged; the
    likeliest class stands for them.

    Raises:
        ValueError: when there are fewer than 2 classes.
    """

    discrete = elementwise = True

    def __init__(self, event_shape: int | Sequence[int], classes: int, **kwargs):
        super().__init__(event_shape, **kwargs)
        if classes < 2:
            raise ValueError(f"classes must be 2 or more, not {classes}")
        self.classes = classes

    @property
    def domain(self) -> str:
        return f"whole numbers from 0 to {self.classes - 1}, as floats"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return 0.0, self.classes - 1.0

    def of_logits(self, logits: tf.Tensor) -> tfd.Distribution:  # [..., *event, classes]
        """Make events of indices."""
        indices = distributions.Categorical(logits=logits, dtype=tf.float32)
        return distributions.Independent(indices, len(self.event_shape))

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x < self.classes) & (x == tf.floor(x))

    def summary(self, distribution: tfd.Distribution) -> tf.Tensor:  # [..., *event, classes]
        return distribution.distribution.probs_parameter()

    def value_of(self, summary: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.argmax(summary, axis=-1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"classes": self.classes}


@register
class Categorical(_Classes):
    """p(x|z) = prod_i p_i(x_i; z), a probability for each class, for x of class indices as floats; `tfd.Categorical`.

    The mean is that of the index: it says something where the classes are in order, as levels of grey are.

    Args:
        event_shape: shape of x.
        classes: how many, at least 2.
    """

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((*self.event_shape, self.classes),)

    def distribution(self, logits: tf.Tensor) -> tfd.Distribution:  # [..., *event, classes]
        return self.of_logits(logits)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:  # all classes alike, but for the first or the last
        middle = (self.classes - 1) / 2
        alike = tf.clip_by_value(1 - tf.abs(mean - middle) / middle, 1e-3, 1.0)[..., None]
        end = tf.one_hot(tf.where(mean < middle, 0, self.classes - 1), self.classes)  # [..., classes]
        return (tf.math.log(alike / self.classes + (1 - alike) * end),)


@register
class Ordinal(_Classes):
    """p(x|z) = prod_i p_i(x_i; z), p_i(x_i <= k) = sigmoid(cut_ik - loc_i(z)), for x of classes in order, grades or
    answers from "never" to "always"; `tfd.Categorical`.

    The location comes from the features; the cuts are weights of the layer, in order, of each element its own. At
    location 0 all classes are as likely at first; once `VAE.adapt` has measured them, as frequent as in the data.
    McCullagh 1980, "Regression models for ordinal data"; in VAEs Nazabal et al. 2018 (HI-VAE), arXiv:1807.03653.

    Args:
        event_shape: shape of x.
        classes: how many, at least 2.
    """

    STEP = 1e-3  # between two cuts at least, so that each class has a probability that float32 can tell

    def __init__(self, event_shape: int | Sequence[int], classes: int, **kwargs):
        super().__init__(event_shape, classes, **kwargs)
        self.raw_cuts = self.add_weight(  # the first, and what `softplus` makes the steps of
            (*self.event_shape, classes - 1),
            lambda *args, **kwargs: self.as_raw(self.as_cuts(np.ones(classes))),
            name="raw_cuts",
        )

    def as_cuts(self, counts: np.ndarray) -> np.ndarray:
        """Give cuts `[*event, classes - 1]` at which location 0 has classes as often as counts `[..., classes]` say."""
        below = np.cumsum(counts, axis=-1)[..., :-1] / np.sum(counts, axis=-1, keepdims=True)
        return np.broadcast_to(np.log(below) - np.log1p(-below), (*self.event_shape, self.classes - 1))

    def as_raw(self, cuts: np.ndarray) -> tf.Tensor:
        """Give the weights of which `cuts` makes these cuts."""
        steps = np.maximum(np.diff(cuts, axis=-1) - self.STEP, self.STEP)
        return tf.constant(np.concatenate([cuts[..., :1], np.log(np.expm1(steps))], axis=-1), tf.float32)

    def cuts(self) -> tf.Tensor:
        """Give the cuts, `[*event, classes - 1]`, in order."""
        first, steps = tf.split(self.raw_cuts.value, [1, self.classes - 2], axis=-1)
        return tf.cumsum(tf.concat([first, self.STEP + tf.nn.softplus(steps)], axis=-1), axis=-1)

    def distribution(self, location: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        # s(a) - s(b) = s(a) s(-b) (1 - exp(-(a - b))), with s the sigmoid: no difference of nearly equal numbers
        cuts = self.cuts()
        to = cuts - location[..., None]  # [..., *event, classes - 1]
        none = tf.zeros_like(location)[..., None]
        width = tf.math.log(-tf.math.expm1(cuts[..., :-1] - cuts[..., 1:]))
        width = tf.pad(width, [[0, 0]] * len(self.event_shape) + [[1, 1]])  # [*event, classes]
        below = tf.concat([tf.math.log_sigmoid(to), none], axis=-1)
        above = tf.concat([none, tf.math.log_sigmoid(-to)], axis=-1)
        return self.of_logits(below + above + width)

    def measure(self, x: tf.Tensor) -> None:
        index = np.asarray(x)[..., None] == np.arange(self.classes)  # [N, *event, classes]; nothing is equal to NaN
        counts = 1.0 + index.sum(axis=0)  # one more: what was not seen may be yet
        self.raw_cuts.assign(self.as_raw(self.as_cuts(counts)))
