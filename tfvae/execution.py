"""How steps run: where a replica's examples stand in the global batch."""

import tensorflow as tf

__all__ = ["place_in_batch"]


def place_in_batch(examples):
    """(first row, total): where this replica's `examples` (integer scalar) lie in the global batch, and its size.

    Under a strategy with several replicas, to be called in replica context.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, examples
    index = context.replica_id_in_sync_group
    mine = tf.one_hot(index, context.num_replicas_in_sync, dtype=tf.int32) * examples
    counts = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)  # examples of each replica
    return tf.reduce_sum(counts[:index]), tf.reduce_sum(counts)
