"""Counter-based noise: (seed, stream, step, row) -> seeds, bits, uniforms, normals. There is no hidden state.

Every number is a pure function of a *seed*, an int32 tensor `[2]`, and of its own place in the result. So a run can be
stopped and resumed, run with XLA or without, on one device or on several, and draw the same noise.

A seed made here holds two things, sealed by a permutation of its 64 bits: a key, which names the draw, and a row, which
is the index of this replica's first example in the global batch. So two replicas that hold rows 0-49 and 50-99 of a
batch draw, together, what one device draws for rows 0-99. To everybody else, TFP's samplers included, a seed is just
two words that differ from replica to replica; and any two words that a user picks are a good seed.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3"), written in ordinary integer operations: TensorFlow's own kernels give other numbers inside XLA than outside,
and their default under XLA on a CPU costs several times a small model's whole training step.
"""

import enum
import math
from typing import Any

import tensorflow as tf

__all__ = ["Stream", "bits", "bytes_below", "fold", "normal", "seed", "uniform"]


class Stream(enum.IntEnum):
    """What a seed is for: streams of one run never meet."""

    TRAINING = 1
    EVALUATION = 2
    SAMPLING = 3
    DATA = 4


def seed(run: Any, stream: Any, step: Any = 0, row: Any = 0) -> tf.Tensor:
    """Make the seed of one draw, int32 `[2]`: no two steps of a run and stream share one.

    Args:
        run: the run's seed, an integer.
        stream: a `Stream`.
        step: the draw's number in the stream, integer scalar (a step of the optimizer, a batch, ...).
        row: index of the first example in the global batch, integer scalar.
    """
    return _make_seed(_u32(run), _u32(int(stream)), _u32(step), _u32(row))


def fold(seed: tf.Tensor, data: Any) -> tf.Tensor:
    """Make a further seed `[2]` for the same rows; other `data` (integer scalar) gives another draw."""
    return _fold_seed(tf.convert_to_tensor(seed, tf.int32), _u32(data))


def bits(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw 32-bit words, uint32 of this shape `[..., rows, n]`; a vector's shape `[n]` is one row."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    words, static = _draw_words(shape, tf.convert_to_tensor(seed, tf.int32)), tf.get_static_value(shape)
    return words if static is None else tf.ensure_shape(words, static)


def uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw uniform float32 numbers in [0, 1), multiples of 2^-23; shape as for `bits`."""
    mantissa = tf.bitwise.right_shift(bits(shape, seed), _u32(9))
    return tf.bitcast(mantissa | _u32(0x3F800000), tf.float32) - 1.0


def normal(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw standard normal float32 numbers, within 5.3 standard deviations; shape as for `bits`."""
    symmetric = 2.0 * uniform(shape, seed) - (1.0 - 2.0**-23)  # in (-1, 1), never its ends
    return math.sqrt(2.0) * tf.math.erfinv(symmetric)


def bytes_below(threshold: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw booleans, true with probability threshold / 256, for integer thresholds `[rows, n]` in 0..256."""
    shape = tf.shape(threshold)
    words = bits([shape[0], (shape[1] + 3) // 4], seed)  # [rows, n / 4]
    shifted = [tf.bitwise.right_shift(words, _u32(8 * k)) for k in range(4)]
    byte = tf.cast(tf.concat(shifted, axis=-1)[:, : shape[1]] & _u32(255), tf.int32)  # [rows, n]
    return byte < tf.cast(threshold, tf.int32)


def _u32(value):
    if isinstance(value, int):
        return tf.constant(value & 0xFFFFFFFF, tf.uint32)
    return tf.cast(tf.convert_to_tensor(value), tf.uint32)


def _traced_once(*signature):
    """Decorate a function of tensors: a graph has one call instead of many operations, eager code one dispatch."""
    return tf.function(input_signature=[tf.TensorSpec(*each) for each in signature], autograph=False)


@_traced_once(*[(None, tf.uint32)] * 4)
def _twenty_rounds(key0, key1, x0, x1):
    """Encipher 64 bits (x0, x1) under a key of 64 bits; the arguments broadcast."""
    keys = (key0, key1, key0 ^ key1 ^ _u32(0x1BD11BDA))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for block in range(5):
        for shift in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            x0 = x0 + x1
            x1 = x0 ^ (tf.bitwise.left_shift(x1, _u32(shift)) | tf.bitwise.right_shift(x1, _u32(32 - shift)))
        x0 = x0 + keys[(block + 1) % 3]
        x1 = x1 + keys[(block + 2) % 3] + _u32(block + 1)
    return x0, x1


def _mix(x):
    """Permute 32 bits (MurmurHash3's finaliser)."""
    x = (x ^ tf.bitwise.right_shift(x, _u32(16))) * _u32(0x85EBCA6B)
    x = (x ^ tf.bitwise.right_shift(x, _u32(13))) * _u32(0xC2B2AE35)
    return x ^ tf.bitwise.right_shift(x, _u32(16))


_ROUNDS = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)  # digits of pi


def _seal(key, row):
    """Seal (key, row) in a seed int32 `[2]`, by a Feistel network that `_open` undoes."""
    for constant in _ROUNDS:
        key, row = row, key ^ _mix(row + _u32(constant))
    return tf.bitcast(tf.stack([key, row]), tf.int32)


def _open(seed):
    """Give (key, row), which `_seal` made the seed of."""
    words = tf.bitcast(seed, tf.uint32)
    key, row = words[0], words[1]
    for constant in reversed(_ROUNDS):
        key, row = row ^ _mix(key + _u32(constant)), key
    return key, row


@_traced_once(*[((), tf.uint32)] * 4)
def _make_seed(run, stream, step, row):
    """Compute `seed`, of uint32 scalars."""
    start, salt = _twenty_rounds(run, stream, _u32(0), _u32(0))
    return _seal(_mix(step + start) ^ salt, row)


@_traced_once(((2,), tf.int32), ((), tf.uint32))
def _fold_seed(seed, data):
    """Compute `fold`, of a uint32 scalar."""
    key, row = _open(seed)
    return _seal(_mix(key + _u32(0x9E3779B9) * (data + _u32(1))), row)


@_traced_once(((None,), tf.int32), ((2,), tf.int32))
def _draw_words(shape, seed):
    """Compute `bits`, whose result has no static shape."""
    missing = tf.maximum(2 - tf.size(shape), 0)  # 1 for a vector, which is one row
    full = tf.concat([tf.ones([missing], tf.int32), shape], 0)  # [..., rows, n]
    key, first = _open(seed)
    lead, rows, n = full[:-2], full[-2], full[-1]
    pairs = (n + 1) // 2  # one call of the generator gives two words
    row = first + tf.cast(tf.range(rows)[:, None], tf.uint32)  # [rows, 1]
    column = tf.reshape(tf.range(tf.reduce_prod(lead) * pairs), tf.concat([lead, [1, pairs]], 0))  # [..., 1, pairs]
    words = _twenty_rounds(key, _u32(0x7466_7661), row, tf.cast(column, tf.uint32))
    return tf.reshape(tf.concat(words, axis=-1)[..., :n], shape)
