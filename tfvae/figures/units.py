"""What figures and callbacks know of the latent units: where examples lie, and what each unit costs."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.evaluation.batches import over_batches

__all__ = ["ACTIVE", "Units", "units"]

ACTIVE = 0.01  # variance of a unit's posterior mean over the data: Burda et al. 2015, arXiv:1509.00519


class Units(NamedTuple):
    """The latents of a data set.

    Attributes:
        centers: the point that stands for each example, the posterior's mean for most, `[N, n]`.
        kl: KL(q(z_j|x) || p(z_j)) of each unit j, its mean over the examples, nats, `[n]`; None where posterior or
            prior has no independent units.
    """

    centers: np.ndarray
    kl: np.ndarray | None

    @property
    def variance(self):
        """Of each unit's center over the examples, `[n]`."""
        return np.var(self.centers, axis=0)

    @property
    def active(self):
        """Which units tell examples apart: their variance is above `ACTIVE`; bool `[n]`."""
        return self.variance > ACTIVE

    @property
    def order(self):
        """The units, the one that costs most KL first (the one that varies most, where no unit has a KL of its own)."""
        return np.argsort(-(self.variance if self.kl is None else self.kl), kind="stable")


def units(vae, data):
    """`Units` of data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs."""
    values = over_batches(vae, _units, data, 0, 0)  # [n, N] or [2 n, N]
    n = vae.posterior.event_shape[0]
    return Units(values[:n].T, np.mean(values[n:], axis=1) if len(values) > n else None)


def _units(vae, _, batch, key):
    del key  # nothing is drawn
    _, posterior, prior, _ = vae.given(batch)
    found = [vae.posterior.center(posterior)]
    if hasattr(posterior, "units") and hasattr(prior, "units"):
        found.append(tfd.kl_divergence(posterior.units(), prior.units()))  # [B, n]
    return tf.concat([tf.transpose(values) for values in found], axis=0)
