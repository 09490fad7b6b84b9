"""Likelihoods of pixels: black and white, grey, and of levels."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Bernoulli", "ContinuousBernoulli", "DiscretizedLogistic", "MixtureOfDiscretizedLogistics"]

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
    bounds = (0.0, 1.0)
    discrete = elementwise = True

    def distribution(self, logits: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        pixels = distributions.Bernoulli(logits=logits, dtype=tf.float32)
        return distributions.Independent(pixels, len(self.event_shape))

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x == 0) | (x == 1)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
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
    bounds = (0.0, 1.0)
    elementwise = True

    def distribution(self, raw_logits: tf.Tensor) -> tfd.Distribution:  # [..., *event]
        logits = distributions.soft_clip(raw_logits, 15.0)  # beyond, the density is infinite in float32
        return distributions.Independent(tfd.ContinuousBernoulli(logits=logits), len(self.event_shape))

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x <= 1)


class _Levels(distributions.Conditional):
    """For x of `levels` numbers from 0 to 1, the same step apart, through logistic distributions.

    Raises:
        ValueError: when there are fewer than 2 levels.
    """

    SCALE = 0.1  # where it starts
    bounds = (0.0, 1.0)
    discrete = elementwise = True

    def __init__(self, event_shape: int | Sequence[int], levels: int = 256, **kwargs):
        super().__init__(event_shape, **kwargs)
        if levels < 2:
            raise ValueError(f"levels must be 2 or more, not {levels}")
        self.levels = levels

    @property
    def domain(self) -> str:
        steps = self.levels - 1
        return f"k / {steps} for whole k from 0 to {steps} (uint8 pixels become k / 255 through preprocessing.Rescale)"

    def support(self, x: tf.Tensor) -> tf.Tensor:
        k = x * (self.levels - 1)
        return (x >= 0) & (x <= 1) & (tf.abs(k - tf.round(k)) < 0.01)

    def logistic(self, center: tf.Tensor, raw_loc: tf.Tensor, raw_scale: tf.Tensor) -> distributions.QuantizedLogistic:
        """Give the distribution of each scalar; a `raw_loc` of 0 puts its location at `center`."""
        loc = center + 0.5 * distributions.soft_clip(raw_loc, 10.0)
        return distributions.QuantizedLogistic(loc, self.SCALE * distributions.bounded_exp(raw_scale), self.levels)

    def raw_loc(self, center: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
        """Give the `raw_loc` of which this is the mean, at the scale `SCALE`.

        That of a logistic distribution clipped to [0, 1], scale (softplus(loc / scale) - softplus((loc - 1) / scale)),
        solved for loc. Rounding to levels moves the mean by less than 0.4 / (levels - 1)^2.
        """
        mean = mean / self.SCALE
        loc = tf.math.log(tf.math.expm1(mean)) - tf.math.log(-tf.math.expm1(mean - 1 / self.SCALE))
        return distributions.inverse_soft_clip(2 * (self.SCALE * loc - center), 10.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"levels": self.levels}


@register
class DiscretizedLogistic(_Levels):
    """p(x|z) = prod_i s((x_i + h - loc_i(z)) / scale_i(z)) - s((x_i - h - loc_i(z)) / scale_i(z)), s the sigmoid, for
    pixels of 256 (or other) levels; h is half a step, and 0 and 1 have all that lies beyond; `QuantizedLogistic`.

    x is k / (levels - 1), as `preprocessing.Rescale` makes of uint8 pixels. It is a probability of the pixels, so that
    bits per dimension are -log p(x|z) / (number of scalars * log 2). The scale starts at 0.1 and stays within
    0.1 exp(-7) and 0.1 exp(7), the location within 5 of 0.5.
    Kingma et al. 2016, arXiv:1606.04934, appendix.

    Args:
        event_shape: shape of x.
        levels: how many, at least 2.
    """

    parameters = 2

    def distribution(self, raw_loc: tf.Tensor, raw_scale: tf.Tensor) -> tfd.Distribution:  # [..., *event] each
        return distributions.Independent(self.logistic(0.5, raw_loc, raw_scale), len(self.event_shape))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        mean = tf.clip_by_value(mean, 1e-3, 1 - 1e-3)  # a pixel that was never lit may be yet
        return self.raw_loc(0.5, mean), tf.zeros_like(mean)


@register
class MixtureOfDiscretizedLogistics(_Levels):
    """p(x|z) = prod_i sum_k w_ik(z) p_ik(x_i|z), each p_ik as in `DiscretizedLogistic`; `tfd.MixtureSameFamily`.

    Every scalar has its own mixture: the channels of a pixel are independent given z, where the paper has the green
    depend on the red, and the blue on both. The locations start spread over [0, 1].
    Salimans et al. 2017 (PixelCNN++), arXiv:1701.05517.

    Args:
        event_shape: shape of x.
        components: how many for each scalar, at least 1.
        levels: how many, at least 2.
    """

    def __init__(self, event_shape: int | Sequence[int], components: int = 5, levels: int = 256, **kwargs):
        super().__init__(event_shape, levels, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        self.components = components

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((*self.event_shape, self.components),) * 3

    @property
    def centers(self) -> tf.Tensor:
        """Give where the locations start, `[components]`."""
        return (tf.range(self.components, dtype=tf.float32) + 0.5) / self.components

    def distribution(
        self, logits: tf.Tensor, raw_loc: tf.Tensor, raw_scale: tf.Tensor
    ) -> tfd.Distribution:  # [..., *event, components] each
        mixture = distributions.MixtureOfScalars(
            distributions.Categorical(logits=logits), self.logistic(self.centers, raw_loc, raw_scale)
        )
        return distributions.Independent(mixture, len(self.event_shape))

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        mean = tf.clip_by_value(mean, 1e-3, 1 - 1e-3)
        # the components' means lie evenly about the mean, as widely as 0 and 1 leave room
        room = 0.9 * tf.minimum(mean, 1 - mean)[..., None]
        means = mean[..., None] + room * (2 * self.centers - 1)  # [..., components]
        return tf.zeros_like(means), self.raw_loc(self.centers, means), tf.zeros_like(means)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"components": self.components}
