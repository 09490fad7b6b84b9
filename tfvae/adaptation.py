"""What is measured of training data before training starts: where parts of a VAE start from."""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from tfvae import compatibility, random
from tfvae.compatibility import VAELike

__all__ = ["adapt_parts"]

EXAMPLES, NUMBERS = 1000, 2**22  # that a prior may start from, and scales be measured of: as many examples, or numbers


class Examples(NamedTuple):
    """What is measured of data: the mean of x `[*event]`, missing elements (NaN) left out, and the first examples x
    `[N, *event]`, of a conditional VAE with their conditions `[N, k]`, else None."""

    mean: tf.Tensor
    x: tf.Tensor
    condition: tf.Tensor | None


def adapt_parts(vae: VAELike, data: Any) -> None:
    """Fit what follows from statistics of data to the parts of a VAE: `VAE.adapt`."""
    data = compatibility.batch_data(compatibility.as_numbers(vae, data))
    compatibility.check_data(vae, data)

    @tf.autograph.experimental.do_not_convert
    def without_conditions(*batch):
        return vae.split(compatibility.drop_weights(batch))[0]

    vae.preprocessor_view.adapt(data.map(without_conditions))
    vae.forget_programs()  # the statistics of a preprocessor are constants of theirs
    compatibility.check_adapted(vae)
    found = measure_data(vae, data)
    vae.likelihood.measure(found.x)
    vae.likelihood.start(found.mean)
    vae.prior.start(tf.where(tf.math.is_nan(found.x), found.mean, found.x), found.condition)


def measure_data(vae: VAELike, data: tf.data.Dataset) -> Examples:
    """Go over data, batches as loaded, once.

    Raises:
        ValueError: when a batch does not fit the VAE.
    """
    total, present, count, xs, conditions = 0.0, 0.0, 0, [], []
    for batch in data:
        batch = compatibility.drop_weights(batch)
        compatibility.check_examples(vae, batch)
        seed = random.seed(vae.seed, random.Stream.DATA, row=count)
        x, (_, condition) = vae.preprocess(batch, training=True, seed=seed), vae.split(batch)
        if count < EXAMPLES or count * math.prod(x.shape[1:]) < NUMBERS:
            xs.append(x)
            conditions.append(condition)
        missing = tf.math.is_nan(x)
        total += tf.reduce_sum(tf.where(missing, 0.0, x), axis=0)
        present += tf.reduce_sum(tf.cast(~missing, tf.float32), axis=0)
        count += len(x)
    mean, condition = total / tf.maximum(present, 1.0), tf.concat(conditions, axis=0) if vae.condition_size else None
    return Examples(mean, tf.concat(xs, axis=0), condition)
