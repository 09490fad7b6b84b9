"""`Conditional`: the layer that turns features into a distribution, of latents (posteriors) or of x (likelihoods).

A network gives features, a layer turns features into a distribution, and whatever is measured is measured on
distributions. The layer computes in float32, under mixed precision too: log-densities are sums over hundreds of terms.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions.shapes import as_shape

__all__ = ["Conditional"]


class Conditional(keras.layers.Layer):
    """Abstract layer: features -> p(. | features), a `tfd.Distribution` with event shape `event_shape`.

    Flat features `[..., F]` are projected to the whole event. Feature maps `[..., H, W, F]` are projected position by
    position, so they go with an event of the same height and width.

    A subclass says how many numbers each scalar of the event takes, in `parameters`, and makes the distribution of as
    many tensors `[..., *event_shape]`, in `distribution`. Where that is not the shape of its parameters, it says which
    they have, in `shapes`. A likelihood also says which values it models (`support`, `domain` in words, and `bounds`),
    whether these are counted, so that it gives them probabilities and no densities (`discrete`), and which raw
    parameters put its mean where (`raw`), for `start`. One whose elements are independent given the features lets some
    of them be missing (`elementwise`, `filler`). A posterior says which point stands for an example (`center`),
    whether it has a density (`has_density`) on all of R^n (`flat`), and whether the distribution of a single example
    can be optimised (`refinable`).

    Args:
        event_shape: shape of what is modelled, an integer or a tuple.

    Raises:
        ValueError: when the features' height and width differ from the event's.
    """

    parameters = 1
    has_density = True  # whether log q(z|x) is finite where samples are
    flat = True  # whether events may lie anywhere in R^n; on a sphere they may not
    refinable = False  # whether each example's own distribution can be optimised: `unconstrained` and its inverse
    discrete = False
    elementwise = False  # whether its distribution is a `distributions.Independent`, of which elements may be left out
    filler = 0.0  # a value of x that any element may have
    missing = False  # whether it models which elements are missing, so that samples have gaps

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)

    @property
    def arrangement(self) -> tuple[int, ...]:
        """Give the shape of the event as maps, to which features over maps are projected: its own by default."""
        return self.event_shape

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Give the shapes of one event's raw parameters; over maps, each begins with their height and width."""
        return (self.arrangement,) * self.parameters

    def distribution(self, *raw) -> tfd.Distribution:
        """Make a distribution, batch `[...]`, of raw parameters `[..., *shape]`, one for each shape of `shapes`."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    def center(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Give the point `[..., *event_shape]` that stands for a distribution of this layer: its mean."""
        return distribution.mean()

    @property
    def domain(self) -> str:
        """Say in words which values are modelled."""
        return "finite numbers"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Give the lowest and the highest value of x, None where there is none."""
        return None, None

    def unconstrained(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Give a distribution of a `refinable` layer as parameters `[K, ..., n]` that may be any real numbers."""
        raise NotImplementedError(f"{type(self).__name__} is not refinable")

    def from_unconstrained(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Give the distribution of parameters `[K, ..., n]`, as `unconstrained` makes them."""
        raise NotImplementedError(f"{type(self).__name__} is not refinable")

    def support(self, x: tf.Tensor) -> tf.Tensor:
        """Tell which elements of x `[..., *event_shape]` the distribution can take: bool, the same shape."""
        return tf.math.is_finite(x)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        """Give the raw parameters, a tuple, at which the distribution has this mean; None where that is not known."""
        return None

    def build(self, input_shape: tuple) -> None:
        features = tuple(input_shape[1:])
        if len(features) > 1 and features[:-1] != self.arrangement[:-1]:
            raise ValueError(
                f"{type(self).__name__} has events of shape {self.arrangement}, "
                f"but its features are maps of shape {features}: heights and widths must be the same"
            )
        self.feature_rank = len(features)
        self.sizes = [math.prod(shape[len(features) - 1 :]) for shape in self.shapes]  # of what one position is given
        if self.sizes:
            self.projection = keras.layers.Dense(sum(self.sizes), dtype="float32")
            self.projection.build(input_shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        return self.distribution(*self.raw_parameters(features))

    def raw_parameters(self, features: tf.Tensor) -> list[tf.Tensor]:
        """Project features to the raw parameters, a list of `[..., *shape]` for the shapes of `shapes`."""
        if not self.sizes:
            return []
        batch, static = tf.shape(features)[: -self.feature_rank], features.shape[: -self.feature_rank]
        raw = tf.split(self.projection(features), self.sizes, axis=-1)
        return [
            tf.ensure_shape(tf.reshape(r, tf.concat([batch, shape], axis=0)), [*static, *shape])
            for r, shape in zip(raw, self.shapes, strict=True)
        ]

    def measure(self, x: tf.Tensor) -> None:
        """Set what follows from examples x `[N, *event_shape]`, NaN where an element is missing; nothing by default."""

    def whole(self, distribution: tfd.Distribution) -> tfd.Distribution:
        """Give the distribution of x without gaps, where those of this layer are of x with gaps."""
        return distribution

    def summary(self, distribution: tfd.Distribution) -> Any:
        """Give tensors `[..., *any]` whose averages over several distributions of this layer tell which value stands
        for them all (`value_of`): the mean, unless a subclass knows better."""
        return distribution.mean()

    def value_of(self, summary: Any) -> tf.Tensor:
        """Give the value `[..., *event_shape]` that an average of `summary` stands for."""
        return summary

    def start(self, mean: tf.Tensor) -> None:
        """Set the projection's bias so that features of 0 give the mean `[*event_shape]`, if `raw` says how."""
        mean = tf.convert_to_tensor(mean, tf.float32)
        mean = tf.reduce_mean(mean, axis=tuple(range(self.feature_rank - 1)))  # over maps, one bias for all positions
        raw = self.raw(mean)
        if raw is not None:
            self.projection.bias.assign(tf.concat([tf.reshape(r, [-1]) for r in raw], axis=0))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"event_shape": list(self.event_shape)}
