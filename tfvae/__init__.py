"""Variational autoencoders on Keras 3 and TensorFlow Probability: train, evaluate in nats, serve."""

import importlib
import os
import sys

from tfvae import quiet

__version__ = "0.1.0"

_PARTS = ("likelihoods", "model", "objectives", "posteriors", "preprocessing", "priors")  # register with Keras
_MODULES = (
    "callbacks",
    "checks",
    "config",
    "data",
    "distributions",
    "evaluation",
    "replicas",
    "figures",
    "flows",
    "networks",
    "random",
)
__all__ = sorted(["VAE", "serving", "training", "tuning", *_PARTS, *_MODULES])


def __getattr__(name):
    if name == "VAE":
        return importlib.import_module("tfvae.model").VAE
    if name in __all__:
        return importlib.import_module(f"tfvae.{name}")
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


# TensorFlow takes seconds to import, so the command `tfvae` does it where a verb needs it. Elsewhere all parts are
# imported at once, for `keras.saving.load_model` finds only classes that have been.
if os.path.splitext(os.path.basename(sys.argv[0]))[0] not in ("tfvae", "cli", "-m"):
    for _part in _PARTS:
        quiet.imported(f"tfvae.{_part}")
