"""The replicas of a `tf.distribute` strategy: they hold the rows of one global batch, in order."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae.data import disable_tuning
from tfvae.programs import program

__all__ = [
    "distribute",
    "expect_summed_gradients",
    "gather",
    "has_several",
    "has_several_workers",
    "is_chief",
    "over_replicas",
    "place_in_batch",
    "sum_gradients",
    "sum_over_replicas",
]

WORKERS = ("chief", "worker")  # jobs of a cluster that train


def has_several(strategy: tf.distribute.Strategy) -> bool:
    """Say whether steps run on replicas, by `strategy.run`: there are several, or several workers."""
    return strategy.num_replicas_in_sync > 1 or has_several_workers(strategy)


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Say whether a strategy is of several processes."""
    resolver = strategy.cluster_resolver
    if resolver is None:
        return False
    cluster = resolver.cluster_spec()
    return sum(cluster.num_tasks(job) for job in WORKERS if job in cluster.jobs) > 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Say whether this process is the one that writes: the chief of several, else the first worker, or the only one."""
    if not has_several_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> tf.distribute.DistributedDataset:
    """Distribute global batches: each replica gets its rows of each batch.

    Every worker reads all batches and keeps its rows. So nothing is lost or seen twice, whatever the data is read from;
    a replica may get no row of a small batch.
    """
    total = strategy.num_replicas_in_sync

    def of_worker(context):
        local = total // context.num_input_pipelines  # replicas of this worker
        indices = tf.data.Dataset.range(context.input_pipeline_id * local, (context.input_pipeline_id + 1) * local)
        cut = batches.flat_map(
            lambda *batch: indices.map(lambda i: _rows_of(batch if len(batch) > 1 else batch[0], i, total))
        )
        return disable_tuning(cut.prefetch(2 * local))

    return strategy.distribute_datasets_from_function(of_worker)


def _rows_of(batch: Any, index: Any, total: int) -> Any:
    """Give the rows of replica `index` of `total`."""
    size = tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]
    start, stop = (size * tf.cast(i, tf.int64) // total for i in (index, index + 1))
    return tf.nest.map_structure(lambda t: t[start:stop], batch)


def over_replicas(
    strategy: tf.distribute.Strategy, run: Callable[[Any, tf.Tensor], tf.Tensor]
) -> Callable[[Any, Callable[[Any], tf.Tensor]], tf.Tensor]:
    """Spread a function over the replicas of a strategy.

    Args:
        strategy: with several replicas.
        run: function (rows, seed) -> `[K, b]`.

    Returns:
        function (batch, seeds) -> `[K, B]`, on every worker, of what `run` gives for each replica's rows; `seeds` is a
        function: the index of a first row in the batch -> the seed. A batch with fewer rows than there are replicas is
        not spread.
    """
    total = strategy.num_replicas_in_sync

    def on_replica(rows, seed):  # not `run` itself, which strategies place elsewhere when XLA compiles it
        return run(rows, seed)

    spread = program(lambda rows, seed: strategy.run(on_replica, args=(rows, seed)), autograph=False)

    def function(batch, seeds):
        size = len(tf.nest.flatten(batch)[0])
        if size < total:
            return run(batch, seeds(0))
        place = strategy.experimental_distribute_values_from_function
        rows = tf.nest.map_structure(lambda t: place(lambda c: _rows_of(t, c.replica_id_in_sync_group, total)), batch)
        found = spread(rows, place(lambda c: seeds(size * c.replica_id_in_sync_group // total)))
        return strategy.gather(found, axis=1)

    return function


def _context() -> tf.distribute.ReplicaContext | None:
    """Give the replica's context, where there are several replicas; else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def place_in_batch(examples: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """Find the place of this replica's examples in the global batch: the first row, and how many examples it has.

    Under a strategy with several replicas, to be called in replica context.

    Args:
        examples: integer scalar, how many examples this replica has.
    """
    context = _context()
    if context is None:
        return 0, examples
    index = context.replica_id_in_sync_group
    mine = tf.one_hot(index, context.num_replicas_in_sync, dtype=tf.int32) * examples
    counts = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)  # examples of each replica
    return tf.reduce_sum(counts[:index]), tf.reduce_sum(counts)


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Sum a value over the replicas."""
    context = _context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def sum_gradients(
    gradients: Sequence[tf.Tensor | None], variables: Sequence[keras.Variable]
) -> Sequence[tf.Tensor | None]:
    """Sum the gradients of variables, or Nones, over the replicas, in one message: each would wait by itself."""
    context = _context()
    given = {i: g for i, g in enumerate(gradients) if g is not None}
    if context is None or not given:
        return gradients
    flat = tf.concat([tf.reshape(tf.convert_to_tensor(gradient), [-1]) for gradient in given.values()], axis=0)
    shapes = [variables[i].shape for i in given]
    parts = tf.split(context.all_reduce(tf.distribute.ReduceOp.SUM, flat), [math.prod(shape) for shape in shapes])
    sums = dict(zip(given, map(tf.reshape, parts, shapes), strict=True))
    return [sums.get(i) for i in range(len(gradients))]


def expect_summed_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer take gradients for what they are: sums over the replicas already.

    Keras clips gradients, and looks for infinite ones, before it sums them: a replica's part of a gradient would be
    clipped, not the gradient. It has no public way to leave its own summing out.
    """
    if _context() is not None:
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        inner = optimizer.inner_optimizer if scaled else optimizer
        inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables


def gather(rows: tf.Tensor) -> tf.Tensor:
    """Gather the rows `[b, ...]` of every replica, those of the whole global batch `[B, ...]`; gradients flow back."""
    context = _context()
    return rows if context is None else tf.ensure_shape(context.all_gather(rows, axis=0), [None, *rows.shape[1:]])
