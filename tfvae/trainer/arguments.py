"""Arguments of `fit`, `evaluate` and `predict` -> what Keras is to be called with, so that steps run in groups."""

import contextlib
import inspect
import math
import numbers
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfvae import compatibility, data, replicas
from tfvae.trainer.progress import Progress

__all__ = ["MOST_STEPS", "directed", "prepared", "steps_to_fuse"]

MOST_STEPS = 100  # of a group: beyond, nothing is gained
MOST_BYTES = 2**23  # of a group's data
BATCH_SIZE = 32  # of arrays, unless given: Keras' own
COUNTS = ("batch_size", "validation_batch_size", "steps_per_epoch", "validation_steps", "steps")
HOOKS = tuple(f"on_{mode}batch_{end}" for mode in ("", "train_", "test_") for end in ("begin", "end"))


@contextlib.contextmanager
def prepared(vae, method, args, kwargs):
    """Makes data and VAE ready for a call of Keras' `fit`, `evaluate` or `predict`: within, it can be called with the
    arguments that this gives, a dict.

    The data is looked at; arrays become `tf.data`, which is put into groups or spread over replicas.

    Raises:
        ValueError: when the data does not fit the VAE.
    """
    call = inspect.signature(method).bind(*args, **kwargs).arguments
    call |= call.pop("kwargs", {})
    training, grouping = method.__name__ == "fit", method.__name__ != "predict"
    _refuse(call)
    if training:
        directed(vae, _callbacks(call))
        compatibility.adapted(vae)
        _hold_out(call)
    validation = call.get("validation_data")
    given = call.get("x"), call.get("y"), call.pop("sample_weight", None)
    held_out = validation if isinstance(validation, tuple) else (validation,)
    first = compatibility.data(vae, *given)
    compatibility.data(vae, *held_out)
    size = call.get("batch_size") or BATCH_SIZE
    asked, fused = vae.steps_per_execution, steps_to_fuse(vae, first, size, call)
    if grouping:
        shuffle = training and call.get("shuffle") is not False
        call |= {"x": _batches(vae, given, size, shuffle, fused), "y": None}
        call.pop("batch_size", None)
        if training:
            call["shuffle"] = False  # Keras cannot shuffle `tf.data`, and would warn
    if validation is not None:
        call["validation_data"] = _batches(vae, held_out, call.pop("validation_batch_size", None) or size, False, fused)
    if call.get("verbose", "auto") != 0 and not hasattr(call.get("callbacks"), "callbacks"):
        call["callbacks"] = [*_callbacks(call), Progress()]
    if not grouping:
        call["x"] = compatibility.watched(vae, call.get("x"))
    vae.steps_per_execution = fused
    try:
        with compatibility.mistakes(), warnings.catch_warnings():
            if not any(call.get(name) for name in ("steps_per_epoch", "validation_steps", "steps")):
                # Keras says so at the end of all data whose length it does not know: nobody asked for more
                warnings.filterwarnings("ignore", "Your input ran out of data")
            yield call
    finally:
        vae.steps_per_execution = asked


def _refuse(call):
    """ValueError for arguments that Keras would take for others, or for nothing."""
    for name in COUNTS:
        value = call.get(name)
        if value is not None and not (isinstance(value, numbers.Integral) and value >= 1):
            raise ValueError(f"{name} must be a whole number from 1, not {value!r}")
    if call.get("class_weight") is not None:
        raise ValueError("a VAE has no classes to weigh: give sample_weight, one weight for each example")
    x, validation = call.get("x"), call.get("validation_data")
    for name, data_ in (("x", x), ("validation_data", validation[0] if isinstance(validation, tuple) else validation)):
        if hasattr(data_, "shape") and not len(data_):
            raise ValueError(f"{name} is empty: it has shape {tuple(data_.shape)}")
    if call.get("sample_weight") is not None and not hasattr(x, "shape"):
        raise ValueError(
            "sample_weight goes with arrays: a data set has the weights itself, as triples (x, condition, weight), or "
            "(x, None, weight) where the VAE takes no conditions"
        )


def _hold_out(call):
    """`validation_split` of arrays, as Keras has it: their last part is validation data."""
    share, x = call.pop("validation_split", 0.0), call.get("x")
    if not share or call.get("validation_data") is not None:
        return
    if not hasattr(x, "shape") or not 0 < share < 1:
        raise ValueError(f"validation_split={share}: it takes arrays, and a number between 0 and 1")
    kept = math.floor(len(x) * (1 - share))
    parts = {name: call[name] for name in ("x", "y", "sample_weight") if call.get(name) is not None}
    call |= {name: part[:kept] for name, part in parts.items()}
    call["validation_data"] = tuple(
        parts[name][kept:] if name in parts else None for name in ("x", "y", "sample_weight")
    )


def _batches(vae, given, batch_size, shuffle, fused):
    """Data of `fit` or `evaluate`, x, y and weights, as Keras is to take it; what is neither `tf.data` nor an array, as
    it is."""
    strategy, x = vae.distribute_strategy, given[0]
    several = replicas.several(strategy)
    if hasattr(x, "shape"):
        seed = vae.seed + int(vae.optimizer.iterations.numpy())  # a second call has an order of its own
        x = data.held(_arrays(*given), batch_size, shuffle, seed)
    else:
        x = compatibility.watched(vae, x)
    if not isinstance(x, tf.data.Dataset):
        if several:
            raise ValueError(f"with several replicas, data is tf.data or an array, not {type(x).__name__}")
        return x
    if isinstance(x.element_spec, tuple) and isinstance(x.element_spec[1], tf.NoneTensorSpec):  # it cannot be grouped
        size, x = x.cardinality(), x.map(lambda x, _, weights: (x, tf.zeros([tf.shape(x)[0], 0]), weights))
        x = x.apply(tf.data.experimental.assert_cardinality(size)) if size >= 0 else x
    if several:
        return replicas.distribute(strategy, x)
    return replicas.placed(strategy, data.grouped(x, fused), x.cardinality) if fused > 1 else x


def _arrays(x, y=None, weights=None):
    """The arrays that batches are made of: x, those of pairs, or of triples."""
    if weights is None:
        return [x] if y is None else [x, y]
    return [x, np.zeros((len(x), 0), np.float32) if y is None else y, weights]


def steps_to_fuse(vae, first, batch_size=BATCH_SIZE, call=None):
    """`steps_per_execution` for `fit`: what the user asked for, or, where that is Keras' 1, what is safe and fast.

    A callback of the user's own that acts on batches sees each of them.

    Args:
        vae: compiled.
        first: a batch of the data, or examples of an array; None for data that is neither, whose steps run one by one.
        batch_size: of an array.
        call: arguments of `fit`; groups must divide `steps_per_epoch` and its like.
    """
    asked, call = int(vae.steps_per_execution), call or {}
    single = vae.run_eagerly or first is None
    if single and not replicas.several(vae.distribute_strategy):
        return 1
    if asked > 1 or single or any(map(_acts_on_batches, _callbacks(call))):
        return asked
    parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(first)]
    rows = batch_size if hasattr(call.get("x"), "shape") else len(parts[0])
    size = sum(part.dtype.size * math.prod(part.shape[1:]) for part in parts) * rows
    most = max(1, min(MOST_STEPS, MOST_BYTES // max(1, size)))
    limit = math.gcd(*(call.get(name) or 0 for name in ("steps_per_epoch", "validation_steps", "steps")))
    return most if not limit else max(n for n in range(1, most + 1) if limit % n == 0)


def directed(vae, callbacks):
    """Tells callbacks that monitor one of the VAE's values in mode "auto" in which direction it is better: Keras does
    not know, and says so only after the first epoch.

    Raises:
        ValueError: when another value is monitored so.
    """
    unknown = "{}: is {!r} better higher or lower? Give mode: max or mode: min"
    for callback in callbacks:
        if getattr(callback, "mode", None) != "auto" or not hasattr(callback, "monitor_op"):
            continue
        name = callback.monitor.removeprefix("val_")
        if name not in vae.directions:
            raise ValueError(unknown.format(type(callback).__name__, callback.monitor))
        callback.mode = vae.directions[name]


def _callbacks(call):
    """The callbacks of a call, a list."""
    found = call.get("callbacks") or []
    found = getattr(found, "callbacks", found)
    return [found] if isinstance(found, keras.callbacks.Callback) else found


def _acts_on_batches(callback):
    """Whether a callback does something at batches, other than to show progress."""
    if getattr(callback, "acts_on_groups", False):
        return False
    if type(callback).__module__.startswith("keras."):
        saves, logs = getattr(callback, "save_freq", "epoch"), getattr(callback, "update_freq", "epoch")
        return isinstance(saves, int) or logs != "epoch" or any(hook in vars(callback) for hook in HOOKS)
    return any(getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook) for hook in HOOKS)
