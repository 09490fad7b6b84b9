"""Hyperparameter search with keras-tuner (O'Malley et al. 2019): an experiment's yaml, and a space over its keys.

A search folder: config.yaml (resolved), search/ (keras-tuner's state, and a run folder for each trial), trials.csv,
best.yaml, best/ (the best trial's run folder), figures/, tensorboard/ (HParams).
"""

from tfvae.tuning.hypermodel import HyperModel
from tfvae.tuning.run_search import search
from tfvae.tuning.space import Space

__all__ = ["HyperModel", "Space", "search"]
