"""Functions as TensorFlow's programs."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["program"]


def program(function: Callable[..., Any], **settings: Any) -> Any:
    """Make a `tf.function` of a function that is made anew for each model, export or evaluation.

    TensorFlow counts how often functions of the same source are traced, whichever model each belongs to, and from the
    fifth on warns of "retracing", which is none. A partial has no source: each program is counted by itself.

    Args:
        function: the function.
        settings: arguments of `tf.function`.
    """
    return tf.function(functools.partial(function), **settings)
