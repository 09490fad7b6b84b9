"""The two protocols: layers that give TFP distributions, given features (`Conditional`) or given nothing (`Prior`).

A network gives features, a layer turns features into a distribution, and whatever is measured is measured on
distributions. Both layers compute in float32, under mixed precision too: log-densities are sums over hundreds of terms.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions.paths import Path, line

__all__ = [
    "Conditional",
    "Prior",
    "as_shape",
    "as_sizes",
    "bounded_exp",
    "inverse_soft_clip",
    "over_rows",
    "soft_clip",
    "units_of",
]


def as_shape(shape: Any) -> tuple[int, ...]:
    """A size or a sequence of sizes -> tuple; ValueError unless all are positive integers."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise ValueError(f"a shape is one or more positive integers, not {shape!r}")
    return sizes


def as_sizes(sizes: Any) -> tuple[int, ...]:
    """A sequence of sizes, or none, of layers -> tuple; ValueError unless all are positive integers."""
    return as_shape(sizes) if isinstance(sizes, int) or len(sizes) else ()


def soft_clip(raw: tf.Tensor, bound: float) -> tf.Tensor:
    """Clip softly to stay within -bound and bound: about the identity near 0; `inverse_soft_clip` undoes it."""
    return bound * tf.tanh(raw / bound)


def inverse_soft_clip(value: tf.Tensor, bound: float) -> tf.Tensor:
    """Give the raw number of which `soft_clip` makes `value`, within -bound and bound."""
    return bound * tf.atanh(value / bound)


def bounded_exp(raw: tf.Tensor, bound: float = 7.0) -> tf.Tensor:
    """Exponentiate, softly clipped to stay within exp(-bound) and exp(bound): neither infinity nor zero is reached."""
    return tf.exp(soft_clip(raw, bound))


def units_of(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Give a distribution over latents `[n]` as n independent ones, batch `[..., n]`, event `[]`; None where it is not.

    Distributions that have independent units say so by a method `units`.
    """
    units = getattr(distribution, "units", None)
    return None if units is None else units()


def over_rows(network: Callable, z: tf.Tensor, condition: tf.Tensor | None = None, **kwargs) -> tf.Tensor:
    """network of z `[..., n]`, any batch shape, and condition `[B, k]`, which broadcasts to it -> `[..., *output]`."""
    rows = inputs = tf.reshape(z, [-1, z.shape[-1]])
    if condition is not None:
        condition = tf.broadcast_to(condition, tf.concat([tf.shape(z)[:-1], tf.shape(condition)[-1:]], axis=0))
        inputs = [rows, tf.reshape(condition, [-1, condition.shape[-1]])]
    features = network(inputs, **kwargs)  # [prod(...), *output]
    shape = tf.concat([tf.shape(z)[:-1], features.shape[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(features, shape), [*z.shape[:-1], *features.shape[1:]])


class Conditional(keras.layers.Layer):
    """Abstract layer: features -> p(. | features), a `tfd.Distribution` with event shape `event_shape`.

    Flat features `[..., F]` are projected to the whole event. Feature maps `[..., H, W, F]` are projected position by
    position, so they go with an event of the same height and width.

    A subclass says how many numbers each scalar of the event takes, in `parameters`, and makes the distribution of as
    many tensors `[..., *event_shape]`, in `distribution`. Where that is not the shape of its parameters, it says which
    they have, in `shapes`. A likelihood also says which values it models (`support`, `domain` in words, and `bounds`),
    whether these are counted, so that it gives them probabilities and no densities (`discrete`), and which raw
    parameters put its mean where (`raw`), for `start`. A posterior says which point stands for an example (`center`),
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

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the raw parameters of one event; over maps, each begins with the event's height and width."""
        return (self.event_shape,) * self.parameters

    def distribution(self, *raw) -> tfd.Distribution:
        """Raw parameters, each `[..., *shape]` for its shape of `shapes` -> distribution with batch shape `[...]`."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    def center(self, distribution: tfd.Distribution) -> tf.Tensor:
        """The point `[..., *event_shape]` that stands for a distribution of this layer: its mean."""
        return distribution.mean()

    @property
    def domain(self) -> str:
        """The values that are modelled, in words."""
        return "finite numbers"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Lowest and highest value of x, None where there is none."""
        return None, None

    def unconstrained(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Give a distribution of a `refinable` layer as parameters `[K, ..., n]` that may be any real numbers."""
        raise NotImplementedError(f"{type(self).__name__} is not refinable")

    def from_unconstrained(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Give the distribution of parameters `[K, ..., n]`, as `unconstrained` makes them."""
        raise NotImplementedError(f"{type(self).__name__} is not refinable")

    def support(self, x: tf.Tensor) -> tf.Tensor:
        """Which elements of x `[..., *event_shape]` the distribution can take: bool, the same shape."""
        return tf.math.is_finite(x)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        """The raw parameters, a tuple, at which the distribution's mean is `mean`; None where nobody says."""
        return None

    def build(self, input_shape: tuple) -> None:
        features = tuple(input_shape[1:])
        if len(features) > 1 and features[:-1] != self.event_shape[:-1]:
            raise ValueError(
                f"{type(self).__name__} has events of shape {self.event_shape}, "
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
        """features -> the raw parameters, a list of `[..., *shape]` for the shapes of `shapes`."""
        if not self.sizes:
            return []
        batch, static = tf.shape(features)[: -self.feature_rank], features.shape[: -self.feature_rank]
        raw = tf.split(self.projection(features), self.sizes, axis=-1)
        return [
            tf.ensure_shape(tf.reshape(r, tf.concat([batch, shape], axis=0)), [*static, *shape])
            for r, shape in zip(raw, self.shapes, strict=True)
        ]

    def start(self, mean: tf.Tensor) -> None:
        """Sets the projection's bias so that features of 0 give the mean `mean` `[*event_shape]`, if `raw` says how."""
        mean = tf.convert_to_tensor(mean, tf.float32)
        mean = tf.reduce_mean(mean, axis=tuple(range(self.feature_rank - 1)))  # over maps, one bias for all positions
        raw = self.raw(mean)
        if raw is not None:
            self.projection.bias.assign(tf.concat([tf.reshape(r, [-1]) for r in raw], axis=0))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"event_shape": list(self.event_shape)}


class Prior(keras.layers.Layer):
    """Abstract layer: -> p(z), a `tfd.Distribution` with event shape `event_shape` and batch shape `[]`.

    A subclass defines `distribution`; weights, if any, are made in its `__init__` with `add_weight`. It may say too
    whether latents lie anywhere in R^n (`flat`, `nearest`), by which paths one goes from one to another (`paths`), how
    much of a latent the decoder sees (`decoder_shape`), how it starts from data (`start`), and, where it holds examples
    x, that these stay among the possible (`keep_within`).

    Args:
        event_shape: the latent size, an integer or a tuple of one.
    """

    flat = True  # whether latents may lie anywhere in R^n

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_shape = as_shape(event_shape)
        self.built = True  # Keras never calls it: a layer cannot be called with no argument

    def distribution(
        self, condition: tf.Tensor | None = None, infer: Callable[..., tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        """-> p(z), batch `[]`, or p(z|condition), batch `[B]`.

        Args:
            condition: `[B, k]` in a conditional VAE, else None.
            infer: the VAE's function (x `[K, *x's shape]`, condition `[K, k]` or None) -> q(z|x), batch `[K]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define distribution")

    @property
    def decoder_shape(self) -> tuple[int, ...]:
        """Shape `[m]` of what the decoder sees of a latent: its first m numbers; all unless overridden."""
        return self.event_shape

    @property
    def paths(self) -> dict[str, Path]:
        """Ways through the latent space: name -> function (start, end `[..., n]`, weight) -> z. The first is used."""
        return {"line": line}

    def between(self, start: tf.Tensor, end: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """The point at `weight`, 0 to 1, of the prior's own path from latent `start` to `end` `[..., n]`."""
        return next(iter(self.paths.values()))(start, end, weight)

    def nearest(self, z: tf.Tensor) -> tf.Tensor:
        """The latent nearest to z `[..., n]` that the prior can give: z itself where it is `flat`."""
        return z

    def keep_within(self, low: float | None, high: float | None) -> None:
        """Takes notice of the lowest and the highest number that x may have, None where there is none; the VAE says."""

    def start(self, x: tf.Tensor, condition: tf.Tensor | None = None) -> None:
        """Sets weights from examples x `[N, *x's shape]` (and conditions `[N, k]`), where that helps; else nothing."""

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"event_shape": list(self.event_shape)}
