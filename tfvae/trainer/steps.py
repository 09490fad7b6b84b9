"""What a step is compiled to, alone, in groups and on several replicas."""

import functools
import itertools

import keras
import tensorflow as tf

from tfvae import replicas
from tfvae.programs import program

__all__ = ["SMALLEST_PART", "compiles", "gains_from_xla", "gradients", "grouped", "joined", "replicated"]

SMALLEST_PART = 16  # rows of a batch that are worth a part of a program
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


def gradients(vae, data, seed, total, weights=None):
    """`VAE.gradients` of a replica's data; compiled, where that is not done with the whole step.

    On a CPU XLA is given two halves of the data, which have nothing to wait for from each other: its threads share the
    small products of matrices of one batch badly. Each example has the noise that it would have in the whole.

    Args:
        vae: whose.
        data: as loaded, `[B, ...]`.
        seed: a function: the index of a first row -> the seed.
        total: number of examples in the global batch, or the sum of their weights.
        weights: of the examples, `[B]`, or None.
    """
    if not vae.jit_compile or vae.run_eagerly or not compiles(vae):
        return vae.gradients(data, seed(0), total, weights)
    if replicas.several(vae.distribute_strategy):
        if vae.gradients not in vae.programs:
            vae.programs[vae.gradients] = program(
                vae.gradients, jit_compile=True, autograph=False, reduce_retracing=True
            )
        return vae.programs[vae.gradients](data, seed(0), total, weights)
    rows = tf.nest.flatten(data)[0].shape[0] or 1
    whole = vae.objective.whole_batch or vae.non_trainable_variables or tf.config.list_physical_devices("GPU")
    if whole or rows < 2 * SMALLEST_PART:
        return vae.gradients(data, seed(0), total, weights)
    parts = []
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        part = tf.nest.map_structure(lambda t, start=start, stop=stop: t[start:stop], data)
        parts.append(vae.gradients(part, seed(start), total, None if weights is None else weights[start:stop]))
    terms = tf.nest.map_structure(lambda *halves: tf.concat(halves, axis=0), *(part[0] for part in parts))
    return terms, [_sum(halves) for halves in zip(*(part[1] for part in parts), strict=True)]


def _sum(gradients):
    """The sum of a variable's gradients, None for one that has none."""
    return None if gradients[0] is None else tf.add_n([tf.convert_to_tensor(gradient) for gradient in gradients])


def grouped(vae, step):
    """-> function(iterator): up to `steps_per_execution` steps, `step(batch)`; what Keras calls a train function.

    The iterator is of groups (`data.grouped`), or, where `steps_per_execution` is 1, of batches. The function gives the
    metrics so far, and raises StopIteration when nothing is left.
    """
    size, usual = int(vae.steps_per_execution), 0

    compiled = functools.partial(program, jit_compile=vae.jit_compile, autograph=False)

    @compiled
    def run(batches, count):
        def one(i):
            step(tf.nest.map_structure(lambda stacked: stacked[i], batches))
            return i + 1

        tf.while_loop(lambda i: i < count, one, [0], parallel_iterations=1)
        return vae.get_metrics_result()

    @compiled
    def run_one(batch):
        step(batch)
        return vae.get_metrics_result()

    def function(iterator):
        nonlocal usual
        if size == 1 or not isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator)):
            logs = run_one(next(iterator))  # the latter of train_on_batch: one batch
            function.steps += 1
            return logs
        rows, stacked = next(iterator)
        usual = max(usual, int(tf.reduce_max(rows)))  # rows of a batch, but for the last: the others have no program
        done = 0
        for alike, those in itertools.groupby(rows.numpy().tolist()):
            count = len(list(those))
            if count == 1 and alike != usual:
                logs = run_one(_part(stacked, done, alike))
            else:
                part = _part(stacked, slice(done, done + count), alike)
                logs = run(tf.nest.map_structure(lambda t: _padded(t, size), part), tf.constant(count))
            done += count
        function.steps += done
        return logs

    function.steps = 0  # taken so far
    return function


def _part(stacked, which, rows):
    """Batches of a group `[g, B, ...]`, without the rows that fill them up."""
    whole = isinstance(which, slice) and which == slice(0, len(tf.nest.flatten(stacked)[0]))

    def of(t):
        return t if whole and rows == t.shape[1] else t[which, :rows] if isinstance(which, slice) else t[which][:rows]

    return tf.nest.map_structure(of, stacked)


def _padded(stacked, size):
    """[count, ...] -> [size, ...], zeros behind: one program for groups of any length."""
    missing = size - len(stacked)
    return tf.pad(stacked, [[0, missing], *[[0, 0]] * (stacked.shape.rank - 1)]) if missing else stacked


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
        run = program(run)

    def function(iterator):
        if not isinstance(iterator, tf.distribute.DistributedIterator):  # of train_on_batch: one batch
            raise ValueError("under a strategy with several replicas, use fit and evaluate, not single batches")
        done = int(run(iterator))
        while done and done < asked and int(run(iterator)):
            done += size
        if not done:
            raise StopIteration
        function.steps += done
        return vae.get_metrics_result()

    function.steps = 0  # taken so far
    return function


def joined(vae, step):
    """-> function(batches): `step` of a list of batches joined to one; what Keras calls a predict function."""
    run = program(step, jit_compile=vae.jit_compile, autograph=False, reduce_retracing=True)
    return lambda batches: run(tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches))
