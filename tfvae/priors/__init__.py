"""Priors p(z): distributions over latents, event `[n]`, batch `[]`, or `[B]` given conditions."""

from tfvae.priors.flows import AutoregressiveFlow, RealNVP
from tfvae.priors.mixtures import MixtureOfNormals, VampPrior
from tfvae.priors.normals import ConditionalNormal, Hierarchical, StandardNormal
from tfvae.priors.sphere import SphericalUniform

__all__ = [
    "AutoregressiveFlow",
    "ConditionalNormal",
    "Hierarchical",
    "MixtureOfNormals",
    "RealNVP",
    "SphericalUniform",
    "StandardNormal",
    "VampPrior",
]
