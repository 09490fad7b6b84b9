"""Distributions in Keras: the two protocols of layers that give them, and the families that TFP lacks."""

from tfvae.distributions.drawn import Drawn, open_uniform, rows_alike
from tfvae.distributions.families import (
    MOMENT_DRAWS,
    Ancestral,
    Flow,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    Point,
    PowerSpherical,
    SphericalUniform,
)
from tfvae.distributions.mixtures import Mixture, MixtureOfNormals, mix
from tfvae.distributions.paths import arc, line
from tfvae.distributions.protocols import (
    Conditional,
    Prior,
    as_shape,
    as_sizes,
    bounded_exp,
    inverse_soft_clip,
    over_rows,
    soft_clip,
    units_of,
)
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
    "arc",
    "as_shape",
    "as_sizes",
    "bounded_exp",
    "inverse_soft_clip",
    "line",
    "mix",
    "open_uniform",
    "over_rows",
    "rows_alike",
    "soft_clip",
    "units_of",
]
