"""What fits a VAE: errors that name both sides, for its parts, its data, its conditions and its latents."""

import contextlib
import logging
import math
import re
import types

import keras
import numpy as np
import tensorflow as tf

from tfvae import random
from tfvae.data import held, say

__all__ = [
    "NotApplicable",
    "adapted",
    "as_loaded",
    "batch",
    "batches",
    "bounds",
    "conditions",
    "data",
    "event",
    "examples",
    "latent",
    "mistakes",
    "pair",
    "parts",
    "unpacked",
    "watched",
    "weights",
]

EXAMPLES = 1024  # that are looked at together
BATCH_SIZE = 100  # of arrays that `batches` makes
PIXELS = (tf.uint8, tf.bool)  # types of which no number can be wrong


class NotApplicable(ValueError):
    """A measure or a figure that this VAE, or its data, cannot have; the message says why."""


def parts(vae):
    """ValueError, naming both sides, when two parts have shapes that do not fit."""
    latents = vae.posterior.event_shape
    if len(latents) != 1:
        raise ValueError(f"latents are vectors, but the posterior gives latents of shape {latents}")
    for name, network, gives in (
        ("encoder", vae.encoder, "features, of which the posterior makes the parameters of q(z|x)"),
        ("decoder", vae.decoder, "features, of which the likelihood makes the parameters of p(x|z)"),
    ):
        _network(name, network, gives)
    features = tuple(vae.encoder.output_shape[1:])
    if len(features) > 1:
        raise ValueError(
            f"the encoder gives maps of shape {features}, but latents are vectors: end it with keras.layers.Flatten() "
            "or GlobalAveragePooling2D()"
        )
    pairs = (
        ("encoder takes", _inputs(vae.encoder)[0], "likelihood models events of", vae.likelihood.event_shape),
        ("prior has latents of", vae.prior.event_shape, "posterior gives latents of", latents),
        ("decoder takes", _inputs(vae.decoder)[0], "prior shows the decoder latents of", vae.prior.decoder_shape),
        *(
            (f"{name} takes conditions of", _inputs(network)[1], "VAE those of", (vae.condition_size,))
            for name, network in (("encoder", vae.encoder), ("decoder", vae.decoder))
        ),
    )
    for name, shape, other, expected in pairs:
        if tuple(shape) != tuple(expected):
            raise ValueError(f"the {name} shape {tuple(shape)}, but the {other} shape {tuple(expected)}")


def bounds(vae):
    """(low, high) between which x lies, as far as preprocessor and likelihood say; None where neither does."""
    of_parts = [getattr(part, "bounds", (None, None)) for part in (vae.preprocessor, vae.likelihood)]
    lows, highs = ([value for value in values if value is not None] for values in zip(*of_parts, strict=True))
    return max(lows, default=None), min(highs, default=None)


def adapted(vae):
    """ValueError when a `Normalization` of the preprocessor was never adapted: it would leave all as it is."""
    for layer in vae.preprocessor._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            if not np.any(tf.convert_to_tensor(layer.adapt_mean)):
                how = "call vae.adapt(data)" if layer is vae.preprocessor else "call its own adapt(data)"
                raise ValueError(f"the preprocessor's Normalization was not adapted to the data: {how} first")


def _network(name, network, gives):
    """ValueError unless a network has fixed inputs, and one output."""
    try:
        shapes = network.input_shape, network.output_shape
    except AttributeError:
        raise ValueError(
            f"the {name} {type(network).__name__} has no fixed input and output: make it a keras.Sequential or "
            "functional keras.Model that begins with keras.Input(shape); a subclassed model can be called in one"
        ) from None
    if not isinstance(shapes[1], tuple):
        raise ValueError(
            f"the {name} has {len(shapes[1])} outputs: give it one, {gives}; leave out layers for means, variances and "
            "samples"
        )


def _inputs(network):
    """Shapes that a network takes, without batch: of its input, and of conditions, (0,) where it takes none."""
    shapes = network.input_shape if isinstance(network.input_shape, list) else [network.input_shape]
    return [tuple(shape[1:]) for shape in shapes] + [(0,)] * (2 - len(shapes))


def unpacked(batch):
    """What `fit` and its like hand to a step -> (the data as loaded, the weights of its examples `[B]`, or None)."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    # beside weights no y is, of a generator, an `Optional` of nothing, and of arrays a condition of no numbers
    alone = y is None or isinstance(y, tf.experimental.Optional) or tuple(y.shape)[1:] == (0,)
    return x if alone else (x, y), None if weights is None else tf.reshape(tf.cast(weights, tf.float32), [-1])


def as_loaded(batch):
    """What `fit` and its like hand to a step -> the data as loaded: x, or a pair (x, condition)."""
    return unpacked(batch)[0]


def weights(values, rows):
    """ValueError unless `values` are weights of `rows` examples."""
    values = tf.convert_to_tensor(values)
    if values.shape[0] != rows or math.prod(values.shape) != rows:
        raise ValueError(
            f"the sample weights have shape {tuple(values.shape)}, but there are {rows} examples: one number for each"
        )
    wrong = ~(tf.math.is_finite(tf.cast(values, tf.float64)) & (values >= 0))
    if tf.reduce_any(wrong):
        raise ValueError(
            f"sample weights are finite and 0 or more, but one is {float(tf.boolean_mask(values, wrong)[0])}"
        )


def pair(vae, loaded):
    """Data as loaded -> (data without conditions, conditions as loaded or None), tensors.

    Raises:
        ValueError: when there are conditions and the VAE takes none, or the other way round.
    """
    paired = isinstance(loaded, (tuple, list)) and len(loaded) == 2
    _unweighted(loaded)
    if paired and not vae.condition_size:
        raise ValueError(
            "the data has more than images: leave the rest out, for example with data.map(lambda image, label: image), "
            "or call fit(x) instead of fit(x, y); or give the VAE a condition_size to condition on it"
        )
    if vae.condition_size and not paired:
        raise ValueError(
            "the VAE is conditional: its data are pairs (x, condition), conditions floats "
            f"[B, {vae.condition_size}] or integers [B] below {vae.condition_size}"
        )
    if not paired:
        return _tensor(loaded), None
    return _tensor(loaded[0]), _tensor(loaded[1])


def _unweighted(loaded):
    """ValueError for triples with sample weights."""
    if isinstance(loaded, tuple) and len(loaded) == 3:
        raise ValueError(
            "the data has sample weights, which only fit and evaluate take: leave them out, for example with "
            "data.map(lambda x, y, weight: x)"
        )


def _tensor(values):
    """Values as a tensor of numbers; ValueError that says how they become one."""
    if isinstance(values, dict):
        keys = ", ".join(map(repr, values))
        raise ValueError(
            f"the data has parts by name, {keys}: take out one, "
            f"data.map(lambda example: example[{next(iter(values), '')!r}])"
        )
    if isinstance(values, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(f"the data is a {type(values).__name__}: examples must be alike in shape, and dense")
    try:
        tensor = tf.convert_to_tensor(values)
    except (ValueError, TypeError) as error:
        kind = getattr(values, "dtype", type(values).__name__)
        raise ValueError(
            f"the data, {kind}, cannot be a tensor: it must be numbers, and examples alike in shape, such as "
            "np.stack makes of a list of arrays"
        ) from error
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
        raise ValueError(f"the data is {tensor.dtype.name}: it must be numbers")
    return tensor


def conditions(vae, condition):
    """What a user gives `sample` -> conditions as loaded, one row or several."""
    if not vae.condition_size:
        raise ValueError("a condition was given, but the VAE takes none: its condition_size is 0")
    condition = _tensor(condition)
    if tf.executing_eagerly():
        _look_at_conditions(vae, condition)
    return condition if not condition.dtype.is_floating or condition.shape.rank != 1 else condition[None]


def latent(vae, z, condition):
    """z and condition as tensors; ValueError when they are not those of the VAE."""
    z, size = _tensor(z), vae.posterior.event_shape[-1]
    if not z.shape.rank or z.shape[-1] != size:
        raise ValueError(f"z has shape {tuple(z.shape)}, but the latent size is {size}")
    if (condition is None) == bool(vae.condition_size):
        wants = f"conditions of size {vae.condition_size}" if vae.condition_size else "no conditions"
        raise ValueError(f"the VAE takes {wants}, but decode was given {'none' if condition is None else 'some'}")
    return z, None if condition is None else tf.convert_to_tensor(condition, tf.float32)


def event(vae, x, loaded):
    """ValueError, naming both sides, when x is not what the likelihood models."""
    shape, name = vae.likelihood.event_shape, type(vae.likelihood).__name__
    where = f"data {loaded.dtype.name} {loaded.shape}, preprocessor {type(vae.preprocessor).__name__}"
    if x.shape.rank is None or tuple(x.shape[1:]) != shape:
        raise ValueError(
            f"x has shape {x.shape} ({where}), but the likelihood {name} models events of shape {shape}"
            + _how_to_fit(x.shape, shape)
        )
    if not x.dtype.is_floating:
        raise ValueError(
            f"x is {x.dtype.name} ({where}), but the likelihood {name} models floats: give the VAE a preprocessor, "
            "such as preprocessing.Binarize() or Rescale() for pixels"
        )


def _how_to_fit(found, event_shape):
    """How data of a shape becomes a batch of events, where that is known: words, or none."""
    if found.rank is None:
        return ": give the data set a shape, from_generator(output_signature=...) or data.map with tf.ensure_shape"
    found = tuple(found)
    if found == event_shape:
        return ": it is one example: give a batch, x[None], or of tf.data data.batch(100)"
    if (*found[1:], 1) == event_shape:
        return ": give it channels, x[..., None]"
    if len(found) == 4 and (*found[2:], found[1]) == event_shape:
        return ": channels come last, np.moveaxis(x, 1, -1)"
    return ""


def batches(data):
    """`tf.data` as it is; an array `[N, ...]`, or a tuple of them, as batches."""
    if isinstance(data, tf.data.Dataset):
        return data
    arrays = list(data) if isinstance(data, tuple) else [data]
    if not all(hasattr(array, "shape") and len(array.shape) for array in arrays):
        raise ValueError(f"the data is tf.data of batches or an array [N, ...], not {type(data).__name__}")
    return held([_tensor(array) for array in arrays], BATCH_SIZE)


def data(vae, x, y=None, sample_weight=None):
    """The first batch of a data set, or examples of an array, as loaded; None of kinds that may be read but once.

    What is in memory is looked at as a whole; the rest as it goes by, see `watched`.

    Raises:
        ValueError: when they do not fit.
    """
    if isinstance(x, tf.data.Dataset):
        _check_shapes(x.element_spec)
        first = next(iter(x.take(1)), None)
        if first is None:
            raise ValueError("the data set is empty")
        first, sample_weight = unpacked(first)
    elif isinstance(x, keras.utils.PyDataset):
        if not x.num_batches:
            raise ValueError("the data set is empty")
        _look_at_first(vae, as_loaded(x[0]))
        return None
    elif hasattr(x, "shape"):
        if not len(x.shape) or not len(x):
            raise ValueError(f"the data is an array of shape {tuple(x.shape)}: there is no example in it")
        first = x[:EXAMPLES] if y is None else (x[:EXAMPLES], y[:EXAMPLES])
    elif vae.condition_size and isinstance(x, (tuple, list)) and len(x) == 2 and y is None:
        data(vae, *x)
        return None
    elif isinstance(x, (str, bytes, dict, list, tuple)):
        raise ValueError(
            f"the data is tf.data (such as data.load gives) or an array [N, ...], not a {type(x).__name__}"
            + (": np.stack makes an array of a list of examples" if isinstance(x, (list, tuple)) else "")
        )
    else:
        return None
    if sample_weight is not None:
        weights(sample_weight, len(x) if hasattr(x, "shape") else len(tf.nest.flatten(first)[0]))
    _look_at_first(vae, first)
    for more in _rest(vae, x, y):
        _look(vae, *more)
    return first


def _look_at_first(vae, first):
    if vae.condition_size:
        _look_at_conditions(vae, pair(vae, first)[1])
    loaded = vae.split(first)[0]
    if hasattr(vae.preprocessor, "support"):
        _support(loaded, vae.preprocessor, "preprocessor", "takes")
    seed = random.seed(vae.seed, random.Stream.DATA)
    event_ = vae.preprocess(first, training=True, seed=seed)
    _support(event_, vae.likelihood, "likelihood", "models", f", through {type(vae.preprocessor).__name__},")
    remark = getattr(vae.preprocessor, "remark", None)
    if remark is not None and (line := remark(loaded)):
        say(line, logging.WARNING)


def _check_shapes(spec):
    """ValueError when `tf.data` does not say the shapes of its batches, as of `output_types` alone."""
    for part in tf.nest.flatten(spec):
        if isinstance(part, tf.TensorSpec) and part.shape.rank is None:
            raise ValueError("the data set does not say its shapes" + _how_to_fit(part.shape, ()))


def _rest(vae, x, y):
    """Pieces of an array, or of a data set that is held, behind what is looked at first: tuples of x and conditions."""
    if hasattr(x, "read"):
        count = x.count
        read = lambda start: _parts_of(vae, x.read(tf.range(start, min(start + EXAMPLES, count))))  # noqa: E731
    elif hasattr(x, "shape"):
        count = len(x)
        read = lambda start: tuple(part[start : start + EXAMPLES] for part in (x, y) if part is not None)  # noqa: E731
    else:
        return
    if _may_be_outside(vae, read(0)):
        yield from map(read, range(EXAMPLES, count, EXAMPLES))


def _parts_of(vae, batch):
    """(x,), or (x, condition) of a VAE that takes some; what more there is in a batch is left out."""
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return tuple(parts[: 2 if vae.condition_size else 1])


def _may_be_outside(vae, parts):
    """Whether there may be numbers that the VAE does not take: conditions, or other than pixels."""
    return len(parts) > 1 or _tensor(parts[0]).dtype not in PIXELS


def watched(vae, x):
    """Data of `fit` and its like as Keras takes it, whose values are looked at as they go by: those of each batch that
    may not fit. A mistake there is a ValueError, in TensorFlow's words: see `mistakes`."""
    if isinstance(x, tf.data.Dataset):
        parts = _parts_of(vae, x.element_spec)
        if hasattr(x, "read") or (len(parts) == 1 and getattr(parts[0], "dtype", None) in PIXELS):
            return x  # seen as a whole; or pixels
        mapped = x.map(lambda *batch: _watched_batch(vae, batch))
        mapped.cardinality = x.cardinality  # of a data set that goes on in its middle, as it says itself
        return mapped
    if isinstance(x, types.GeneratorType):
        return _watched_generator(vae, x)
    if isinstance(x, keras.utils.PyDataset) and not x.use_multiprocessing:
        return _Watched(vae, x)
    return x


def _watched_batch(vae, batch):
    def look(*parts):
        _look(vae, *map(tf.convert_to_tensor, parts))
        return True

    x, *rest = batch
    seen = tf.numpy_function(look, _parts_of(vae, batch), tf.bool)
    with tf.control_dependencies([seen]):
        x = tf.identity(x)
    return (x, *rest) if rest else x


def _watched_generator(vae, generator):
    for batch in generator:
        _look(vae, *_parts_of(vae, batch))
        yield batch if isinstance(batch, tuple) else (batch,)  # as Keras wants it


class _Watched(keras.utils.PyDataset):
    """A `PyDataset` whose batches are looked at."""

    def __init__(self, vae, inner):
        super().__init__(inner.workers, False, inner.max_queue_size)
        self.vae, self.inner = vae, inner

    @property
    def num_batches(self):
        return self.inner.num_batches

    def __getitem__(self, index):
        batch = self.inner[index]
        _look(self.vae, *_parts_of(self.vae, batch))
        return batch

    def on_epoch_begin(self):
        self.inner.on_epoch_begin()

    def on_epoch_end(self):
        self.inner.on_epoch_end()


@contextlib.contextmanager
def mistakes():
    """Within, a ValueError that went through `tf.data`, which adds a traceback to it, is one again."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
        found = re.search(r"ValueError: (.+)", error.message)
        if not found:
            raise
        raise ValueError(found[1]) from error


def examples(vae, loaded):
    """ValueError when a batch, data as loaded, is none for the VAE, or has values outside of what it takes.

    It looks at numbers, so in a program it does nothing.
    """
    if tf.executing_eagerly():
        batch(vae, loaded if vae.condition_size else pair(vae, loaded)[0])


def batch(vae, found):
    """`examples`, of a batch that may have more than the VAE takes, but no weights."""
    _unweighted(found)
    parts = _parts_of(vae, found)
    vae.preprocess(parts if vae.condition_size else parts[0])  # shape and type
    _look(vae, *parts)


def _look(vae, x, condition=None):
    """ValueError when numbers of x, or conditions, as loaded, are outside of what the VAE takes."""
    if condition is not None:
        _look_at_conditions(vae, _tensor(condition))
    values = _tensor(x)
    if hasattr(vae.preprocessor, "support"):
        _support(values, vae.preprocessor, "preprocessor", "takes")
    elif values.dtype not in PIXELS:
        x = vae.preprocessor(values, training=False)
        _support(x, vae.likelihood, "likelihood", "models", f", through {type(vae.preprocessor).__name__},")


def _look_at_conditions(vae, condition):
    """ValueError when conditions are not finite, or, integers, are none of the classes."""
    if condition.dtype.is_floating:
        if not tf.reduce_all(tf.math.is_finite(condition)):
            raise ValueError("the data has conditions that are not finite")
        return
    condition = tf.reshape(tf.cast(condition, tf.int64), [-1])  # one, or several
    outside = (condition < 0) | (condition >= vae.condition_size)
    if tf.reduce_any(outside):
        example = int(tf.boolean_mask(condition, outside)[0])
        raise ValueError(f"conditions must be below {vae.condition_size} and not negative, but one is {example}")


def _support(values, part, kind, verb, how=""):
    """ValueError when values lie outside what a preprocessor takes or a likelihood models."""
    outside = ~part.support(values)
    if tf.reduce_any(outside):
        example = tf.boolean_mask(values, outside)[0]
        raise ValueError(
            f"the {kind} {type(part).__name__} {verb} {part.domain}, but the data{how} has values such as {example:.4g}"
        )
