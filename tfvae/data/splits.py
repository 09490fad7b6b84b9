"""Which examples a split stands for: "test", "train[:90%]", "train[100:200]+test", in TFDS' syntax.

A source says which splits it has and how many examples each (`Source.counts`); a folder's are its subfolders, an .npz
file's its arrays. A part of a split, such as "train[90%:]", is the examples at these places in the source's order.
"""

import types
from collections.abc import Iterable, Mapping

import tensorflow_datasets as tfds

from tfvae.data.messages import first_line
from tfvae.data.protocol import Part

__all__ = ["count_examples", "resolve_split"]


def resolve_split(split: str, counts: Mapping[str, int], name: str, hint: str = "") -> list[Part]:
    """Give the parts that a split stands for, none of them empty.

    Args:
        split: in TFDS' syntax.
        counts: split -> number of examples.
        name: of the data set, for error messages.
        hint: how there might be other splits, for error messages.
    """
    if "shard" in split:
        raise ValueError(f"split {split!r} of {name}: shards are no units here; give examples, or 'train[:10%]'")
    infos = {key: types.SimpleNamespace(num_examples=count) for key, count in counts.items()}
    try:
        instructions = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except (ValueError, AssertionError, OverflowError, TypeError) as error:
        raise ValueError(f"split {split!r} of {name}, which has {dict(counts)}: {first_line(error)}{hint}") from None
    parts = [Part(i.splitname, i.from_ or 0, counts[i.splitname] if i.to is None else i.to) for i in instructions]
    for part in parts:
        if part.stop <= part.start:
            raise ValueError(f"split {split!r} of {name}, which has {dict(counts)}, holds no example")
    return parts


def count_examples(parts: Iterable[Part]) -> int:
    """Count the examples of parts together."""
    return sum(part.stop - part.start for part in parts)
