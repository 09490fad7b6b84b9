"""Several devices and several workers give the numbers of one device."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_images, small_vae
from tests.worker import fitted
from tfvae import replicas, workers

ROOT = pathlib.Path(__file__).parent.parent
TOLERANCE = {"SGD": 1e-6, "Adam": 1e-4}
KINDS = {
    "plain": {},
    "groups": {"size": 3},
    "adam": {"optimizer": "Adam", "size": 100},
    "xla": {"jit": True},
    "xla groups": {"jit": True, "size": 3, "optimizer": "Adam"},
    "even": {"count": 32, "size": 100},
}


def assert_same(found, expected, tolerance):
    np.testing.assert_allclose(found["weights"], expected["weights"], atol=tolerance)
    for name in ("logs", "elbo", "log_marginal"):
        np.testing.assert_allclose(found[name], expected[name], rtol=max(1e-5, tolerance))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_devices_give_the_numbers_of_one(replicas_of, count, kind):
    settings = KINDS[kind]  # the last batch has five examples; of validation, one
    assert_same(
        fitted(replicas_of(count), **settings),
        fitted(tf.distribute.get_strategy(), **settings),
        TOLERANCE[settings.get("optimizer", "SGD")],
    )


def on_workers(count, devices, settings, folder):
    """What the chief of `count` workers found."""
    addresses = [f"127.0.0.1:{port}" for port in workers.free_ports(count)]
    arguments = [str(devices), json.dumps(settings | {"out": str(folder / "found.npz")})]
    started = []
    for index in range(count):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        command = [sys.executable, "-m", "tests.worker", *arguments]
        started.append(
            subprocess.Popen(
                command, env=os.environ | {"TF_CONFIG": json.dumps(task)}, cwd=ROOT, stderr=subprocess.PIPE, text=True
            )
        )
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert not any(process.returncode for process in started), errors
    with np.load(folder / "found.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    ("count", "devices", "kind"),
    [
        (2, 1, "groups"),
        pytest.param(2, 1, "plain", marks=pytest.mark.slow),
        pytest.param(2, 1, "xla groups", marks=pytest.mark.slow),
        pytest.param(2, 2, "xla", marks=pytest.mark.slow),
        pytest.param(2, 2, "adam", marks=pytest.mark.slow),
    ],
)
def test_workers_give_the_numbers_of_one(tmp_path, count, devices, kind):
    settings = KINDS[kind]
    found = on_workers(count, devices, settings, tmp_path)
    alone = fitted(tf.distribute.get_strategy(), **settings)
    assert_same(found, alone, TOLERANCE[settings.get("optimizer", "SGD")])


def test_a_strategy_of_one_device_takes_every_step(replicas_of):
    settings = {"size": 3, "optimizer": "Adam"}
    assert_same(fitted(replicas_of(1), **settings), fitted(tf.distribute.get_strategy(), **settings), 1e-6)


def test_every_row_goes_to_one_replica(replicas_of):
    strategy = replicas_of(4)
    batches = tf.data.Dataset.range(23).batch(8)
    seen = []
    for values in replicas.distribute(strategy, batches):
        seen.append([part.numpy().tolist() for part in strategy.experimental_local_results(values)])
    assert [np.concatenate(parts).tolist() for parts in seen] == [list(b.numpy()) for b in batches]
    assert [len(part) for part in seen[-1]] == [1, 2, 2, 2]


def test_pairs_and_arrays_under_a_strategy(replicas_of):
    strategy = replicas_of(2)
    batch = tf.data.Dataset.from_tensor_slices((np.arange(5), np.arange(5) * 10)).batch(3)
    for x, y in replicas.distribute(strategy, batch):
        for part, other in zip(*map(strategy.experimental_local_results, (x, y)), strict=True):
            np.testing.assert_array_equal(part * 10, other)


def test_arrays_are_fitted_under_a_strategy(replicas_of):
    """A second call goes on, in an order of its own."""
    images = small_images(10)
    with replicas_of(2).scope():
        vae = small_vae()
    for _ in range(2):
        assert np.isfinite(vae.fit(images, batch_size=5, verbose=0).history["elbo"]).all()
    assert int(vae.optimizer.iterations.numpy()) == 4
