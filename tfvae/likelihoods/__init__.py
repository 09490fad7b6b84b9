"""Likelihoods p(x|z): features -> distribution over events (images, vectors), batch `[B]` or `[S, B]`."""

from tfvae.likelihoods.classes import Categorical, Ordinal
from tfvae.likelihoods.columns import Columns, Observed
from tfvae.likelihoods.counts import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from tfvae.likelihoods.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    MixtureOfDiscretizedLogistics,
)
from tfvae.likelihoods.real import Laplace, LogNormal, Normal, StudentT
from tfvae.likelihoods.table import table

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Laplace",
    "LogNormal",
    "MixtureOfDiscretizedLogistics",
    "NegativeBinomial",
    "Normal",
    "Observed",
    "Ordinal",
    "Poisson",
    "StudentT",
    "ZeroInflatedNegativeBinomial",
    "table",
]
