"""The replicas of a `tf.distribute` strategy: they hold the rows of one global batch, in order."""

import math

import tensorflow as tf

from tfvae.data import untuned
from tfvae.programs import program

__all__ = [
    "distribute",
    "gather",
    "has_several_workers",
    "is_chief",
    "over_replicas",
    "place_in_batch",
    "placed",
    "several",
    "summed",
    "take_sums",
    "total",
]

WORKERS = ("chief", "worker")  # jobs of a cluster that train


def several(strategy):
    """Whether steps run on replicas, by `strategy.run`: there are several, or several workers."""
    return strategy.num_replicas_in_sync > 1 or strategy.extended._in_multi_worker_mode()


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


def distribute(strategy, batches):
    """`tf.data` of global batches -> the same, distributed: each replica gets its rows of each batch.

    Every worker reads all batches and keeps its rows. So nothing is lost or seen twice, whatever the data is read from;
    a replica may get no row of a small batch.
    """
    total = strategy.num_replicas_in_sync

    def of_worker(context):
        local = total // context.num_input_pipelines  # replicas of this worker
        indices = tf.data.Dataset.range(context.input_pipeline_id * local, (context.input_pipeline_id + 1) * local)
        cut = batches.flat_map(
            lambda *batch: indices.map(lambda i: _rows(batch if len(batch) > 1 else batch[0], i, total))
        )
        return untuned(cut.prefetch(2 * local))

    distributed = strategy.distribute_datasets_from_function(of_worker)
    distributed._cardinality = int(batches.cardinality())  # Keras asks how many; its own counts the replicas' parts
    return distributed


def placed(strategy, groups, cardinality):
    """Groups of batches as a strategy of one replica takes them; `cardinality` gives the number of batches."""
    if tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
        groups = strategy.distribute_datasets_from_function(lambda _: groups)
        groups._cardinality = int(cardinality())
    else:
        groups.cardinality = cardinality
    return groups


def _rows(batch, index, total):
    """The rows of replica `index` of `total`."""
    size = tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]
    start, stop = (size * tf.cast(i, tf.int64) // total for i in (index, index + 1))
    return tf.nest.map_structure(lambda t: t[start:stop], batch)


def over_replicas(strategy, run):
    """-> function(batch, seeds): `run(rows, seed)` `[K, b]` on each replica's rows; together `[K, B]`, on every worker.

    `seeds` is a function: the index of the first row in the batch -> the seed. A batch with fewer rows than there are
    replicas is not spread.
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
        rows = tf.nest.map_structure(lambda t: place(lambda c: _rows(t, c.replica_id_in_sync_group, total)), batch)
        found = spread(rows, place(lambda c: seeds(size * c.replica_id_in_sync_group // total)))
        return strategy.gather(found, axis=1)

    return function


def _context():
    """The replica's context, where there are several; else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def place_in_batch(examples):
    """(first row, total): where this replica's `examples` (integer scalar) lie in the global batch, and its size.

    Under a strategy with several replicas, to be called in replica context.
    """
    context = _context()
    if context is None:
        return 0, examples
    index = context.replica_id_in_sync_group
    mine = tf.one_hot(index, context.num_replicas_in_sync, dtype=tf.int32) * examples
    counts = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)  # examples of each replica
    return tf.reduce_sum(counts[:index]), tf.reduce_sum(counts)


def summed(value):
    """The sum of a value over the replicas."""
    context = _context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def total(gradients, variables):
    """The sums over the replicas of the variables' gradients, or Nones, in one message: each would wait by itself."""
    context = _context()
    given = {i: g for i, g in enumerate(gradients) if g is not None}
    if context is None or not given:
        return gradients
    flat = tf.concat([tf.reshape(tf.convert_to_tensor(gradient), [-1]) for gradient in given.values()], axis=0)
    shapes = [variables[i].shape for i in given]
    parts = tf.split(context.all_reduce(tf.distribute.ReduceOp.SUM, flat), [math.prod(shape) for shape in shapes])
    summed = dict(zip(given, map(tf.reshape, parts, shapes), strict=True))
    return [summed.get(i) for i in range(len(gradients))]


def take_sums(optimizer):
    """Makes an optimizer take gradients for what they are, sums over the replicas already.

    Keras clips gradients, and looks for infinite ones, before it sums them: a replica's part of a gradient would be
    clipped, not the gradient.
    """
    if _context() is not None:
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables


def gather(rows):
    """The rows `[b, ...]` of every replica, those of the whole global batch `[B, ...]`; gradients flow back to each."""
    context = _context()
    return rows if context is None else tf.ensure_shape(context.all_gather(rows, axis=0), [None, *rows.shape[1:]])
