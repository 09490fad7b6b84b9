"""Variational autoencoders on Keras 3 and TensorFlow Probability: train, evaluate in nats, serve."""

import contextlib
import importlib
import importlib.abc
import importlib.util
import sys

from tfvae import tensorflow_output

__version__ = "0.1.0"

_PARTS = ("likelihoods", "model", "objectives", "posteriors", "preprocessing", "priors")  # register with Keras
_MODULES = (
    "callbacks",
    "config",
    "data",
    "distributions",
    "evaluation",
    "figures",
    "flows",
    "networks",
    "random",
    "replicas",
    "compatibility",
)
__all__ = sorted(["VAE", "exporting", "training", "tuning", *_PARTS, *_MODULES])


def __getattr__(name):
    if name == "VAE":
        return importlib.import_module("tfvae.model").VAE
    if name in __all__:
        return importlib.import_module(f"tfvae.{name}")
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


def _import_parts():
    for part in _PARTS:
        tensorflow_output.imported(f"tfvae.{part}")


class _WithKeras(importlib.abc.MetaPathFinder):
    """Sees to it that all parts are imported as soon as Keras has been.

    `keras.saving.load_model` finds only classes that Keras knows; and who does without Keras, as the command `tfvae`
    does until a verb needs it, does not wait for TensorFlow. Where a module of tfvae is what imports Keras, the parts
    are imported when that is done.
    """

    def __init__(self):
        self.under_way = 0  # modules that are being imported now, one within the other

    def find_spec(self, name, path=None, target=None):
        if name != "keras" and not name.startswith("tfvae."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._counted(spec.loader.exec_module)
        return spec

    def _counted(self, run):
        def exec_module(module):
            self.under_way += 1
            try:
                with tensorflow_output.quietly() if self.under_way == 1 else contextlib.nullcontext():
                    run(module)
            finally:
                self.under_way -= 1
            if not self.under_way and "keras" in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_parts()

        return exec_module


if "keras" in sys.modules:
    _import_parts()
else:
    sys.meta_path.insert(0, _WithKeras())
