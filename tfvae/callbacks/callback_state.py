"""What callbacks must know to go on: they are asked for it by `get_state`, and told it by `set_state`.

A callback of one's own that counts or remembers has both methods (`Stateful`). Keras' own have neither: what there is
to keep of them stands here.
"""

import functools
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Stateful", "pack", "restore", "unpack"]

State = dict[str, Any]


@runtime_checkable
class Stateful(Protocol):
    """A callback that has something to keep when a run is interrupted."""

    def get_state(self) -> State:
        """Return what to keep: words, numbers, None, NumPy arrays, and lists and dicts of these."""

    def set_state(self, state: State) -> None:
        """Take what was kept; called after `on_train_begin`."""


class _Attributes:
    """`get_state` and `set_state` of a callback that has neither: some of its attributes."""

    def __init__(self, callback: keras.callbacks.Callback, *names: str):
        self.callback, self.names = callback, names

    def get_state(self) -> State:
        return {name: getattr(self.callback, name) for name in self.names}

    def set_state(self, state: State) -> None:
        vars(self.callback).update(state)


@functools.singledispatch
def _stateful(callback: Any) -> Stateful:
    """Return the callback, or, where it has neither method, something that keeps nothing of it."""
    return callback if isinstance(callback, Stateful) else _Attributes(callback)


@_stateful.register
def _(callback: keras.callbacks.EarlyStopping) -> Stateful:
    return _Attributes(callback, "wait", "stopped_epoch", "best", "best_epoch", "best_weights")


@_stateful.register
def _(callback: keras.callbacks.ReduceLROnPlateau) -> Stateful:  # the learning rate itself is the optimizer's
    return _Attributes(callback, "wait", "cooldown_counter", "best")


@_stateful.register
def _(callback: keras.callbacks.ModelCheckpoint) -> Stateful:
    return _Attributes(callback, "best")


def pack(callbacks: Iterable[keras.callbacks.Callback]) -> tuple[str, list[bytes]]:
    """Return the states of callbacks: as JSON, and the arrays in them as bytes."""
    arrays: list[bytes] = []

    def plain(value: Any) -> Any:
        value = np.asarray(value)
        if not value.shape:
            return value.item()
        arrays.append(tf.io.serialize_tensor(value).numpy())
        return {"array": len(arrays) - 1, "dtype": value.dtype.name}

    return json.dumps([_stateful(callback).get_state() for callback in callbacks], default=plain), arrays


def unpack(text: str, arrays: Sequence[bytes]) -> list[State]:
    """Return the states that `pack` gave as JSON and arrays."""

    def whole(found: dict[str, Any]) -> Any:
        if found.keys() == {"array", "dtype"}:
            return tf.io.parse_tensor(arrays[found["array"]], found["dtype"]).numpy()
        return found

    return json.loads(text, object_hook=whole)


def restore(callbacks: Sequence[keras.callbacks.Callback], states: Sequence[State]) -> None:
    """Give callbacks the states that were kept of them; name, on stderr, those of one's own that begin anew."""
    for callback, state in zip(callbacks, states, strict=True):
        _stateful(callback).set_state(state)
        if not state and not type(callback).__module__.startswith(("keras.", "tfvae.")):
            print(
                f"the callback {type(callback).__name__} begins anew: it has no get_state and set_state",
                file=sys.stderr,
            )
