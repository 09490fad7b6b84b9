"""Splits as shares: `train: 80%` in a yaml is a random part of a table's rows."""

import fractions
import re
from collections.abc import Mapping
from typing import Any

from tfvae.yaml_files import ConfigError

__all__ = ["SPLITS", "check_shares", "is_share"]

SPLITS = ("train", "validation", "test")  # what splits are for
SHARE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*")


def is_share(split: Any) -> bool:
    """Return whether a split is written as a share, such as 80%."""
    return isinstance(split, str) and SHARE.fullmatch(split) is not None


def check_shares(splits: Mapping[str, str | None]) -> None:
    """Check that all splits, by their purpose, are shares, together of 100 % at most, or none is.

    Raises:
        ConfigError: when they are not.
    """
    written = {purpose: split for purpose, split in splits.items() if split is not None}
    shares = {purpose: split for purpose, split in written.items() if is_share(split)}
    others = [purpose for purpose in written if purpose not in shares]
    if shares and others:
        other, (share, percent) = others[0], next(iter(shares.items()))
        raise ConfigError(
            f"data.{other}: {written[other]!r} is no share, as data.{share} {percent} is: write all splits as shares "
            "of a table, or all as train[:90%]"
        )
    total = sum((fractions.Fraction(_number(split)) for split in shares.values()), fractions.Fraction(0))
    if total > 100:
        sums = " + ".join(f"{purpose} {split.strip()}" for purpose, split in shares.items())
        raise ConfigError(f"data: {sums} are {float(total):g}% of the rows: 100% at most can be shared out")


def _number(share: str) -> str:
    return share.strip().removesuffix("%").strip()
