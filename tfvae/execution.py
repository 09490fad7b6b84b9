"""How steps run: a group of them as one program, fed by any `tf.data`.

A step of a small model takes less time than starting it. So batches are stacked to groups, while the group before is at
work, and a group goes through one compiled loop whose forward pass, backward pass and optimizer are those of single
steps. A group that is not full runs through the same program, which takes the number of its steps; batches of another
size have a program of their own.
"""

import contextlib
import inspect
import itertools
import math

import keras
import tensorflow as tf

from tfvae import checks, data, replicas

__all__ = [
    "compiles",
    "gains_from_xla",
    "gradients",
    "grouped",
    "joined",
    "prepared",
    "replicated",
    "steps_to_fuse",
]

MOST_STEPS = 100  # of a group: beyond, nothing is gained
MOST_BYTES = 2**23  # of a group's data
SMALLEST_PART = 16  # rows of a batch that are worth a part of a program
BATCH_SIZE = 32  # of arrays, unless given: Keras' own
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


def gradients(vae, data, seed, total):
    """`VAE.gradients` of a replica's data; compiled, where that is not done with the whole step.

    On a CPU XLA is given two halves of the data, which have nothing to wait for from each other: its threads share the
    small products of matrices of one batch badly. Each example has the noise that it would have in the whole.

    Args:
        vae: whose.
        data: as loaded, `[B, ...]`.
        seed: a function: the index of a first row -> the seed.
        total: number of examples in the global batch.
    """
    if not vae.jit_compile or vae.run_eagerly or not compiles(vae):
        return vae.gradients(data, seed(0), total)
    if replicas.several(vae.distribute_strategy):
        if vae.gradients not in vae.programs:
            program = tf.function(vae.gradients, jit_compile=True, autograph=False, reduce_retracing=True)
            vae.programs[vae.gradients] = program
        return vae.programs[vae.gradients](data, seed(0), total)
    rows = tf.nest.flatten(data)[0].shape[0] or 1
    whole = vae.objective.whole_batch or vae.non_trainable_variables or tf.config.list_physical_devices("GPU")
    if whole or rows < 2 * SMALLEST_PART:
        return vae.gradients(data, seed(0), total)
    parts = []
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        part = tf.nest.map_structure(lambda t, start=start, stop=stop: t[start:stop], data)
        parts.append(vae.gradients(part, seed(start), total))
    terms = tf.nest.map_structure(lambda *halves: tf.concat(halves, axis=0), *(part[0] for part in parts))
    return terms, [_sum(halves) for halves in zip(*(part[1] for part in parts), strict=True)]


def _sum(gradients):
    """The sum of a variable's gradients, None for one that has none."""
    return None if gradients[0] is None else tf.add_n([tf.convert_to_tensor(gradient) for gradient in gradients])


@contextlib.contextmanager
def prepared(vae, method, args, kwargs):
    """Makes data and VAE ready for a call of Keras' `fit`, `evaluate` or `predict`: within, it can be called with the
    arguments that this gives, a dict.

    The data is looked at; arrays become `tf.data`, which is put into groups or spread over replicas.

    Raises:
        ValueError: when the data does not fit the VAE.
    """
    call = inspect.signature(method).bind(*args, **kwargs).arguments
    call |= call.pop("kwargs", {})
    training, grouping = method.__name__ == "fit", method.__name__ != "predict"
    if training:
        _hold_out(call)
    validation = call.get("validation_data")
    pair = validation if isinstance(validation, tuple) else (validation, None)
    if grouping:
        vae._assert_compile_called(method.__name__)
    first = checks.data(vae, call.get("x"), call.get("y"))
    checks.data(vae, *pair)
    size = call.get("batch_size") or BATCH_SIZE
    asked, fused = vae.steps_per_execution, steps_to_fuse(vae, first, size, call)
    if grouping:
        shuffle = training and call.get("shuffle") is not False
        call |= {"x": _batches(vae, call.get("x"), call.get("y"), size, shuffle, fused), "y": None}
        call.pop("batch_size", None)
        if training:
            call["shuffle"] = False  # Keras cannot shuffle `tf.data`, and would warn
    if validation is not None:
        call["validation_data"] = _batches(vae, *pair, call.pop("validation_batch_size", None) or size, False, fused)
    if not grouping:
        call["x"] = checks.watched(vae, call.get("x"))
    vae.steps_per_execution = fused
    try:
        with checks.mistakes():
            yield call
    finally:
        vae.steps_per_execution = asked


def _hold_out(call):
    """`validation_split` of arrays, as Keras has it: their last part is validation data."""
    share, x, y = call.pop("validation_split", 0.0), call.get("x"), call.get("y")
    if not share or call.get("validation_data") is not None:
        return
    if not hasattr(x, "shape") or not 0 < share < 1:
        raise ValueError(f"validation_split={share}: it takes arrays, and a number between 0 and 1")
    kept = math.floor(len(x) * (1 - share))
    call["x"], call["validation_data"] = x[:kept], x[kept:]
    if y is not None:
        call["y"], call["validation_data"] = y[:kept], (x[kept:], y[kept:])


def _batches(vae, x, y, batch_size, shuffle, fused):
    """Data of `fit` or `evaluate` as Keras is to take it; what is neither `tf.data` nor an array, as it is."""
    strategy = vae.distribute_strategy
    several = replicas.several(strategy)
    if hasattr(x, "shape"):
        seed = vae.seed + int(vae.optimizer.iterations.numpy())  # a second call has an order of its own
        x = data.held([x] if y is None else [x, y], batch_size, shuffle, seed)
    else:
        x = checks.watched(vae, x)
    if not isinstance(x, tf.data.Dataset):
        if several:
            raise ValueError(f"with several replicas, data is tf.data or an array, not {type(x).__name__}")
        return x
    if several:
        return replicas.distribute(strategy, x)
    return replicas.placed(strategy, data.grouped(x, fused), x.cardinality) if fused > 1 else x


def steps_to_fuse(vae, first, batch_size=BATCH_SIZE, call=None):
    """`steps_per_execution` for `fit`: what the user asked for, or, where that is Keras' 1, what is safe and fast.

    A callback of the user's own that acts on batches sees each of them.

    Args:
        vae: compiled.
        first: a batch of the data, or examples of an array; None for data that is neither, whose steps run one by one.
        batch_size: of an array.
        call: arguments of `fit`; groups must divide `steps_per_epoch` and its like.
    """
    asked, call = int(vae.steps_per_execution), call or {}
    single = vae.run_eagerly or first is None
    if single and not replicas.several(vae.distribute_strategy):
        return 1
    if asked > 1 or single or any(map(_acts_on_batches, _callbacks(call))):
        return asked
    parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(first)]
    rows = batch_size if hasattr(call.get("x"), "shape") else len(parts[0])
    size = sum(part.dtype.size * math.prod(part.shape[1:]) for part in parts) * rows
    most = max(1, min(MOST_STEPS, MOST_BYTES // max(1, size)))
    limit = math.gcd(*(call.get(name) or 0 for name in ("steps_per_epoch", "validation_steps", "steps")))
    return most if not limit else max(n for n in range(1, most + 1) if limit % n == 0)


def _callbacks(call):
    """The callbacks of a call, a list."""
    found = call.get("callbacks") or []
    found = getattr(found, "callbacks", found)
    return [found] if isinstance(found, keras.callbacks.Callback) else found


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

    The iterator is of groups (`data.grouped`), or, where `steps_per_execution` is 1, of batches. The function gives the
    metrics so far, and raises StopIteration when nothing is left.
    """
    size, usual = int(vae.steps_per_execution), 0

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
        nonlocal usual
        if size == 1 or not isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator)):
            return run_one(next(iterator))  # the latter of train_on_batch: one batch
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
        return logs

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
