"""One view of all preprocessors, whatever kind of Keras layer they are: what the VAE asks them."""

import dataclasses
import inspect
from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.layers import walk_layers
from tfvae.preprocessing.base import Bounds, Preprocessor
from tfvae.tables import Schema

__all__ = ["PreprocessorView", "view_layer"]

Preprocess = Callable[[tf.Tensor, bool, tf.Tensor | None], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class PreprocessorView:
    """What a VAE knows of its preprocessor: the attributes and methods of `Preprocessor`.

    Attributes:
        preprocess: function (data `[B, ...]`, training, seed) -> x `[B, *event]`.
        declared_dtype: the one type of data that a `keras.Model` takes, by its `keras.Input`; None of other layers.
    """

    preprocess: Preprocess
    data_dtype: str = Preprocessor.data_dtype
    declared_dtype: str | None = None
    bounds: Bounds = (None, None)
    domain: str = Preprocessor.domain
    support: Callable[[tf.Tensor], tf.Tensor | None] = lambda data: None
    schema: Schema | None = None
    seen_shape: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda shape: shape
    seen: Callable[[tf.Tensor], tf.Tensor] = lambda x: x
    hidden: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = lambda x, seed: x
    remark: Callable[[tf.Tensor], str | None] = lambda data: None
    adapt: Callable[[tf.data.Dataset], None] = lambda data: None


def view_layer(layer: keras.layers.Layer) -> PreprocessorView:
    """Look at a layer as the preprocessor of a VAE.

    Other layers than a `Preprocessor` may have `adapt`, as Keras' own do, and may draw noise too: a layer whose `call`
    takes `seed` is handed it, also where it stands in a `keras.Sequential`.

    Args:
        layer: built.

    Raises:
        ValueError: where a layer that draws noise is within one that cannot hand it the seed.
    """
    if isinstance(layer, Preprocessor):
        return PreprocessorView(
            preprocess=_call_of(layer),
            data_dtype=layer.data_dtype,
            bounds=layer.bounds,
            domain=layer.domain,
            support=layer.support,
            schema=layer.schema,
            seen_shape=layer.seen_shape,
            seen=layer.seen,
            hidden=layer.hidden,
            remark=layer.remark,
            adapt=layer.adapt,
        )
    inputs = getattr(layer, "inputs", None)  # of a keras.Model
    declared = keras.backend.standardize_dtype(inputs[0].dtype) if inputs else None
    adapt = getattr(layer, "adapt", lambda data: None)
    return PreprocessorView(_call_of(layer), declared or Preprocessor.data_dtype, declared, adapt=adapt)


def _call_of(layer: keras.layers.Layer) -> Preprocess:
    """Give the function (data, training, seed) -> x of a layer of any kind."""
    if _overrides_preprocess(layer):
        return layer.preprocess
    if _takes_seed(layer):
        return lambda data, training, seed: layer(data, training=training, seed=seed)
    noisy = next(filter(_draws_noise, walk_layers(layer)), None)
    if noisy is None:
        return lambda data, training, seed: layer(data, training=training)
    if not isinstance(layer, keras.Sequential):
        raise ValueError(
            f"the preprocessor {type(layer).__name__} holds {type(noisy).__name__}, which draws noise from a seed that "
            "it would not be given: put the layers into a keras.Sequential"
        )
    calls = [_call_of(inner) for inner in layer.layers]

    def one_after_the_other(data, training, seed):
        for call in calls:
            data = call(data, training, seed)
        return data

    return one_after_the_other


def _draws_noise(layer: keras.layers.Layer) -> bool:
    return _overrides_preprocess(layer) or _takes_seed(layer)


def _overrides_preprocess(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, Preprocessor) and type(layer).preprocess is not Preprocessor.preprocess


def _takes_seed(layer: keras.layers.Layer) -> bool:
    return "seed" in inspect.signature(layer.call).parameters
