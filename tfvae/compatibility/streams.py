"""Data that cannot be looked at as a whole before training: each batch is looked at as it goes by."""

import types
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfvae.compatibility.protocol import VAELike
from tfvae.compatibility.shapes import drop_rest
from tfvae.compatibility.values import PIXELS, check_values
from tfvae.data import Batches

__all__ = ["watch", "watch_batches"]


def watch_batches(vae: VAELike, batches: Batches) -> Batches:
    """Give the same batches, whose values are checked as they are read; those in memory were checked as a whole.

    A value that the VAE does not take is then a ValueError in TensorFlow's words: see `unwrap_errors`.
    """
    parts = drop_rest(vae, batches.dataset.element_spec)
    pixels = len(parts) == 1 and isinstance(parts[0], tf.TensorSpec) and parts[0].dtype in PIXELS
    if batches.in_memory or pixels:
        return batches
    return batches.map(lambda *batch: _check_in_graph(vae, batch))


def watch(vae: VAELike, x: Any) -> Any:
    """Give what Keras takes as x and is no `tf.data`, so that its values are checked as they are read, where that can
    be done: of generators, and of a `PyDataset` of this process."""
    if isinstance(x, types.GeneratorType):
        return _watch_generator(vae, x)
    if isinstance(x, keras.utils.PyDataset) and not x.use_multiprocessing:
        return _WatchedDataset(vae, x)
    return x


def _check_in_graph(vae: VAELike, batch: tuple) -> Any:
    def check(*parts):
        check_values(vae, *map(tf.convert_to_tensor, parts))
        return True

    x, *rest = batch
    checked = tf.numpy_function(check, drop_rest(vae, batch), tf.bool)
    with tf.control_dependencies([checked]):
        x = tf.identity(x)
    return (x, *rest) if rest else x


def _watch_generator(vae: VAELike, generator: Iterator[Any]) -> Iterator[tuple]:
    for batch in generator:
        check_values(vae, *drop_rest(vae, batch))
        yield batch if isinstance(batch, tuple) else (batch,)  # as Keras wants it


class _WatchedDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are checked."""

    def __init__(self, vae: VAELike, inner: keras.utils.PyDataset):
        super().__init__(inner.workers, False, inner.max_queue_size)
        self.vae, self.inner = vae, inner

    @property
    def num_batches(self):
        return self.inner.num_batches

    def __getitem__(self, index):
        batch = self.inner[index]
        check_values(self.vae, *drop_rest(self.vae, batch))
        return batch

    def on_epoch_begin(self):
        self.inner.on_epoch_begin()

    def on_epoch_end(self):
        self.inner.on_epoch_end()
