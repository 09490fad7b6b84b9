"""A finished run, loaded: its VAE, and its experiment."""

import os

from tfvae import config, model, progress
from tfvae.training import run_record
from tfvae.training.run_folder import RunFolder

__all__ = ["check_finished", "load"]


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


def check_finished(run: RunFolder) -> None:
    """Check that a run was finished, by a version that writes the same format.

    Raises:
        FileNotFoundError: when it has no model; ValueError: when it is of another format.
    """
    for file in (run.config, run.model):
        if not file.is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file.name}")
    run_record.check_format(run)
