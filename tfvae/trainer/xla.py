"""Where XLA is chosen: for which models it is faster, which steps it can compile, and how it is given a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae import replicas
from tfvae.layers import walk_layers
from tfvae.objectives import Terms
from tfvae.programs import program
from tfvae.trainer.protocol import Trainable

__all__ = ["SMALLEST_PART", "can_compile", "compute_gradients", "gains_from_xla"]

SMALLEST_PART = 16  # rows of a batch that are worth a part of a program
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.DepthwiseConv2D)

Gradients = Sequence[tf.Tensor | None]


def gains_from_xla(vae: Trainable) -> bool:
    """Say whether XLA makes a VAE faster: what `compile(jit_compile="auto")` chooses.

    It does, but on a CPU with convolutions, for which TensorFlow has better kernels.
    """
    layers = list(walk_layers(vae))
    if not all(layer.supports_jit for layer in layers) or not can_compile(vae):
        return False
    return bool(_gpus()) or not any(isinstance(layer, CONVOLUTIONS) for layer in layers)


def can_compile(vae: Trainable) -> bool:
    """Say whether XLA can compile a VAE's steps.

    On several replicas it compiles forward and backward pass of each by itself: it cannot where these need something of
    the other replicas, such as the statistics of a whole batch.
    """
    return not _looks_at_batch(vae) or not replicas.has_several(vae.distribute_strategy)


def compute_gradients(
    vae: Trainable,
    data: Any,
    seed: Callable[[int], tf.Tensor],
    total: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> tuple[Terms, Gradients]:
    """Give `vae.gradients` of a replica's data; compiled here, where the whole step is not.

    On a CPU XLA is given two halves of the data, which do not wait for each other: its threads share the small products
    of matrices of one batch badly. Each example has the noise that it would have in the whole.

    Args:
        vae: the model.
        data: as loaded, `[B, ...]`.
        seed: function: the index of a first row -> the seed.
        total: number of examples in the global batch, or the sum of their weights.
        weights: of the examples, `[B]`, or None.
    """
    if not vae.jit_compile or vae.run_eagerly or not can_compile(vae):
        return vae.gradients(data, seed(0), total, weights)
    if replicas.has_several(vae.distribute_strategy):
        return _compiled_gradients(vae)(data, seed(0), total, weights)
    rows = tf.nest.flatten(data)[0].shape[0] or 1
    if _looks_at_batch(vae) or _gpus() or rows < 2 * SMALLEST_PART:
        return vae.gradients(data, seed(0), total, weights)
    return _gradients_of_halves(vae, data, seed, total, weights, rows)


def _gradients_of_halves(vae, data, seed, total, weights, rows) -> tuple[Terms, Gradients]:
    parts = []
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        part = tf.nest.map_structure(lambda t, start=start, stop=stop: t[start:stop], data)
        parts.append(vae.gradients(part, seed(start), total, None if weights is None else weights[start:stop]))
    terms = tf.nest.map_structure(lambda *halves: tf.concat(halves, axis=0), *(part[0] for part in parts))
    return terms, [_sum(halves) for halves in zip(*(part[1] for part in parts), strict=True)]


def _compiled_gradients(vae: Trainable) -> Callable[..., tuple[Terms, Gradients]]:
    """Give `vae.gradients` as a program of XLA's, made once."""
    if vae.gradients not in vae.programs:
        vae.programs[vae.gradients] = program(vae.gradients, jit_compile=True, autograph=False, reduce_retracing=True)
    return vae.programs[vae.gradients]


def _looks_at_batch(vae: Trainable) -> bool:
    """Say whether a step measures something of its batch as a whole: its objective, or layers with statistics."""
    return vae.objective.whole_batch or bool(vae.non_trainable_variables)


def _gpus() -> list[tf.config.PhysicalDevice]:
    return tf.config.list_physical_devices("GPU")


def _sum(gradients: Gradients) -> tf.Tensor | None:
    """Sum a variable's gradients; None for one that has none."""
    return None if gradients[0] is None else tf.add_n([tf.convert_to_tensor(gradient) for gradient in gradients])
