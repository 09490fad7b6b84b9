"""`Snapshot`: the values of variables at one time, in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfvae import replicas
from tfvae.programs import program

__all__ = ["Snapshot", "look"]


class Snapshot(NamedTuple):
    """Values of variables, one for each."""

    variables: Sequence[tf.Variable]
    values: Sequence[Any]

    @classmethod
    def take(cls, variables: Sequence[tf.Variable]) -> "Snapshot":
        """Read the variables."""
        return cls(variables, [variable.numpy() for variable in variables])

    def put(self) -> None:
        """Give the variables these values."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def put_for_a_while(self) -> Iterator[None]:
        """Give the variables these values, and after the block those that they had."""
        before = Snapshot.take(self.variables)
        self.put()
        try:
            yield
        finally:
            before.put()


def look(vae: keras.Model, variables: Sequence[tf.Variable]) -> tuple[bool, Snapshot]:
    """Say whether all variables that are floats are finite, and give their values; by a program, for there are many."""

    def read() -> tuple[tf.Tensor, list[tf.Tensor]]:
        values = [tf.convert_to_tensor(variable) for variable in variables]
        finite = [tf.reduce_all(tf.math.is_finite(value)) for value in values if value.dtype.is_floating]
        return tf.reduce_all(finite), values

    if vae.run_eagerly or replicas.has_several(vae.distribute_strategy):
        snapshot = Snapshot.take(variables)
        return all(bool(keras.ops.all(keras.ops.isfinite(value))) for value in snapshot.values), snapshot
    key = (look, tuple(map(id, variables)))
    if key not in vae.programs:
        vae.programs[key] = program(read, autograph=False)
    finite, values = vae.programs[key]()
    return bool(finite), Snapshot(variables, values)
