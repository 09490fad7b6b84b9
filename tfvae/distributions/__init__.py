"""Distributions in Keras: the two protocols of layers that give them, and the families that TFP lacks."""

from tfvae.distributions.clipping import bounded_exp, inverse_soft_clip, soft_clip
from tfvae.distributions.conditional import Conditional
from tfvae.distributions.drawn import Drawn, draw_rows_alike, open_uniform
from tfvae.distributions.estimated import MOMENT_DRAWS, Ancestral, Flow
from tfvae.distributions.mixtures import Mixture, MixtureOfNormals, mix
from tfvae.distributions.normals import MultivariateNormalDiag, MultivariateNormalTriL
from tfvae.distributions.observed import Blocks, Layout, Observed
from tfvae.distributions.paths import Path, arc, line
from tfvae.distributions.point import Point
from tfvae.distributions.prior import Prior
from tfvae.distributions.quantized import QuantizedLogistic
from tfvae.distributions.scalars import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureOfScalars,
    NegativeBinomial,
    Poisson,
    draw_scalars,
    log_prob_of_elements,
    log_prob_of_events,
)
from tfvae.distributions.shapes import as_shape, as_sizes, check_broadcast, check_sphere, over_rows
from tfvae.distributions.spherical import PowerSpherical, SphericalUniform
from tfvae.distributions.tails import LogNormal, StudentT
from tfvae.distributions.totals import GivenTotal, ZeroInflatedNegativeBinomial
from tfvae.distributions.units import independent_units, units_of

__all__ = [
    "MOMENT_DRAWS",
    "Ancestral",
    "Bernoulli",
    "Blocks",
    "Categorical",
    "Conditional",
    "Drawn",
    "Flow",
    "GivenTotal",
    "Independent",
    "Layout",
    "LogNormal",
    "Mixture",
    "MixtureOfNormals",
    "MixtureOfScalars",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "NegativeBinomial",
    "Observed",
    "Path",
    "Point",
    "Poisson",
    "PowerSpherical",
    "Prior",
    "QuantizedLogistic",
    "SphericalUniform",
    "StudentT",
    "ZeroInflatedNegativeBinomial",
    "arc",
    "as_shape",
    "as_sizes",
    "bounded_exp",
    "check_broadcast",
    "check_sphere",
    "draw_rows_alike",
    "draw_scalars",
    "independent_units",
    "inverse_soft_clip",
    "line",
    "log_prob_of_elements",
    "log_prob_of_events",
    "mix",
    "open_uniform",
    "over_rows",
    "soft_clip",
    "units_of",
]
