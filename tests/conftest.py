"""Settings for all tests: four logical CPU devices stand for GPUs."""

import contextlib
import functools
import gc
import io
import itertools
import json
import os
import pathlib
import shutil
import sys
import typing
import warnings
from typing import NamedTuple

import filelock
import pytest

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

KEYS = itertools.count(1000, 10)
SMOKE = str(pathlib.Path(__file__).parent.parent / "configs" / "smoke.yaml")


def pytest_configure(config):
    """TensorFlow is imported where tests run, and not in the process that deals them out."""
    gc.set_threshold(50_000, 20, 20)  # a graph is many objects: looking through them often takes a tenth of the time
    if sys.version_info < (3, 12):  # which looks for a protocol's names whenever TensorFlow asks about a tensor
        typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)
        typing._is_callable_members_only = functools.cache(typing._is_callable_members_only)
    if config.getoption("markexpr") == "not slow":  # else programs are compiled as users have them
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # half the time
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
        )


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """The tests of a module run in one process, unless they are of a group: what they share, and the kernels that
    TensorFlow makes when an operation is first run, are made once and not in each."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__.removeprefix("tests.test_")))


@pytest.fixture(autouse=True)
def seeded():
    """Weights start alike in every test."""
    from tests import models

    models.begin()


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


@pytest.fixture(scope="session")
def made_once(request, tmp_path_factory):
    """A function: name, make -> the folder that `make(folder)` filled, in one of the processes that run the tests.

    All of them read it, and none may change it.
    """
    root = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        root = root.parent  # of all workers

    def folder(name, make):
        path, begun = root / "made_once" / name, root / "made_once" / f".{name}"
        path.parent.mkdir(exist_ok=True)
        with filelock.FileLock(path.with_name(f"{name}.lock")):
            if not path.is_dir():
                shutil.rmtree(begun, ignore_errors=True)
                make(begun)
                begun.rename(path)
        return path

    return folder


@pytest.fixture(scope="session")
def small_exported(made_once):
    """`small_vae()`, and the folder of its servables, with 20 samples. It is not to be changed."""
    from tests import models
    from tfvae import exporting

    models.begin()
    vae = models.small_vae()
    about = {"config": {"latent_size": 3}}
    return vae, made_once("small_vae", lambda folder: exporting.export(vae, folder, samples=20, about=about))


@contextlib.contextmanager
def as_in_a_terminal():
    """Warnings are shown, as Python does where it is told nothing, and not raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        yield


class Verbs(NamedTuple):
    """What the verbs of a small run made: folders, what each printed (stdout, stderr), and what `evaluate` wrote."""

    run: pathlib.Path
    models: pathlib.Path
    printed: dict
    evaluation: dict


@pytest.fixture(scope="session")
def verbs(tmp_path_factory):
    """`Verbs`, for tests of the xdist group "verbs"; 20 latents are those of the examples in export/README.md."""
    from tfvae import cli, evaluation
    from tfvae.cli import terminal
    from tfvae.training.report import plots

    folder, printed = tmp_path_factory.mktemp("verbs"), {}
    run, models = folder / "run", folder / "models"
    lines = [["train", SMOKE, run, "--set", "latent_size=20"], ["evaluate", run, "--samples", "1000"], ["plot", run]]
    lines += [["export", run, models, "--samples", "20"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "SECONDS", 0.02)
        patch.setattr(evaluation, "gap", functools.partial(evaluation.gap, steps=20))  # of 300
        ends = functools.partial(evaluation.rate_distortion, temperatures=(0.0, 1.0))
        patch.setattr(evaluation, "rate_distortion", ends)
        patch.setattr(plots, "TEMPERATURES", (0.0, 1.0))
        for verb, *arguments in lines:
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
                with as_in_a_terminal():
                    assert cli.main([verb, *map(str, arguments)]) == 0
            printed[verb] = out.getvalue(), err.getvalue()
    return Verbs(run, models, printed, json.loads((run / "evaluation.json").read_text()))
