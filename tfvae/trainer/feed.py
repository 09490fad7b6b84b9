"""Data of `fit`, `evaluate` and `predict` as Keras' loops take it: checked, in groups, or distributed over replicas."""

from typing import Any, TypeAlias

import tensorflow as tf
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from tfvae import compatibility, replicas
from tfvae.data import ArrayBatches, Batches, Passes
from tfvae.trainer.fit_arguments import FitData
from tfvae.trainer.protocol import Trainable

__all__ = ["feed_batches", "feed_groups"]

Readable: TypeAlias = tf.data.Dataset | tf.distribute.DistributedDataset | Passes


class _Feed(DataAdapter):
    """A data set, and how many steps Keras is to count in it: a group is one element, but several steps."""

    def __init__(self, dataset: Readable, count: int | None):
        self._dataset, self._count = dataset, count

    def get_tf_dataset(self) -> Readable:
        return self._dataset

    @property
    def num_batches(self) -> int | None:
        return self._count

    @property
    def batch_size(self) -> int | None:
        return None

    @property
    def has_partial_batch(self) -> bool | None:
        return None

    @property
    def partial_batch_size(self) -> int | None:
        return None


def feed_groups(vae: Trainable, data: FitData, batch_size: int, size: int, shuffle: bool = False) -> Any:
    """Give data to `fit` or `evaluate`: in groups of `size` batches, or distributed over replicas.

    What is neither `tf.data` nor an array is handed on batch by batch.

    Args:
        vae: the model.
        data: as users give it.
        batch_size: of arrays.
        size: batches of a group.
        shuffle: whether arrays are shuffled, in an order that follows from the model's seed and the optimizer's step.
    """
    strategy = vae.distribute_strategy
    several = replicas.has_several(strategy)
    if data.is_arrays:
        seed = vae.seed + int(vae.optimizer.iterations.numpy())  # a second call has another order
        batches: Batches = ArrayBatches(data.arrays(), batch_size, shuffle, seed)
    elif isinstance(data.x, tf.data.Dataset):
        batches = _fill_conditions(compatibility.watch_batches(vae, Batches.of(data.x)))
    elif several:
        raise ValueError(f"with several replicas, data is tf.data or an array, not {type(data.x).__name__}")
    else:
        return compatibility.watch(vae, data.x)
    if several:
        return _Feed(replicas.distribute(strategy, batches.dataset), batches.count)
    if tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():  # a strategy of one replica
        if size == 1:
            return _Feed(batches.dataset, batches.count)
        groups = batches.groups(size)
        return _Feed(strategy.distribute_datasets_from_function(lambda _: groups), batches.count)
    return _Feed(batches.passes(size), batches.count)


def feed_batches(vae: Trainable, x: Any) -> Any:
    """Give data to `predict`, batch by batch."""
    if not isinstance(x, tf.data.Dataset):
        return compatibility.watch(vae, x)
    batches = compatibility.watch_batches(vae, Batches.of(x))
    return _Feed(batches.dataset, batches.count)


def _fill_conditions(batches: Batches) -> Batches:
    """Put conditions of no numbers into triples (x, None, weight): None cannot be put into groups."""
    spec = batches.dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) < 2 or not isinstance(spec[1], tf.NoneTensorSpec):
        return batches
    return batches.map(lambda x, _, *weights: (x, tf.zeros([tf.shape(x)[0], 0]), *weights))
