"""Likelihoods p(x|z): features -> distribution over events (images, vectors), batch `[B]` or `[S, B]`."""

from tfvae.likelihoods.columns import Columns, Observed
from tfvae.likelihoods.counts import Categorical, NegativeBinomial, Poisson
from tfvae.likelihoods.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    MixtureOfDiscretizedLogistics,
)
from tfvae.likelihoods.real import Laplace, Normal

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Laplace",
    "MixtureOfDiscretizedLogistics",
    "NegativeBinomial",
    "Normal",
    "Observed",
    "Poisson",
]
