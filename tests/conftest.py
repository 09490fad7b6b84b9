"""Settings for all tests: four logical CPU devices stand for GPUs."""

import itertools
import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae import data

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)


@pytest.fixture(autouse=True)
def seeded():
    """Weights start alike in every test."""
    keras.utils.set_random_seed(0)


KEYS = itertools.count(1000, 10)


@pytest.fixture
def replicas_of(monkeypatch):
    """A function: n -> a strategy of n replicas, whose collective operations have keys of their own: those of another
    one in the process would meet."""

    def strategy(count):
        monkeypatch.setattr(tf.distribute.MirroredStrategy, "_collective_key_base", next(KEYS))
        return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(count)])

    return strategy


@pytest.fixture
def two_replicas(replicas_of):
    """A strategy of two replicas."""
    return replicas_of(2)


@pytest.fixture(scope="session")
def digits():
    """The first 500 training digits, uint8 [500, 28, 28, 1]."""
    return np.concatenate([batch.numpy() for batch in data.load("digits", "train[:500]", shuffle=False)])
