"""A finished run, loaded: its VAE, and its experiment."""

import os
from typing import Any

import tensorflow as tf

from tfvae import config, model, progress
from tfvae.training import run_record
from tfvae.training.run_folder import RunFolder

__all__ = ["check_finished", "load", "read_data"]


def load(run: str | os.PathLike) -> tuple[model.VAE, config.Experiment]:
    """Load the VAE of a run folder, and the experiment, as far as its data need it (`config.of_run`).

    Raises:
        FileNotFoundError: when the folder holds no trained model.
    """
    run = RunFolder(run)
    check_finished(run)
    progress.doing("loading the model")
    experiment = config.of_run(run)
    return config.load_model(run.model), experiment


def read_data(vae: model.VAE, experiment: config.Experiment, split: str, **loading: Any) -> tf.data.Dataset:
    """Read the batches of a split as `config.evaluation_data` does; rows of a table by the schema of the VAE."""
    return config.evaluation_data(experiment, split, schema=vae.preprocessor_view.schema, **loading)


def check_finished(run: RunFolder) -> None:
    """Check that a run was finished, by a version that writes the same format.

    Raises:
        FileNotFoundError: when it has no model; ValueError: when it is of another format.
    """
    for file in (run.config, run.model):
        if not file.is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file.name}")
    run_record.check_format(run)
