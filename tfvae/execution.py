"""How steps run: a group of them as one program, fed by any `tf.data`.

A step of a small model takes less time than starting it. So a group of batches is stacked, and goes through one
compiled loop whose forward pass, backward pass and optimizer are those of single steps. A group that is not full runs
through the same program, which takes the number of its steps; a batch of another size ends a group, and has a program
of its own.
"""

import math

import keras
import tensorflow as tf

from tfvae import replicas

__all__ = ["compiles", "gains_from_xla", "grouped", "joined", "replicated", "steps_to_fuse", "within_replica"]

MOST_STEPS = 100  # of a group: beyond, nothing is gained
MOST_BYTES = 2**25  # of a group's data
HOOKS = tuple(f"on_{mode}batch_{end}" for mode in ("", "train_", "test_") for end in ("begin", "end"))


CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.DepthwiseConv2D)


def gains_from_xla(vae):
    """Whether XLA makes the VAE faster: but on a CPU with convolutions, for which TensorFlow has better kernels."""
    layers = list(vae._flatten_layers())
    if not all(layer.supports_jit for layer in layers) or not compiles(vae):
        return False
    return bool(tf.config.list_physical_devices("GPU")) or not any(isinstance(layer, CONVOLUTIONS) for layer in layers)


def compiles(vae):
    """Whether XLA can compile the VAE's steps: on several replicas, forward and backward pass of each by itself, where
    these need nothing of the others, such as the statistics of a whole batch."""
    alone = not vae.objective.whole_batch and not vae.non_trainable_variables
    return alone or not replicas.several(vae.distribute_strategy)


def within_replica(vae, function):
    """The function, compiled where a replica compiles its part of a step by itself; else as it is."""
    if not replicas.several(vae.distribute_strategy) or not vae.jit_compile or not compiles(vae):
        return function
    key = (function.__name__, vae.jit_compile)
    if key not in vae.programs:
        vae.programs[key] = tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True)
    return vae.programs[key]


def steps_to_fuse(vae, first, batch_size=None, callbacks=(), limits=()):
    """`steps_per_execution` for `fit`: what the user asked for, or, where that is Keras' 1, what is safe and fast.

    A callback of the user's own that acts on batches sees each of them.

    Args:
        vae: compiled.
        first: a batch of the data, or None where it is not known: then nothing is grouped unasked.
        batch_size: where it is not that of `first`.
        callbacks: of `fit`.
        limits: `steps_per_epoch` and `validation_steps`, or None: groups must divide them.
    """
    asked = int(vae.steps_per_execution)
    if asked > 1 or first is None or vae.run_eagerly or any(map(_acts_on_batches, callbacks)):
        return asked
    parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(first)]
    size = sum(part.dtype.size * math.prod(part.shape[1:]) for part in parts) * (batch_size or len(parts[0]))
    most = max(1, min(MOST_STEPS, MOST_BYTES // max(1, size)))
    limit = math.gcd(*(limit or 0 for limit in limits))
    return most if not limit else max(n for n in range(1, most + 1) if limit % n == 0)


def _acts_on_batches(callback):
    """Whether a callback does something at batches, other than to show progress."""
    if getattr(callback, "acts_on_groups", False):
        return False
    if type(callback).__module__.startswith("keras."):
        saves, logs = getattr(callback, "save_freq", "epoch"), getattr(callback, "update_freq", "epoch")
        return isinstance(saves, int) or logs != "epoch" or any(hook in vars(callback) for hook in HOOKS)
    return any(getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook) for hook in HOOKS)


def grouped(vae, step):
    """-> function(iterator): up to `steps_per_execution` steps, `step(batch)`; what Keras calls a train function.

    It gives the metrics so far, and raises StopIteration or OutOfRangeError when the iterator has no batch left.
    """
    size = int(vae.steps_per_execution)

    @tf.function(jit_compile=vae.jit_compile, autograph=False)
    def run(batches, count):
        def one(i):
            step(tf.nest.map_structure(lambda stacked: stacked[i], batches))
            return i + 1

        tf.while_loop(lambda i: i < count, one, [0], parallel_iterations=1)
        return vae.get_metrics_result()

    @tf.function(jit_compile=vae.jit_compile, autograph=False)
    def run_one(batch):
        step(batch)
        return vae.get_metrics_result()

    def function(iterator):
        if size == 1:
            return run_one(next(iterator))
        done, logs = 0, None
        while done < size:
            try:
                if not isinstance(iterator, tf.data.Iterator):  # as a strategy of one replica has them
                    logs, done = run_one(next(iterator)), done + 1
                    continue
                batches, count, other = _collect(iterator, size, tf.constant(size - done))
            except (StopIteration, tf.errors.OutOfRangeError):
                if logs is None:
                    raise
                break
            logs, done = run(batches, count), done + int(count)
            if other.has_value():
                logs, done = run_one(other.get_value()), done + 1
        return logs

    return function


def replicated(vae, step):
    """`grouped` for a strategy with several replicas: each step runs on all of them, with its part of the batch."""
    strategy, asked = vae.distribute_strategy, int(vae.steps_per_execution)
    size = 1 if vae.objective.whole_batch else asked  # TensorFlow gathers no batches of different sizes in one call

    @tf.autograph.experimental.do_not_convert
    def one(batch):
        strategy.run(step, args=(batch,))

    def run(iterator):
        done, more = tf.constant(0), tf.constant(True)
        while more and done < size:
            # one after the other: collective operations of two steps have the same keys, and would meet
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch = iterator.get_next_as_optional()
            more = batch.has_value()
            if more:
                one(batch.get_value())
                done += 1
        return done

    if not vae.run_eagerly:
        run = tf.function(run)

    def function(iterator):
        if not isinstance(iterator, tf.distribute.DistributedIterator):  # of train_on_batch: one batch
            raise ValueError("under a strategy with several replicas, use fit and evaluate, not single batches")
        done = int(run(iterator))
        while done and done < asked and int(run(iterator)):
            done += size
        if not done:
            raise StopIteration
        return vae.get_metrics_result()

    return function


def joined(vae, step):
    """-> function(batches): `step` of a list of batches joined to one; what Keras calls a predict function."""
    run = tf.function(step, jit_compile=vae.jit_compile, autograph=False, reduce_retracing=True)
    return lambda batches: run(tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches))


@tf.function(autograph=False)
def _collect(iterator, size, wanted):
    """The next batches that are alike in shape, one or more, at most `wanted`.

    Returns:
        stacked `[size, B, ...]`, with zeros behind the last; how many; and, if one came after them that has another
        shape, that one, an optional.
    """
    first = iterator.get_next()
    rows = tf.shape(tf.nest.flatten(first)[0])[0]
    arrays = [
        tf.TensorArray(t.dtype, wanted, element_shape=t.shape, clear_after_read=True).write(0, t)
        for t in tf.nest.flatten(first)
    ]

    def following(count):
        empty = tf.experimental.Optional.empty(iterator.element_spec)
        return tf.cond(count < wanted, iterator.get_next_as_optional, lambda: empty)

    def alike(batch):
        return tf.shape(tf.nest.flatten(batch.get_value())[0])[0] == rows

    def more(count, batch, arrays):
        del count, arrays
        return tf.cond(batch.has_value(), lambda: alike(batch), lambda: False)

    def add(count, batch, arrays):
        values = tf.nest.flatten(batch.get_value())
        arrays = [array.write(count, value) for array, value in zip(arrays, values, strict=True)]
        return count + 1, following(count + 1), arrays

    count, other, arrays = tf.while_loop(
        more, add, (tf.constant(1), following(tf.constant(1)), arrays), parallel_iterations=1
    )
    stacked = [_padded(array.gather(tf.range(count)), size) for array in arrays]
    return tf.nest.pack_sequence_as(first, stacked), count, other


def _padded(stacked, size):
    """[count, ...] -> [size, ...], zeros behind."""
    missing = size - tf.shape(stacked)[0]
    paddings = [[0, missing], *[[0, 0]] * (stacked.shape.rank - 1)]
    padded = tf.cond(missing > 0, lambda: tf.pad(stacked, paddings), lambda: stacked)
    return tf.ensure_shape(padded, [size, *stacked.shape[1:]])
