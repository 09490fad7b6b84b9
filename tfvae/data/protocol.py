"""What a source of data is: counts by split, shape and dtype of an example, and the examples."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

__all__ = ["Conditions", "Part", "Source", "joined", "of_classes", "one_line"]


class Part(NamedTuple):
    """Examples start..stop-1 of a split."""

    split: str
    start: int
    stop: int


class Source(Protocol):
    """Where data comes from. A source has these attributes, and makes examples of them when asked.

    Attributes:
        counts: split -> number of examples.
        shape, dtype: of an example.
        condition_size: k, of the conditions; 0 without.
        classes: for each name of a condition the names of its classes, None where it has numbers.
    """

    counts: dict[str, int]
    shape: tuple[int, ...]
    dtype: np.dtype
    condition_size: int
    classes: list[tuple[str, ...] | None]

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """The single examples of a part, shuffled by a seed that is not 0: tuples of x, and of its condition `[k]`
        where there are conditions."""

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """The same tuples in order, up to `size` examples at once; a mistake in the data is a ValueError."""

    def say(self, parts: Sequence[Part]):
        """Tells what is worth knowing of the parts."""


class Conditions(NamedTuple):
    """Conditions of all examples: `columns`, split -> float32 `[N, k]`, and the `names` of classes, if they are."""

    columns: dict[str, np.ndarray]
    names: tuple[str, ...] | None = None


def of_classes(columns: dict[str, np.ndarray]) -> Conditions:
    """split -> classes `[N]`, integers or words -> one-hot vectors over the classes of all splits."""
    if any(column.ndim != 1 for column in columns.values()):
        raise ValueError("classes to condition on are one for each example, [N]")
    classes = np.unique(np.concatenate(list(columns.values())))
    one_hot = {split: (column[:, None] == classes).astype(np.float32) for split, column in columns.items()}
    return Conditions(one_hot, tuple(map(str, classes)))


def joined(conditions: Sequence[Conditions]) -> dict[str, np.ndarray]:
    """Conditions put side by side: split -> `[N, sum of their k]`; {} of none."""
    if not conditions:
        return {}
    splits = conditions[0].columns
    return {split: np.concatenate([named.columns[split] for named in conditions], axis=1) for split in splits}


def one_line(error: BaseException) -> str:
    """The first line of what an error says, or its name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
