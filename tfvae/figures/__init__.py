"""Figures of a VAE and of its training, as matplotlib `Figure`s; `write` puts one into a file.

A figure that a VAE cannot have raises `NotApplicable`, which says why.
"""

from tfvae.compatibility import NotApplicable
from tfvae.figures.animation import animation
from tfvae.figures.curves import history, learning_curves, rate_distortion
from tfvae.figures.images import interpolations, progress, reconstructions, samples
from tfvae.figures.latents import latent_space, manifold, traversals, unit_costs
from tfvae.figures.oddities import odd_columns, score_histogram
from tfvae.figures.style import event_of_images, write
from tfvae.figures.tables import associations, column_reconstructions, marginals

__all__ = [
    "NotApplicable",
    "animation",
    "associations",
    "column_reconstructions",
    "event_of_images",
    "history",
    "interpolations",
    "latent_space",
    "learning_curves",
    "manifold",
    "marginals",
    "odd_columns",
    "progress",
    "rate_distortion",
    "reconstructions",
    "samples",
    "score_histogram",
    "traversals",
    "unit_costs",
    "write",
]
