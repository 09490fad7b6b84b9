"""Distributions in Keras: the two protocols of layers that give them, and the families that TFP lacks."""

from tfvae.distributions.drawn import Drawn, open_uniform, rows_alike
from tfvae.distributions.families import (
    MOMENT_DRAWS,
    Ancestral,
    Flow,
    Mixture,
    MixtureOfNormals,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    Point,
    PowerSpherical,
    SphericalUniform,
)
from tfvae.distributions.protocols import Conditional, Prior, as_shape, as_sizes, bent, bounded_exp, over_rows, unbent
from tfvae.distributions.scalars import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureOfScalars,
    NegativeBinomial,
    Poisson,
)

__all__ = [
    "MOMENT_DRAWS",
    "Ancestral",
    "Bernoulli",
    "Categorical",
    "Conditional",
    "Drawn",
    "Flow",
    "Independent",
    "Mixture",
    "MixtureOfNormals",
    "MixtureOfScalars",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "NegativeBinomial",
    "Point",
    "Poisson",
    "PowerSpherical",
    "Prior",
    "SphericalUniform",
    "as_shape",
    "as_sizes",
    "bent",
    "bounded_exp",
    "open_uniform",
    "over_rows",
    "rows_alike",
    "unbent",
]
