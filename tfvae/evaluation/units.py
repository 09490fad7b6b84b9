"""What the latent units are used for."""

import numpy as np
import tensorflow as tf

from tfvae.evaluation.batches import over_batches

__all__ = ["active_units"]


def active_units(vae, data, threshold=0.01, verbose=0):
    """Which latent units tell examples apart: those whose posterior mean (or center) varies over the data.

    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519: the variance over x of E[z_j|x] is above 0.01.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        threshold: of the variance.
        verbose: 1 shows a progress bar.

    Returns:
        bool `[n]`.
    """

    return np.var(over_batches(vae, _centers, data, 0, verbose), axis=1) > threshold


def _centers(vae, _, batch, key):
    del key  # the posterior is not drawn from
    return tf.transpose(vae.posterior.center(vae.given(batch)[1]))  # [n, B]
