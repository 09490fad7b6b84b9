"""Functions as TensorFlow's programs."""

import functools

import tensorflow as tf

__all__ = ["program"]


def program(function, **settings):
    """`tf.function` of a function that is made anew for each model, export or evaluation.

    TensorFlow counts how often functions of the same source are traced, whichever model each belongs to, and from the
    fifth on warns of "retracing", which is none. A partial has no source: each program is counted by itself.
    """
    return tf.function(functools.partial(function), **settings)
