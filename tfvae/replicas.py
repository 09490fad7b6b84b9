"""What the replicas of a `tf.distribute` strategy tell each other: they hold the rows of one global batch, in order."""

import tensorflow as tf

__all__ = ["gather", "place_in_batch"]


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


def gather(rows):
    """The rows `[b, ...]` of every replica, those of the whole global batch `[B, ...]`; gradients flow back to each."""
    context = _context()
    return rows if context is None else tf.ensure_shape(context.all_gather(rows, axis=0), [None, *rows.shape[1:]])
