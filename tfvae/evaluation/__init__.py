"""Evaluation in nats: the ELBO's terms, and an estimate of the evidence log p(x) that the ELBO bounds."""

from tfvae.evaluation.batches import Estimate
from tfvae.evaluation.evidence import bits_per_dimension, elbo_terms, log_marginal, log_marginal_of_batch
from tfvae.evaluation.units import active_units

__all__ = ["Estimate", "active_units", "bits_per_dimension", "elbo_terms", "log_marginal", "log_marginal_of_batch"]
