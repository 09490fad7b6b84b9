"""Whether data, conditions and latents have the shapes and types that a VAE takes; they become tensors."""

from typing import Any

import keras
import tensorflow as tf

from tfvae.compatibility.protocol import Loaded, VAELike
from tfvae.compatibility.rows import as_numbers

__all__ = [
    "check_dtype",
    "check_event",
    "check_latents",
    "check_unweighted",
    "drop_rest",
    "drop_weights",
    "explain_shape",
    "split_pair",
    "to_condition",
    "to_tensor",
    "unpack_batch",
]


def unpack_batch(batch: Any) -> tuple[Loaded, tf.Tensor | None]:
    """Take apart what `fit` and its like hand to a step: the data as loaded, and the weights of its examples `[B]`, or
    None."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    x, y, weights = (None if isinstance(part, tf.experimental.Optional) else part for part in (x, y, weights))
    # without conditions, y is None, or of arrays with weights a condition of no numbers
    alone = y is None or tuple(y.shape)[1:] == (0,)
    return x if alone else (x, y), None if weights is None else tf.reshape(tf.cast(weights, tf.float32), [-1])


def drop_weights(batch: Any) -> Loaded:
    """Give the data as loaded, x or a pair (x, condition), of what `fit` and its like hand to a step."""
    return unpack_batch(batch)[0]


def drop_rest(vae: VAELike, batch: Any) -> tuple:
    """Give (x,), or of a conditional VAE (x, condition), of a batch that may have more."""
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return tuple(parts[: 2 if vae.condition_size else 1])


def split_pair(vae: VAELike, loaded: Loaded) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Split data as loaded into the data without conditions, and the conditions as loaded, or None: tensors.

    Raises:
        ValueError: when there are conditions and the VAE takes none, or the other way round.
    """
    loaded = as_numbers(vae, loaded)
    paired = isinstance(loaded, (tuple, list)) and len(loaded) == 2
    check_unweighted(loaded)
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
        return to_tensor(loaded), None
    return to_tensor(loaded[0]), to_tensor(loaded[1])


def check_unweighted(loaded: Loaded) -> None:
    """Check that data is not of triples with sample weights."""
    if isinstance(loaded, tuple) and len(loaded) == 3:
        raise ValueError(
            "the data has sample weights, which only fit and evaluate take: leave them out, for example with "
            "data.map(lambda x, y, weight: x)"
        )


def to_tensor(values: Any) -> tf.Tensor:
    """Convert values to a tensor of numbers.

    Raises:
        ValueError: when they are none; it says how they become one.
    """
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


def to_condition(vae: VAELike, condition: tf.Tensor) -> tf.Tensor:
    """Convert conditions as loaded to float32 `[B, k]`.

    Raises:
        ValueError: when they have another k.
    """
    if not condition.dtype.is_floating:
        condition = tf.one_hot(tf.reshape(condition, [-1]), vae.condition_size)
    if condition.shape.rank != 2 or condition.shape[-1] != vae.condition_size:
        raise ValueError(f"conditions have shape {tuple(condition.shape)}, but the VAE takes [B, {vae.condition_size}]")
    return tf.cast(condition, tf.float32)


def check_latents(vae: VAELike, z: Any, condition: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Check that z `[..., n]` and conditions are those of the VAE, and give them as tensors."""
    z, size = to_tensor(z), vae.posterior.event_shape[-1]
    if not z.shape.rank or z.shape[-1] != size:
        raise ValueError(f"z has shape {tuple(z.shape)}, but the latent size is {size}")
    if (condition is None) == bool(vae.condition_size):
        wants = f"conditions of size {vae.condition_size}" if vae.condition_size else "no conditions"
        raise ValueError(f"the VAE takes {wants}, but decode was given {'none' if condition is None else 'some'}")
    return z, None if condition is None else tf.convert_to_tensor(condition, tf.float32)


def check_dtype(vae: VAELike, data: tf.Tensor) -> None:
    """Check that data has the type that a preprocessor declares: Keras would cast it, and pixels 0..255 would look like
    floats in [0, 1]."""
    declared = vae.preprocessor_view.declared_dtype
    if declared is not None and data.dtype.name != declared:
        raise ValueError(
            f"the preprocessor takes {declared}, but the data is {data.dtype.name}: begin it with "
            f"keras.Input(shape, dtype={data.dtype.name!r})"
        )


def check_event(vae: VAELike, x: tf.Tensor, data: tf.Tensor) -> None:
    """Check that x, which the preprocessor made of data, has the shape and type that the likelihood models.

    Raises:
        ValueError: when it has not; it names both.
    """
    shape, name = vae.likelihood.event_shape, type(vae.likelihood).__name__
    where = f"data {data.dtype.name} {data.shape}, preprocessor {type(vae.preprocessor).__name__}"
    if x.shape.rank is None or tuple(x.shape[1:]) != shape:
        raise ValueError(
            f"x has shape {x.shape} ({where}), but the likelihood {name} models events of shape {shape}"
            + explain_shape(x.shape, shape)
        )
    if not x.dtype.is_floating:
        raise ValueError(
            f"x is {x.dtype.name} ({where}), but the likelihood {name} models floats: give the VAE a preprocessor, "
            "such as preprocessing.Binarize() or Rescale() for pixels"
        )


def explain_shape(found: tf.TensorShape, event_shape: tuple[int, ...]) -> str:
    """Say how data of a shape becomes a batch of events, where that is known: the end of a message, or nothing."""
    if found.rank is None:
        return ": give the data set a shape, from_generator(output_signature=...) or data.map with tf.ensure_shape"
    sizes = tuple(found)
    if sizes == event_shape:
        return ": it is one example: give a batch, x[None], or of tf.data data.batch(100)"
    if (*sizes[1:], 1) == event_shape:
        return ": give it channels, x[..., None]"
    if len(sizes) == 4 and (*sizes[2:], sizes[1]) == event_shape:
        return ": channels come last, np.moveaxis(x, 1, -1)"
    return ""
