"""What is measured of training data before training starts: where parts of a VAE start from."""

from typing import NamedTuple

import tensorflow as tf

from tfvae import compatibility, random
from tfvae.compatibility import VAELike

__all__ = ["Examples", "measure_data"]

EXAMPLES = 1000  # that a prior may start from, or a few more: whole batches


class Examples(NamedTuple):
    """What is measured of data: the mean of x `[*event]`, and the first examples x `[N, *event]`, of a conditional VAE
    with their conditions `[N, k]`, else None."""

    mean: tf.Tensor
    x: tf.Tensor
    condition: tf.Tensor | None


def measure_data(vae: VAELike, data: tf.data.Dataset) -> Examples:
    """Go over data, batches as loaded, once.

    Raises:
        ValueError: when a batch does not fit the VAE.
    """
    total, count, xs, conditions = 0.0, 0, [], []
    for batch in data:
        batch = compatibility.drop_weights(batch)
        compatibility.check_examples(vae, batch)
        seed = random.seed(vae.seed, random.Stream.DATA, row=count)
        x, (_, condition) = vae.preprocess(batch, training=True, seed=seed), vae.split(batch)
        if count < EXAMPLES:
            xs.append(x)
            conditions.append(condition)
        total += tf.reduce_sum(x, axis=0)
        count += len(x)
    return Examples(total / count, tf.concat(xs, axis=0), tf.concat(conditions, axis=0) if vae.condition_size else None)
