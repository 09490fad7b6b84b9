"""Several devices and several workers give the numbers of one device."""

import concurrent.futures
import functools
import json
import os
import types

import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tests.models import small_images, small_vae
from tests.worker import fitted
from tfvae import local_cluster, replicas
from tfvae.trainer.replicated_steps import ReplicatedSteps

pytestmark = pytest.mark.xdist_group("replicas")  # what one device gives is found once
TOLERANCE = {"SGD": 1e-6, "Adam": 1e-4}
KINDS = {
    "plain": {},
    "groups": {"size": 3},
    "adam": {"optimizer": "Adam", "size": 100},
    "xla": {"jit": True},
    "xla groups": {"jit": True, "size": 3, "optimizer": "Adam"},
    "even": {"count": 32, "size": 100},
}


@functools.cache
def alone(kind):
    """What one device gives; of `groups` eagerly, for these are in `test_execution`."""
    return fitted(tf.distribute.get_strategy(), **KINDS[kind], eagerly=kind == "groups")


def assert_same(found, expected, tolerance):
    np.testing.assert_allclose(found["weights"], expected["weights"], atol=tolerance)
    for name in ("logs", "elbo", "log_marginal"):
        np.testing.assert_allclose(found[name], expected[name], rtol=max(1e-5, tolerance))


@pytest.mark.parametrize(
    ("count", "kind"),
    [pytest.param(n, k, marks=() if (n, k) == (2, "groups") else pytest.mark.slow) for n in (2, 4) for k in KINDS],
)
def test_devices_give_the_numbers_of_one(replicas_of, count, kind):
    """Long: a program for each device, of steps, of validation, and of two evaluations."""
    settings = KINDS[kind]  # the last batch has five examples; of validation, one
    assert_same(
        fitted(replicas_of(count), **settings),
        alone(kind),
        TOLERANCE[settings.get("optimizer", "SGD")],
    )


def on_workers(count, devices, settings, folder):
    """What the chief of `count` workers found."""
    addresses = [f"127.0.0.1:{port}" for port in local_cluster.free_ports(count)]
    arguments = [str(devices), json.dumps(settings | {"out": str(folder / "found.npz")})]
    started = []
    for index in range(count):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(task)}
        started.append(processes.Python("-m", "tests.worker", *arguments, env=environment))
    with concurrent.futures.ThreadPoolExecutor() as threads:  # they wait for one another
        errors = [written for _, written in threads.map(lambda process: process.communicate(), started)]
    assert not any(process.returncode for process in started), errors
    with np.load(folder / "found.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    ("count", "devices", "kind"),
    [
        pytest.param(2, 1, "groups", marks=pytest.mark.slow),
        pytest.param(2, 1, "plain", marks=pytest.mark.slow),
        pytest.param(2, 1, "xla groups", marks=pytest.mark.slow),
        pytest.param(2, 2, "xla", marks=pytest.mark.slow),
        pytest.param(2, 2, "adam", marks=pytest.mark.slow),
    ],
)
def test_workers_give_the_numbers_of_one(tmp_path, count, devices, kind):
    """Long: programs of two workers, each on its devices. By default devices of one process stand for them."""
    settings = KINDS[kind]
    found = on_workers(count, devices, settings, tmp_path)
    assert_same(found, alone(kind), TOLERANCE[settings.get("optimizer", "SGD")])


@pytest.mark.slow
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


@pytest.mark.parametrize("whole_batch", [False, True])
def test_groups_of_steps_take_every_batch_once_and_in_order(two_replicas, whole_batch):
    """Three at a time of five; those of objectives that gather the batch one after the other."""
    seen = []
    vae = types.SimpleNamespace(
        distribute_strategy=two_replicas,
        objective=types.SimpleNamespace(whole_batch=whole_batch),
        steps_per_execution=3,
        run_eagerly=True,
        get_metrics_result=lambda: len(seen),
    )
    take = ReplicatedSteps(vae, lambda rows: seen.append(rows.numpy().tolist()))
    batches = iter(replicas.distribute(two_replicas, tf.data.Dataset.range(9).batch(2)))
    assert (take(batches), take.steps) == (6, 3)
    assert (take(batches), take.steps) == (10, 5)
    with pytest.raises(StopIteration):
        take(batches)
    assert seen == [[0], [1], [2], [3], [4], [5], [6], [7], [], [8]] and take.steps == 5


def test_single_batches_under_a_strategy_are_refused(two_replicas):
    with two_replicas.scope():
        vae = small_vae()
    for call in (vae.train_on_batch, vae.test_on_batch):
        with pytest.raises(ValueError, match=r"several replicas, use fit and evaluate, not single batches"):
            call(small_images(4))


@pytest.mark.parametrize(
    ("cluster", "task", "several", "chief"),
    [
        ({}, ("", 0), False, True),
        ({"worker": 1}, ("worker", 0), False, True),
        ({"worker": 2}, ("worker", 0), True, True),
        ({"worker": 2}, ("worker", 1), True, False),
        ({"chief": 1, "worker": 1}, ("chief", 0), True, True),
        ({"chief": 1, "worker": 1}, ("worker", 0), True, False),
    ],
)
def test_who_is_the_chief(cluster, task, several, chief):
    spec = tf.train.ClusterSpec({job: [f"localhost:{index}" for index in range(n)] for job, n in cluster.items()})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, task_type=task[0], task_id=task[1])
    strategy = types.SimpleNamespace(cluster_resolver=resolver, num_replicas_in_sync=1)
    assert replicas.has_several_workers(strategy) == replicas.has_several(strategy) == several
    assert replicas.is_chief(strategy) == chief


def test_one_process_is_its_own_chief(replicas_of):
    for strategy in (tf.distribute.get_strategy(), replicas_of(2)):
        assert replicas.is_chief(strategy) and not replicas.has_several_workers(strategy)
