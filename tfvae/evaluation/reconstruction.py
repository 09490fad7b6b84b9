"""How far reconstructions are from what they are of."""

from typing import Any

import tensorflow as tf

from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.model import VAE

__all__ = ["squared_error"]


def squared_error(vae: VAE, data: Any, verbose: int = 0) -> Estimate:
    """Estimate the mean squared error of reconstructions, over the dimensions of x; not in nats.

    A reconstruction is E[p(x|z)] at the center of q(z|x), as `predict` gives it.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        verbose: 1 shows a progress bar.
    """
    return Estimate(over_batches(vae, _squared_error, data, 0, verbose)[0])


def _squared_error(vae, _, batch, key):
    del key  # nothing is drawn
    given = vae.given(batch)
    difference = given.decode(vae.posterior.center(given.posterior)).mean() - given.x
    return tf.reduce_mean(tf.reshape(difference**2, [given.x.shape[0], -1]), axis=1)[None]  # [1, B]
