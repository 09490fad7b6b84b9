"""Conditions of examples: classes as one-hot vectors, and several conditions side by side."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Conditions", "concatenate_conditions", "one_hot_conditions"]


class Conditions(NamedTuple):
    """Conditions of all examples: `columns`, split -> float32 `[N, k]`, and the `names` of classes, if they are."""

    columns: dict[str, np.ndarray]
    names: tuple[str, ...] | None = None


def one_hot_conditions(classes: Mapping[str, np.ndarray]) -> Conditions:
    """Make one-hot vectors over the classes of all splits: split -> classes `[N]`, integers or words."""
    if any(column.ndim != 1 for column in classes.values()):
        raise ValueError("classes to condition on are one for each example, [N]")
    names = np.unique(np.concatenate(list(classes.values())))
    one_hot = {split: (column[:, None] == names).astype(np.float32) for split, column in classes.items()}
    return Conditions(one_hot, tuple(map(str, names)))


def concatenate_conditions(conditions: Sequence[Conditions]) -> dict[str, np.ndarray]:
    """Put conditions side by side: split -> `[N, sum of their k]`; {} of none."""
    if not conditions:
        return {}
    splits = conditions[0].columns
    return {split: np.concatenate([each.columns[split] for each in conditions], axis=1) for split in splits}
