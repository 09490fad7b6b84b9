"""Settings for all tests: four logical CPU devices stand for GPUs."""

import gc
import itertools
import os

import pytest

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

KEYS = itertools.count(1000, 10)


def pytest_configure(config):
    """TensorFlow is imported where tests run, and not in the process that deals them out."""
    gc.set_threshold(50_000, 20, 20)  # a graph is many objects: looking through them often takes a tenth of the time
    if config.getoption("markexpr") == "not slow":  # else programs are compiled as users have them
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # half the time
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
        )


@pytest.fixture(autouse=True)
def seeded():
    """Weights start alike in every test."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def replicas_of(monkeypatch):
    """A function: n -> a strategy of n replicas, whose collective operations have keys of their own: those of another
    one in the process would meet."""
    import tensorflow as tf

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
    import numpy as np

    from tfvae import data

    return np.concatenate([batch.numpy() for batch in data.load("digits", "train[:500]", shuffle=False)])
