"""How many steps run as one program."""

import math
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tfvae import replicas
from tfvae.trainer.callbacks import acts_on_batches, list_callbacks
from tfvae.trainer.protocol import Trainable

__all__ = ["MAX_STEPS", "choose_group_size"]

MAX_STEPS = 100  # of a group: beyond, nothing is gained
MAX_BYTES = 2**23  # of a group's data


def choose_group_size(
    vae: Trainable, first: Any, batch_size: int | None = None, callbacks: Any = None, limits: Iterable[int | None] = ()
) -> int:
    """Choose `steps_per_execution`: what the user asked for, or, where that is Keras' 1, what is safe and fast.

    A callback of the user's own that acts on batches sees each of them.

    Args:
        vae: compiled.
        first: a batch of the data, or examples of an array; None for data that is neither, whose steps run one by one.
        batch_size: of an array; None where `first` is a batch.
        callbacks: of `fit`.
        limits: `steps_per_epoch` and its like, which groups must divide; None of those that are not given.
    """
    asked = int(vae.steps_per_execution)
    single = vae.run_eagerly or first is None
    if single and not replicas.has_several(vae.distribute_strategy):
        return 1
    if asked > 1 or single or any(map(acts_on_batches, list_callbacks(callbacks))):
        return asked
    parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(first)]
    rows = len(parts[0]) if batch_size is None else batch_size
    size = sum(part.dtype.size * math.prod(part.shape[1:]) for part in parts) * rows
    longest = max(1, min(MAX_STEPS, MAX_BYTES // max(1, size)))
    limit = math.gcd(*(limit or 0 for limit in limits))
    return longest if not limit else max(n for n in range(1, longest + 1) if limit % n == 0)
