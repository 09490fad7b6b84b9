"""`HyperModel`: the VAE of an experiment with the values that keras-tuner chooses."""

import copy
import os
from collections.abc import Iterable
from typing import Any

import keras
import keras_tuner

from tfvae import compatibility, config
from tfvae.model import VAE
from tfvae.tuning.space import Space

__all__ = ["HyperModel"]


class HyperModel(keras_tuner.HyperModel):
    """The compiled VAE of an experiment with the values that a tuner of keras-tuner chooses.

    `fit` trains it on the experiment's data, unless it is given other, so that `tuner.search()` needs no argument.
    Data is loaded once. The objective to give a tuner is `keras_tuner.Objective("val_elbo", "max")`.

    Args:
        base: path of an experiment's yaml, or its keys and values, a dict.
        space: `Space`, or its dict.
        overrides: assignments to the base, such as "fit.epochs=5".

    Raises:
        ConfigError: when an experiment that may come of it is none; it names the place.
    """

    def __init__(
        self, base: str | os.PathLike | dict[str, Any], space: Space | dict[str, Any], overrides: Iterable[str] = ()
    ):
        super().__init__()
        self.base = copy.deepcopy(base) if isinstance(base, dict) else config.keys(base, overrides)
        self.space = space if isinstance(space, Space) else Space(space)
        self.kept: dict = {}  # data in memory, of all trials
        for values in self.space.alternatives():
            hp = keras_tuner.HyperParameters()
            hp.values = values
            self.experiment(hp)

    def experiment(self, hp: keras_tuner.HyperParameters) -> config.Experiment:
        """Return the experiment with the values of hyperparameters."""
        keys = copy.deepcopy(self.base)
        for key, value in self.space.draw(hp).items():
            config.assign(keys, key, copy.deepcopy(value), f"space.{key}")
        return config.from_keys(keys)

    def build(self, hp: keras_tuner.HyperParameters) -> VAE:
        experiment = self.experiment(hp)
        train, _ = config.training_data(experiment, kept=self.kept)
        vae = config.compiled_vae(experiment, train.element_spec, config.table_schema(experiment))
        compatibility.check_data(vae, train)
        if experiment.adapt:
            vae.adapt(train)
        return vae

    def fit(self, hp: keras_tuner.HyperParameters, model: VAE, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        experiment = self.experiment(hp)
        if not args and "x" not in kwargs:
            train, validation = config.training_data(experiment, kept=self.kept)
            args, kwargs = (train,), {"validation_data": validation} | kwargs
        return model.fit(*args, **(experiment.fit.arguments() | kwargs))
