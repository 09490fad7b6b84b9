"""The arguments of `load`, checked before anything is read."""

import operator
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

__all__ = ["LoadArguments", "check_arguments", "condition_names"]

MAX_PIXELS = 2**15  # of a height or width


class LoadArguments(NamedTuple):
    """Arguments of `load`, checked; `conditions` are names, perhaps none."""

    name: str
    split: str
    batch_size: int
    binarize: Literal["static", "threshold"] | None
    shuffle: bool
    seed: int
    size: list[int] | None
    conditions: list[str]

    @property
    def binarization_seed(self) -> int | None:
        """The seed where pixels are drawn by it, else None."""
        return self.seed if self.binarize == "static" else None


def check_arguments(
    name: str,
    split: str,
    batch_size: int,
    binarize: Literal["static", "threshold"] | None,
    shuffle: bool | None,
    seed: int,
    size: Sequence[int] | None,
    condition: str | Sequence[str] | None,
    channels: int | None,
) -> LoadArguments:
    """Check arguments of `load`; raise ValueError where one of them cannot be used."""
    batch_size = _check_integer("batch_size", batch_size, 1)
    seed = _check_integer("seed", seed)
    size = None if size is None else _check_size(size)
    if not isinstance(split, str) or not split.strip():
        raise ValueError(f"split must be such as 'train' or 'train[:90%]', not {split!r}")
    if channels not in (None, 1, 3, 4) or isinstance(channels, bool):
        raise ValueError(f"channels must be 1 (grey), 3 (colours) or 4 (and transparency), not {channels!r}")
    shuffle = split.startswith("train") if shuffle is None else shuffle
    return LoadArguments(name, split, batch_size, binarize, shuffle, seed, size, condition_names(condition))


def condition_names(condition: str | Sequence[str] | None) -> list[str]:
    """Give what `condition` may be as a list of names."""
    names = [condition] if isinstance(condition, str) else list(condition or ())
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"condition must be a name, or several that differ, not {condition!r}")
    return names


def _check_integer(name: str, value: Any, least: int = 0) -> int:
    """Give the value as an integer; raise ValueError where it is none, is below the least, or beyond 64 bits."""
    try:
        if not isinstance(value, (bool, np.bool_)) and least <= operator.index(value) < 2**63:
            return operator.index(value)
    except TypeError:
        pass  # the same message
    raise ValueError(f"{name} must be {least} or more, a whole number below 2^63, not {value!r}")


def _check_size(size: Any) -> list[int]:
    """Give [height, width]."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"size must be (height, width), not {size!r}") from None
    sides = [_check_integer("a height or width in size", side, 1) for side in (height, width)]
    if max(sides) > MAX_PIXELS:
        raise ValueError(f"size must be at most {MAX_PIXELS} pixels high and wide, not {size!r}")
    return sides
