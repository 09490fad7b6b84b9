"""What a source of data is: counts by split, shape and dtype of an example, and the examples."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

__all__ = ["Part", "Source"]


class Part(NamedTuple):
    """Examples start..stop-1 of a split."""

    split: str
    start: int
    stop: int


class Source(Protocol):
    """Where data comes from: it has these properties, and gives examples when it is asked.

    Attributes:
        counts: split -> number of examples.
        shape, dtype: of an example.
        condition_size: k, of the conditions; 0 without.
        classes: for each name of a condition the names of its classes, None where it has numbers.
    """

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def condition_size(self) -> int: ...

    @property
    def classes(self) -> Sequence[tuple[str, ...] | None]: ...

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """Give single examples of a part, shuffled by a seed that is not 0: tuples of x, and where there are conditions
        of its condition `[k]`."""

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """Give the same tuples in order, up to `size` examples at once; a mistake in the data is a ValueError."""

    def say(self, parts: Sequence[Part]) -> None:
        """Tell the user what is worth knowing of the parts."""
