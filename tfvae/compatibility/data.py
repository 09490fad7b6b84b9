"""Whether data fits a VAE: its first batch, and all of it that is in memory. The rest is watched as it goes by."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfvae.compatibility.protocol import Loaded, VAELike
from tfvae.compatibility.shapes import drop_rest, drop_weights, explain_shape, to_tensor, unpack_batch
from tfvae.compatibility.values import check_first, check_values, check_weights, may_be_outside
from tfvae.data import Batches, batch_arrays

__all__ = ["batch_data", "check_data"]

EXAMPLES = 1024  # that are looked at together
BATCH_SIZE = 100  # of arrays that `batch_data` puts into batches


def batch_data(data: Any) -> tf.data.Dataset:
    """Give `tf.data` as it is, an array `[N, ...]`, or a tuple of arrays, in batches.

    Raises:
        ValueError: of other kinds of data.
    """
    if isinstance(data, tf.data.Dataset):
        return data
    arrays = list(data) if isinstance(data, tuple) else [data]
    if not all(hasattr(array, "shape") and len(array.shape) for array in arrays):
        raise ValueError(f"the data is tf.data of batches or an array [N, ...], not {type(data).__name__}")
    return batch_arrays([to_tensor(array) for array in arrays], BATCH_SIZE)


def check_data(vae: VAELike, x: Any, y: Any = None, sample_weight: Any = None) -> Loaded | None:
    """Check what `fit` or `evaluate` is given: its first batch, and all that is in memory.

    Args:
        vae: the model.
        x: `tf.data`, an array `[N, ...]`, or anything else that Keras takes.
        y: of arrays of a conditional VAE, the conditions.
        sample_weight: of arrays, the weights `[N]`.

    Returns:
        the first batch of a data set, or examples of an array, as loaded; None of kinds that may be read only once.

    Raises:
        ValueError: when the data does not fit.
    """
    if isinstance(x, tf.data.Dataset):
        return _check_dataset(vae, x)
    if isinstance(x, keras.utils.PyDataset):
        if not x.num_batches:
            raise ValueError("the data set is empty")
        check_first(vae, drop_weights(x[0]))
        return None
    if hasattr(x, "shape"):
        return _check_arrays(vae, x, y, sample_weight)
    if vae.condition_size and isinstance(x, (tuple, list)) and len(x) == 2 and y is None:
        check_data(vae, *x)
        return None
    if isinstance(x, (str, bytes, dict, list, tuple)):
        raise ValueError(
            f"the data is tf.data (such as data.load gives) or an array [N, ...], not a {type(x).__name__}"
            + (": np.stack makes an array of a list of examples" if isinstance(x, (list, tuple)) else "")
        )
    return None


def _check_dataset(vae: VAELike, dataset: tf.data.Dataset) -> Loaded:
    """Check the first batch of a data set and, where it is in memory, all of it."""
    for part in tf.nest.flatten(dataset.element_spec):
        if isinstance(part, tf.TensorSpec) and part.shape.rank is None:
            raise ValueError("the data set does not say its shapes" + explain_shape(part.shape, ()))
    batch = next(iter(dataset.take(1)), None)
    if batch is None:
        raise ValueError("the data set is empty")
    first, weights = unpack_batch(batch)
    if weights is not None:
        check_weights(weights, len(tf.nest.flatten(first)[0]))
    check_first(vae, first)
    _check_pieces(vae, (drop_rest(vae, piece) for piece in Batches.of(dataset).pieces(EXAMPLES)))
    return first


def _check_arrays(vae: VAELike, x: Any, y: Any, sample_weight: Any) -> Loaded:
    """Check arrays, and give the first examples."""
    if not len(x.shape) or not len(x):
        raise ValueError(f"the data is an array of shape {tuple(x.shape)}: there is no example in it")
    arrays = (x,) if y is None else (x, y)
    pieces = (tuple(array[start : start + EXAMPLES] for array in arrays) for start in range(0, len(x), EXAMPLES))
    piece = next(pieces)
    first = piece[0] if y is None else piece
    if sample_weight is not None:
        check_weights(sample_weight, len(x))
    check_first(vae, first)
    if may_be_outside(piece):
        _check_pieces(vae, pieces)
    return first


def _check_pieces(vae: VAELike, pieces: Iterator[tuple]) -> None:
    """Check the values of examples, piece by piece, unless they are of a type that the VAE takes whatever they are."""
    for piece in pieces:
        if not may_be_outside(piece):
            return
        check_values(vae, *piece)
