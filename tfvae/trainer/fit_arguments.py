"""Arguments of `fit`, `evaluate` and `predict`: what is refused of them, and the part of arrays that is held out."""

import math
import numbers
from typing import Any, NamedTuple

import numpy as np

from tfvae.compatibility import VAELike, as_numbers

__all__ = ["FitData", "check_arguments", "check_counts", "hold_out"]


class FitData(NamedTuple):
    """Data of `fit` or `evaluate`, as users give it: arrays x, y and weights, or a data set x that has all of them."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    @classmethod
    def of(cls, vae: VAELike, x: Any, y: Any = None, sample_weight: Any = None) -> "FitData":
        """Give data as users do; of data frames as numbers."""
        return cls(as_numbers(vae, x), y, sample_weight)

    @classmethod
    def of_validation(cls, vae: VAELike, data: Any) -> "FitData | None":
        """Take apart `validation_data`: a data set, an array, or a tuple of arrays; None where there is none."""
        if data is None:
            return None
        data = as_numbers(vae, data)
        return cls(*data) if isinstance(data, tuple) else cls(data)

    @property
    def is_arrays(self) -> bool:
        return hasattr(self.x, "shape")

    def part(self, rows: slice) -> "FitData":
        """Give these rows of arrays."""
        return FitData(*(None if array is None else array[rows] for array in self))

    def arrays(self) -> list[Any]:
        """Give the arrays that batches are made of: x, those of pairs, or of triples."""
        if self.sample_weight is None:
            return [self.x] if self.y is None else [self.x, self.y]
        no_condition = np.zeros((len(self.x), 0), np.float32)
        return [self.x, no_condition if self.y is None else self.y, self.sample_weight]


def check_counts(**counts: Any) -> None:
    """Check that arguments such as `batch_size` are whole numbers from 1, or None: Keras would misread others.

    Raises:
        ValueError: when one is not; it names it.
    """
    for name, value in counts.items():
        if value is not None and not (isinstance(value, numbers.Integral) and int(value) >= 1):
            raise ValueError(f"{name} must be a whole number from 1, not {value!r}")


def check_arguments(data: FitData, validation: FitData | None = None, class_weight: Any = None) -> None:
    """Check what Keras would take for something else, or for nothing.

    Raises:
        ValueError: of weights of classes, of arrays that are empty, and of weights beside a data set.
    """
    if class_weight is not None:
        raise ValueError("a VAE has no classes to weigh: give sample_weight, one weight for each example")
    for name, given in (("x", data), ("validation_data", validation)):
        if given is not None and given.is_arrays and not len(given.x):
            raise ValueError(f"{name} is empty: it has shape {tuple(given.x.shape)}")
    if data.sample_weight is not None and not data.is_arrays:
        raise ValueError(
            "sample_weight goes with arrays: a data set has the weights itself, as triples (x, condition, weight), or "
            "(x, None, weight) where the VAE takes no conditions"
        )


def hold_out(data: FitData, share: float) -> tuple[FitData, FitData]:
    """Split arrays into training and validation data, as Keras does: validation data is the last `share` of them.

    Raises:
        ValueError: of other data than arrays, or a share that is not between 0 and 1.
    """
    if not data.is_arrays or not 0 < share < 1:
        raise ValueError(f"validation_split={share}: it takes arrays, and a number between 0 and 1")
    kept = math.floor(len(data.x) * (1 - share))
    return data.part(slice(kept)), data.part(slice(kept, None))
