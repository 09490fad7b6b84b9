"""Variational autoencoders on Keras 3 and TensorFlow Probability: train, evaluate in nats, serve."""

from typing import TYPE_CHECKING

from tfvae.keras_registration import import_parts_with_keras
from tfvae.lazy_names import import_when_used

if TYPE_CHECKING:  # for editors and type checkers; at run time a module is imported when it is first used
    from tfvae import (
        callbacks,
        compatibility,
        config,
        data,
        distributions,
        evaluation,
        exporting,
        figures,
        flows,
        likelihoods,
        networks,
        objectives,
        posteriors,
        preprocessing,
        priors,
        random,
        replicas,
        tables,
        training,
        tuning,
    )
    from tfvae.detector import AnomalyDetector
    from tfvae.model import VAE

__all__ = [
    "VAE",
    "AnomalyDetector",
    "callbacks",
    "compatibility",
    "config",
    "data",
    "distributions",
    "evaluation",
    "exporting",
    "figures",
    "flows",
    "likelihoods",
    "networks",
    "objectives",
    "posteriors",
    "preprocessing",
    "priors",
    "random",
    "replicas",
    "tables",
    "training",
    "tuning",
]
__version__ = "0.1.0"

if not TYPE_CHECKING:
    __getattr__, __dir__ = import_when_used(
        __name__, tuple(__all__[2:]), {"VAE": "model", "AnomalyDetector": "detector"}
    )

import_parts_with_keras()
