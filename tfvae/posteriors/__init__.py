"""Posteriors q(z|x): features -> distribution over latents, event `[n]`, batch `[B]`."""

from tfvae.posteriors.flows import InverseAutoregressiveFlow, PlanarFlow
from tfvae.posteriors.normals import DiagonalNormal, FullNormal, Hierarchical
from tfvae.posteriors.points import Deterministic
from tfvae.posteriors.sphere import PowerSpherical

__all__ = [
    "Deterministic",
    "DiagonalNormal",
    "FullNormal",
    "Hierarchical",
    "InverseAutoregressiveFlow",
    "PlanarFlow",
    "PowerSpherical",
]
