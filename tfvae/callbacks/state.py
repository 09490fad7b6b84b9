"""What callbacks must know to go on: they are asked for it by `get_state`, and told it by `set_state`.

`get_state()` gives a dict of words, numbers, None, NumPy arrays, and lists and dicts of these; `set_state(state)` is
called after `on_train_begin`. A callback of one's own that counts or remembers has both. Keras' own have neither: what
there is to keep of them stands here.
"""

import functools
import json
import sys

import keras
import numpy as np
import tensorflow as tf

__all__ = ["packed", "tell", "unpacked"]


class _Attributes:
    """`get_state` and `set_state` of a callback that has neither: some of its attributes."""

    def __init__(self, callback, *names):
        self.callback, self.names = callback, names

    def get_state(self):
        return {name: getattr(self.callback, name) for name in self.names}

    def set_state(self, state):
        vars(self.callback).update(state)


@functools.singledispatch
def _stateful(callback):
    """What has the two methods, for any callback: itself, or, where it has none, something that keeps nothing."""
    return callback if hasattr(callback, "get_state") and hasattr(callback, "set_state") else _Attributes(callback)


@_stateful.register
def _(callback: keras.callbacks.EarlyStopping):
    return _Attributes(callback, "wait", "stopped_epoch", "best", "best_epoch", "best_weights")


@_stateful.register
def _(callback: keras.callbacks.ReduceLROnPlateau):  # the learning rate itself is the optimizer's
    return _Attributes(callback, "wait", "cooldown_counter", "best")


@_stateful.register
def _(callback: keras.callbacks.ModelCheckpoint):
    return _Attributes(callback, "best")


def packed(callbacks):
    """The states of callbacks: (JSON, arrays as a list of bytes)."""
    arrays = []

    def plain(value):
        value = np.asarray(value)
        if not value.shape:
            return value.item()
        arrays.append(tf.io.serialize_tensor(value).numpy())
        return {"array": len(arrays) - 1, "dtype": value.dtype.name}

    return json.dumps([_stateful(callback).get_state() for callback in callbacks], default=plain), arrays


def unpacked(text, arrays):
    """What `packed` gave -> the states, a list."""

    def whole(found):
        if found.keys() == {"array", "dtype"}:
            return tf.io.parse_tensor(arrays[found["array"]], found["dtype"]).numpy()
        return found

    return json.loads(text, object_hook=whole)


def tell(callbacks, states):
    """Gives callbacks the states that `packed` had of them; names, on stderr, those of one's own that begin anew."""
    for callback, state in zip(callbacks, states, strict=True):
        _stateful(callback).set_state(state)
        if not state and not type(callback).__module__.startswith(("keras.", "tfvae.")):
            print(
                f"the callback {type(callback).__name__} begins anew: it has no get_state and set_state",
                file=sys.stderr,
            )
