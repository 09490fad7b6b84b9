"""Whether a training is finite, and where it ceased to be."""

import math

import keras
import numpy as np
import tensorflow as tf

from tfvae.programs import program

__all__ = ["NotFinite", "first_step", "first_variable"]


class NotFinite(ArithmeticError):
    """Numbers of a training are infinite or none; the message says where."""


def first_variable(vae: keras.Model) -> str | None:
    """Return the name of the first weight or variable of the optimizer that is not finite; None where all are."""
    for variable in (*vae.weights, *vae.optimizer.variables):
        if keras.backend.is_float_dtype(variable.dtype) and not np.isfinite(variable.numpy()).all():
            return variable.path
    return None


def first_step(vae: keras.Model, batches: tf.data.Dataset) -> str | None:
    """Train on batches, a step at a time, until something is not finite; say which step, and what.

    The steps are those that `fit` runs in groups, for noise and order of the data follow from their numbers. None where
    all is finite, as may be where rounding decides.
    """
    compiled = program(vae.train_step, jit_compile=vae.jit_compile, autograph=False, reduce_retracing=True)
    for batch in batches:
        vae.reset_metrics()
        step = int(vae.optimizer.iterations.numpy()) + 1
        terms = {name: float(value) for name, value in compiled(batch).items()}
        named = [name for name in ("reconstruction", "kl", "loss") if not math.isfinite(terms[name])]
        if not math.isfinite(terms["loss"]):
            return f"at step {step} {named[0]} is {terms[named[0]]}"
        variable = first_variable(vae)
        if variable:
            return f"step {step} made {variable} infinite or none"
    return None
