"""The examples that measures of a run are taken of."""

import numpy as np
import tensorflow as tf

from tfvae import config
from tfvae.model import VAE
from tfvae.training import finished_run

__all__ = ["one_by_one", "preprocess_all", "take"]

SHUFFLED = 200_000  # rows of a table that are held, to choose the next at random


def one_by_one(vae: VAE, data: tf.data.Dataset) -> tf.data.Dataset:
    """Return the examples of batches: of a table in a random order, as files are often sorted; each time the same."""
    data = data.unbatch()
    return data.shuffle(SHUFFLED, seed=0, reshuffle_each_iteration=False) if vae.preprocessor_view.schema else data


def take(vae: VAE, experiment: config.Experiment, split: str, count: int) -> tf.data.Dataset:
    """Return batches of the first examples of a split; of a table, of random ones."""
    return one_by_one(vae, finished_run.read_data(vae, experiment, split)).take(count).batch(100)


def preprocess_all(vae: VAE, data: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    """Return x `[N, *event]`, and conditions `[N, k]` or None."""
    found = [(vae.preprocess(batch).numpy(), vae.split(batch)[1]) for batch in data]
    x, conditions = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(conditions) if vae.condition_size else None
