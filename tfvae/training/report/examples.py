"""The examples that measures of a run are taken of."""

import numpy as np
import tensorflow as tf

from tfvae import config
from tfvae.model import VAE
from tfvae.training import finished_run

__all__ = ["preprocess_all", "take"]


def take(vae: VAE, experiment: config.Experiment, split: str, count: int) -> tf.data.Dataset:
    """Return batches of the first examples of a split."""
    return finished_run.read_data(vae, experiment, split).unbatch().take(count).batch(100)


def preprocess_all(vae: VAE, data: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    """Return x `[N, *event]`, and conditions `[N, k]` or None."""
    found = [(vae.preprocess(batch).numpy(), vae.split(batch)[1]) for batch in data]
    x, conditions = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(conditions) if vae.condition_size else None
