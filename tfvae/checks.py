"""What fits a VAE: errors that name both sides, for its parts, its data, its conditions and its latents."""

import math

import keras
import numpy as np
import tensorflow as tf

from tfvae import random

__all__ = [
    "NotApplicable",
    "adapted",
    "as_loaded",
    "bounds",
    "conditions",
    "data",
    "event",
    "latent",
    "pair",
    "parts",
    "unpacked",
    "weights",
]

EXAMPLES = 1024  # of an array that are looked at


class NotApplicable(ValueError):
    """A measure or a figure that this VAE, or its data, cannot have; the message says why."""


def parts(vae):
    """ValueError, naming both sides, when two parts have shapes that do not fit."""
    latents = vae.posterior.event_shape
    if len(latents) != 1:
        raise ValueError(f"latents are vectors, but the posterior gives latents of shape {latents}")
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
    if isinstance(loaded, (tuple, list)) and len(loaded) == 3:
        raise ValueError(
            "the data has sample weights, which only fit and evaluate take: leave them out, for example with "
            "data.map(lambda x, y, weight: x)"
        )
    if paired and not vae.condition_size:
        raise ValueError(
            "the data has more than images: leave the rest out, for example with data.map(lambda image, label: image), "
            "or give the VAE a condition_size to condition on it"
        )
    if vae.condition_size and not paired:
        raise ValueError(
            "the VAE is conditional: its data are pairs (x, condition), conditions floats "
            f"[B, {vae.condition_size}] or integers [B] below {vae.condition_size}"
        )
    if not paired:
        return tf.convert_to_tensor(loaded), None
    return tf.convert_to_tensor(loaded[0]), tf.convert_to_tensor(loaded[1])


def conditions(vae, condition):
    """What a user gives `sample` -> conditions as loaded, one row or several."""
    if not vae.condition_size:
        raise ValueError("a condition was given, but the VAE takes none: its condition_size is 0")
    condition = tf.convert_to_tensor(condition)
    if condition.dtype.is_floating:
        return condition if condition.shape.rank != 1 else condition[None]
    inside = (condition >= 0) & (condition < vae.condition_size)
    tf.debugging.assert_equal(tf.reduce_all(inside), True, f"conditions must be below {vae.condition_size}")
    return condition


def latent(vae, z, condition):
    """z and condition as tensors; ValueError when they are not those of the VAE."""
    z, size = tf.convert_to_tensor(z), vae.posterior.event_shape[-1]
    if z.shape[-1] != size:
        raise ValueError(f"z has shape {tuple(z.shape)}, but the latent size is {size}")
    if (condition is None) == bool(vae.condition_size):
        wants = f"conditions of size {vae.condition_size}" if vae.condition_size else "no conditions"
        raise ValueError(f"the VAE takes {wants}, but decode was given {'none' if condition is None else 'some'}")
    return z, None if condition is None else tf.convert_to_tensor(condition, tf.float32)


def event(vae, x, loaded):
    """ValueError, naming both sides, when x is not what the likelihood models."""
    shape, name = vae.likelihood.event_shape, type(vae.likelihood).__name__
    where = f"data {loaded.dtype.name} {tuple(loaded.shape)}, preprocessor {type(vae.preprocessor).__name__}"
    if tuple(x.shape[1:]) != shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)} ({where}), but the likelihood {name} models events of shape {shape}"
        )
    if not x.dtype.is_floating:
        raise ValueError(
            f"x is {x.dtype.name} ({where}), but the likelihood {name} models floats: give the VAE a preprocessor, "
            "such as preprocessing.Binarize() or Rescale() for pixels"
        )


def data(vae, x, y=None, sample_weight=None):
    """The first batch of a data set, or examples of an array, as loaded; None of kinds that may be read but once.

    Raises:
        ValueError: when they do not fit.
    """
    if isinstance(x, tf.data.Dataset):
        first = next(iter(x.take(1)), None)
        if first is None:
            raise ValueError("the data set is empty")
        first, sample_weight = unpacked(first)
    elif hasattr(x, "shape"):
        first = x[:EXAMPLES] if y is None else (x[:EXAMPLES], y[:EXAMPLES])
    else:
        return None
    if sample_weight is not None:
        weights(sample_weight, len(x) if hasattr(x, "shape") else len(tf.nest.flatten(first)[0]))
    if vae.condition_size:
        conditions(vae, pair(vae, first)[1])
    loaded, condition = vae.split(first)
    if hasattr(vae.preprocessor, "support"):
        _support(loaded, vae.preprocessor, "preprocessor", "takes")
    seed = random.seed(vae.seed, random.Stream.DATA)
    event_ = vae.preprocess(first, training=True, seed=seed)
    _support(event_, vae.likelihood, "likelihood", "models", f", through {type(vae.preprocessor).__name__},")
    if condition is not None and not tf.reduce_all(tf.math.is_finite(condition)):
        raise ValueError("the data has conditions that are not finite")
    return first


def _support(values, part, kind, verb, how=""):
    """ValueError when values lie outside what a preprocessor takes or a likelihood models."""
    outside = ~part.support(values)
    if tf.reduce_any(outside):
        example = tf.boolean_mask(values, outside)[0]
        raise ValueError(
            f"the {kind} {type(part).__name__} {verb} {part.domain}, but the data{how} has values such as {example:.4g}"
        )
