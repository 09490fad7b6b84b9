"""Objectives: functions of distributions, in nats per example; they never see a network."""

from tfvae.objectives.aggregate import DIP, MMD, BetaTC
from tfvae.objectives.base import Objective as Objective  # for one's own objectives: a yaml may name those of `__all__`
from tfvae.objectives.base import Terms as Terms
from tfvae.objectives.divergence import kl_divergence as kl_divergence
from tfvae.objectives.elbo import ELBO, Capacity, FreeBits, Reconstruction
from tfvae.objectives.given import Given as Given
from tfvae.objectives.importance import CIWAE, IWAE, MIWAE, PIWAE

__all__ = [
    "CIWAE",
    "DIP",
    "ELBO",
    "IWAE",
    "MIWAE",
    "MMD",
    "PIWAE",
    "BetaTC",
    "Capacity",
    "FreeBits",
    "Reconstruction",
]
