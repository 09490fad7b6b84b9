"""Errors: of what a VAE cannot have, and those of data that went through `tf.data`."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

__all__ = ["NotApplicable", "unwrap_errors"]


class NotApplicable(ValueError):
    """A measure or a figure that this VAE, or its data, cannot have; the message says why."""


@contextlib.contextmanager
def unwrap_errors() -> Iterator[None]:
    """Turn errors of TensorFlow that a ValueError within `tf.data` caused back into that ValueError.

    `tf.data` hands on the message alone, with a traceback in it.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
        found = re.search(r"ValueError: (.+)", error.message)
        if not found:
            raise
        raise ValueError(found[1]) from error
