"""Distributions in Keras: the two protocols of layers that give them, and the families that TFP lacks."""

from tfvae.distributions.families import (
    MOMENT_DRAWS,
    Ancestral,
    Bernoulli,
    Categorical,
    Flow,
    MixtureOfNormals,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    Point,
    PowerSpherical,
    SphericalUniform,
)
from tfvae.distributions.protocols import Conditional, Prior, as_shape, bent, bounded_exp, over_rows, unbent

__all__ = [
    "MOMENT_DRAWS",
    "Ancestral",
    "Bernoulli",
    "Categorical",
    "Conditional",
    "Flow",
    "MixtureOfNormals",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "Point",
    "PowerSpherical",
    "Prior",
    "SphericalUniform",
    "as_shape",
    "bent",
    "bounded_exp",
    "over_rows",
    "unbent",
]
