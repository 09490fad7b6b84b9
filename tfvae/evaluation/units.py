"""What the latent units are used for: where examples lie, and what each unit costs."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.evaluation.batches import over_batches
from tfvae.model import VAE

__all__ = ["ACTIVE", "Units", "active_units", "kl_per_unit", "latent_units"]

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
    def variance(self) -> np.ndarray:
        """Give the variance of each unit's center over the examples, `[n]`."""
        return np.var(self.centers, axis=0)

    @property
    def active(self) -> np.ndarray:
        """Tell which units tell examples apart: their variance is above `ACTIVE`; bool `[n]`."""
        return self.variance > ACTIVE

    @property
    def order(self) -> np.ndarray:
        """Order the units by KL, the largest first (by variance, where no unit has a KL by itself)."""
        return np.argsort(-(self.variance if self.kl is None else self.kl), kind="stable")


def latent_units(vae: VAE, data: Any, verbose: int = 0) -> Units:
    """Measure the latent units on data.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        verbose: 1 shows a progress bar.
    """
    values = over_batches(vae, _centers_and_kl, data, 0, verbose)  # [n, N] or [2 n, N]
    n = vae.posterior.event_shape[0]
    kl = np.asarray(np.mean(values[n:], axis=1, dtype=np.float64)) if len(values) > n else None
    return Units(values[:n].T, kl)


def active_units(vae: VAE, data: Any, threshold: float = ACTIVE, verbose: int = 0) -> np.ndarray:
    """Tell which latent units tell examples apart: those whose posterior mean (or center) varies over the data.

    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519: the variance over x of E[z_j|x] is above 0.01.

    Args:
        vae, data, verbose: as for `latent_units`.
        threshold: of the variance.

    Returns:
        bool `[n]`.
    """
    return latent_units(vae, data, verbose).variance > threshold


def kl_per_unit(vae: VAE, data: Any, verbose: int = 0) -> np.ndarray:
    """Measure KL(q(z_j|x) || p(z_j)) of each latent unit, mean over the examples, nats: `[n]`. The sum is the KL term.

    Args:
        vae: the model; posterior and prior have independent normal units.
        data, verbose: as for `latent_units`.

    Raises:
        ValueError: when the units of posterior or prior are not independent normals; it names both.
    """
    return np.asarray(np.mean(over_batches(vae, _kl_of_units, data, 0, verbose), axis=1, dtype=np.float64))


def _kl_of_units(vae, _, batch, key):
    del key  # the KL has a closed form
    given = vae.given(batch)
    return tf.transpose(tfd.kl_divergence(*distributions.independent_units(given.posterior, given.prior)))  # [n, B]


def _centers_and_kl(vae, _, batch, key):
    del key  # nothing is drawn
    given = vae.given(batch)
    found = [vae.posterior.center(given.posterior)]
    units = [distributions.units_of(distribution) for distribution in (given.posterior, given.prior)]
    if None not in units:
        found.append(tfd.kl_divergence(*units))  # [B, n]
    return tf.concat([tf.transpose(values) for values in found], axis=0)
