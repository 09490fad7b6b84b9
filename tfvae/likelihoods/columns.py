"""Likelihoods made of others: of what is observed of x, and of columns side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Columns", "Observed"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class Observed(distributions.Conditional):
    """p(x_observed|z), for x with missing elements, which are NaN: the likelihood's log-density summed over the others.

    So every objective is right for what is observed of an example; what is missing reaches no gradient. It is right
    where elements are missing for reasons that are no business of the missing values (missing at random).
    Mattei and Frellsen 2019, arXiv:1812.02633.

    Args:
        likelihood: of x; its elements are independent given z.
    """

    elementwise = True

    def __init__(self, likelihood: distributions.Conditional, **kwargs):
        super().__init__(likelihood.event_shape, **kwargs)
        _check_elementwise(likelihood)
        self.likelihood = likelihood
        self.discrete = likelihood.discrete

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.likelihood.shapes

    @property
    def domain(self) -> str:
        return f"{self.likelihood.domain}, or NaN where missing"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return self.likelihood.bounds

    def distribution(self, *raw: tf.Tensor) -> tfd.Distribution:
        return distributions.Observed(self.likelihood.distribution(*raw), self.likelihood.filler)

    def whole(self, distribution: tfd.Distribution) -> tfd.Distribution:
        return distribution.whole

    def support(self, x: tf.Tensor) -> tf.Tensor:
        return tf.math.is_nan(x) | self.likelihood.support(x)

    def measure(self, x: tf.Tensor) -> None:
        self.likelihood.measure(x)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        return self.likelihood.raw(mean)

    def summary(self, distribution: tfd.Distribution) -> Any:
        return self.likelihood.summary(distribution.whole)

    def value_of(self, summary: Any) -> tf.Tensor:
        return self.likelihood.value_of(summary)

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if key != "event_shape"}
        return config | {"likelihood": keras.saving.serialize_keras_object(self.likelihood)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**(config | {"likelihood": keras.saving.deserialize_keras_object(config["likelihood"])}))


@register
class Columns(distributions.Conditional):
    """p(x|z) = prod_i p_i(x_i|z) over blocks of columns, each block with a likelihood of its own kind; NaN is missing.

    log p(x) is in the units of x: nats of the density per year and euro for columns of years and euros, and so positive
    where columns are narrow; of counts and categories it is a probability. What is missing is summed out, as by
    `Observed`. Blocks are given the features of one projection. Nazabal et al. 2018 (HI-VAE), arXiv:1807.03653.

    Args:
        blocks: name -> likelihood of events `[k]`, the columns of this block; elements are independent given z. Of
            events `[..., k]` it is the last axis, such as the channels of maps.
        places: where the blocks' columns, one after the other, stand in x: a permutation of 0 .. D - 1. In order by
            default.
        missing: whether to model which cells are missing too, by a probability of each that follows from z; samples
            then have gaps as the data has, and log p(x) is that of cells and gaps.

    Raises:
        ValueError: when there is no block, the shapes of events differ but in the last axis, or places are no
        permutation.
    """

    elementwise = True

    def __init__(
        self,
        blocks: Mapping[str, distributions.Conditional],
        places: Sequence[int] | None = None,
        missing: bool = False,
        **kwargs,
    ):
        if not blocks:
            raise ValueError("Columns needs one block of columns or more")
        for name, block in blocks.items():
            _check_elementwise(block, f"the block {name!r}: ")
        before = next(iter(blocks.values())).event_shape[:-1]
        for name, block in blocks.items():
            if block.event_shape[:-1] != before:
                raise ValueError(
                    f"the block {name!r} has events of shape {block.event_shape}: but for the last axis, those of all "
                    f"blocks must be alike, {before}"
                )
        sizes = tuple(block.event_shape[-1] for block in blocks.values())
        size = sum(sizes)
        if places is not None and sorted(places) != list(range(size)):
            raise ValueError(f"places must be the numbers from 0 to {size - 1}, each once, not {list(places)}")
        super().__init__((*before, size), **kwargs)
        self.blocks, self.missing = dict(blocks), missing
        self.layout = distributions.Layout(
            sizes, None if places is None or list(places) == list(range(size)) else tuple(places)
        )
        self.discrete = all(block.discrete for block in blocks.values())

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        of_blocks = tuple(shape for block in self.blocks.values() for shape in block.shapes)
        return (*of_blocks, self.event_shape) if self.missing else of_blocks

    @property
    def domain(self) -> str:
        named = ", ".join(f"{name}: {block.domain}" for name, block in self.blocks.items())
        return f"columns ({named}), or NaN where missing"

    def distribution(self, *raw: tf.Tensor) -> tfd.Distribution:
        left = list(raw)
        parts = [block.distribution(*(left.pop(0) for _ in block.shapes)) for block in self.blocks.values()]
        filler = self.layout.join(
            [np.full(block.event_shape, block.filler, np.float32) for block in self.blocks.values()]
        )
        return distributions.Observed(
            distributions.Blocks(parts, self.layout), filler, left[0] if self.missing else None
        )

    def whole(self, distribution: tfd.Distribution) -> tfd.Distribution:
        return distribution.whole

    def support(self, x: tf.Tensor) -> tf.Tensor:
        pairs = zip(self.blocks.values(), self.layout.split(x), strict=True)
        return tf.math.is_nan(x) | self.layout.join([block.support(values) for block, values in pairs])

    def measure(self, x: tf.Tensor) -> None:
        for block, values in zip(self.blocks.values(), self.layout.split(x), strict=True):
            block.measure(values)

    def raw(self, mean: tf.Tensor) -> tuple[tf.Tensor, ...] | None:
        found: list[tf.Tensor] = []
        lead = len(self.event_shape) - mean.shape.rank  # axes of maps, over which means are the same
        for block, of_block in zip(self.blocks.values(), self.layout.split(mean), strict=True):
            found += block.raw(of_block) or [tf.zeros(shape[lead:]) for shape in block.shapes]
        return (*found, tf.zeros_like(mean)) if self.missing else tuple(found)

    def summary(self, distribution: tfd.Distribution) -> Any:
        parts = zip(self.blocks.values(), distribution.whole.parts, strict=True)
        return tuple(block.summary(part) for block, part in parts)

    def value_of(self, summary: Any) -> tf.Tensor:
        return self.layout.join([b.value_of(of) for b, of in zip(self.blocks.values(), summary, strict=True)])

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if key != "event_shape"}
        blocks = {name: keras.saving.serialize_keras_object(block) for name, block in self.blocks.items()}
        return config | {
            "blocks": blocks,
            "places": self.layout.places and list(self.layout.places),
            "missing": self.missing,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        blocks = {name: keras.saving.deserialize_keras_object(block) for name, block in config["blocks"].items()}
        return cls(**(config | {"blocks": blocks}))


def _check_elementwise(likelihood: distributions.Conditional, where: str = "") -> None:
    """Check that the elements of a likelihood are independent given z; raise ValueError otherwise."""
    if not likelihood.elementwise:
        raise ValueError(
            f"{where}the elements of {type(likelihood).__name__} depend on each other, or it does not say that they do "
            "not (elementwise): none of them can be missing"
        )
