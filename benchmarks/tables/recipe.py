"""tfvae as its yaml files have it: an experiment of configs/, trained on a data frame in memory."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import tfvae
from tfvae import config
from tfvae.tables import Schema

__all__ = ["CONFIGS", "Trained", "train"]

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
HELD_OUT = 0.1  # of the rows, which say when to stop


class Trained(NamedTuple):
    """A VAE of a table.

    Attributes:
        vae: of the best epoch.
        schema: of the table that it was trained on.
        seconds: from the data frame to the trained VAE, compilation and all.
        epochs: that were made.
        validation: the rows that were held out, as the schema encodes them.
    """

    vae: tfvae.VAE
    schema: Schema
    seconds: float
    epochs: int
    validation: np.ndarray


def train(
    path: pathlib.Path,
    frame: pd.DataFrame,
    kinds: dict[str, str] | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
) -> Trained:
    """Train the experiment of a yaml on a table: a tenth of the rows is held out, and says which epoch is the best.

    Args:
        path: of the yaml.
        frame: the table; missing cells are NaN.
        kinds: of columns, where they shall not be found out.
        seed: of rows that are held out, of weights and of noise.
        overrides: assignments such as "latent_size=4".
    """
    start = time.perf_counter()
    keras.backend.clear_session()
    experiment = config.read(path, [f"seed={seed}", *overrides])
    schema = Schema.infer(frame, kinds)
    x = np.random.default_rng(seed).permutation(schema.encode(frame))
    held_out = max(1, round(HELD_OUT * len(x)))
    vae = config.compiled_vae(experiment, tf.TensorSpec([None, x.shape[1]]), schema)
    vae.adapt(x[held_out:])
    arguments: dict[str, Any] = experiment.fit.arguments()
    history = vae.fit(
        x[held_out:],
        validation_data=x[:held_out],
        batch_size=experiment.data.batch_size,
        validation_batch_size=held_out,
        callbacks=_callbacks(experiment),
        verbose=0,
        **arguments,
    )
    seconds = time.perf_counter() - start
    return Trained(vae, schema, seconds, len(history.history["loss"]), x[:held_out])


def _callbacks(experiment: config.Experiment) -> list[keras.callbacks.Callback]:
    """Make the callbacks of a yaml; one that stops early brings back the best weights, as `tfvae train` keeps them."""
    found = config.callbacks(experiment)
    for callback in found:
        if isinstance(callback, keras.callbacks.EarlyStopping):
            callback.restore_best_weights = True
    return found
