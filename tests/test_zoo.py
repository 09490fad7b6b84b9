"""Every yaml of the zoo, from training to servables, on a few digits."""

import functools
import importlib.util
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.models import weights
from tfvae import config, digits, evaluation, exporting, figures, training
from tfvae.training import finished_run

ROOT = pathlib.Path(__file__).parent.parent
ZOO = sorted((ROOT / "configs" / "zoo").glob("*.yaml"))
FEW = (
    f"data.name={digits.FILE}",
    "data.train=train[:40]",
    "data.validation=train[40:60]",
    "data.test=test[:20]",
    "data.batch_size=20",
    "compile={jit_compile: false, run_eagerly: true}",  # graphs and XLA have their own tests, and take their time
    "fit.epochs=1",
)
FEW_ROWS = ("data.batch_size=20", "compile={jit_compile: false, run_eagerly: true}", "fit={epochs: 1}")  # of a table
TRAINING = ("seed", "strategy", "objective", "optimizer", "compile", "fit")  # these keys are of training alone

# called in every way: one yaml for each kind of signature; tests/test_serving.py calls a plain VAE's
CALLED = {
    "conditional_prior": "conditions and labels, and a prior with a row for each example",
    "hyperspherical": "samplers that are loops, and no closed mean and stddev",
    "iaf": "a flow behind the encoder",
    "logistic_mixture": "a likelihood of discrete values, of gated networks",
    "two_layers": "latents in two layers",
}


OF_TABLES = (
    "hi_vae"  # from here to its servables; tests/test_table_serving.py and test_table_evaluation.py have the rest
)


def few(path):
    """Settings of a yaml for few examples of its kind."""
    return FEW_ROWS if str(config.keys(path)["data"]["name"]).endswith(".csv") else FEW


@functools.cache
def programs(path):
    """Name what a yaml's evaluations, figures and exported programs are made of; those of tables count as one."""
    if few(path) == FEW_ROWS:
        return "of tables"
    return repr(sorted((key, value) for key, value in config.keys(path).items() if key not in TRAINING))


NAMED = [path for path in ZOO if path.stem != "base"]
PROGRAMS = {programs(path): path for path in reversed(NAMED)}  # the first yaml of each
PROGRAMS["of tables"] = next(path for path in NAMED if path.stem == OF_TABLES)
DISTINCT = sorted(PROGRAMS.values())


def of_yamls(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def check():
    """`export/check.py` as a module."""
    spec = importlib.util.spec_from_file_location("check", ROOT / "export" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_trains(path, run):
    """Trains a yaml in a run folder, loads it, evaluates it, and draws its curves."""
    trained = training.train(path, run, few(path))
    again, _ = training.load(run)
    np.testing.assert_array_equal(weights(again), weights(trained))
    result = training.evaluate(run, samples=3, more=False)
    assert math.isfinite(result["reconstruction"]["mean"])
    bounds = result["elbo"]["mean"], result["log_marginal"]["mean"]
    assert all(map(math.isinf if type(trained.posterior).__name__ == "Deterministic" else math.isfinite, bounds))
    curves = figures.learning_curves(figures.history(run / "history.csv"), again.objective, 2, 1)
    assert figures.write(curves, run / "curves.png").stat().st_size > 0


@pytest.mark.slow
@of_yamls([path for path in NAMED if path not in DISTINCT])
def test_trains(path, tmp_path):
    """The programs of these are those of another yaml, whose objective alone is another."""
    assert_trains(path, tmp_path / "run")


@pytest.mark.slow
@of_yamls(DISTINCT)
def test_from_yaml_to_servables(path, tmp_path, monkeypatch):
    """Long: all that can be done with a run, of evaluations, figures and exported programs; without the objective, so
    that it is done for all yamls that differ in it."""
    run, models, load = tmp_path / "run", tmp_path / "models", training.load
    assert_trains(path, run)

    def loaded(run):
        vae, experiment = load(run)
        vae.objective = None
        return vae, experiment

    monkeypatch.setattr(finished_run, "load", loaded)
    # where it gets to is of tests/test_information.py
    monkeypatch.setattr(evaluation, "gap", functools.partial(evaluation.gap, steps=2))
    assert len(training.evaluate(run, samples=3)["measures"]) >= 3
    assert len(training.plot(run)) >= (6 if few(path) == FEW_ROWS else 7)
    for version in training.export(run, models).values():
        for signature, output, _, difference in check().differences(version):
            assert difference <= 1e-5, (signature, output)


def test_every_yaml_trains_and_those_that_are_called_are_exported():
    assert {programs(path) for path in DISTINCT} == {programs(path) for path in NAMED}
    assert set(CALLED) <= {path.stem for path in DISTINCT}


@pytest.mark.slow
@of_yamls([path for path in NAMED if path.stem in CALLED])
def test_every_way_to_call_gives_the_models_answers(path, tmp_path):
    """Untrained: what is exported is the same."""
    experiment = config.read(path, few(path))
    train, _ = config.training_data(experiment)
    vae = config.compiled_vae(experiment, train.element_spec, config.table_schema(experiment))
    exporting.export(vae, tmp_path, samples=5)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "served.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {row[0] for row in found} == {"tf.saved_model.load", "saved_model_cli", "REST", "gRPC"}
    assert [row for row in found if not row[-1] <= 1e-5] == []


def test_each_names_its_paper():
    for path in ZOO:
        assert path.read_text().startswith("# ") and any(
            year in path.read_text() for year in map(str, range(2006, 2026))
        )


def test_a_yaml_takes_over_what_its_base_says():
    experiment, base = (config.read(ROOT / "configs" / "zoo" / f"{name}.yaml") for name in ("iwae", "base"))
    assert experiment.objective.as_keys() == {"IWAE": {"samples": 5}}
    assert experiment.model_copy(update={"objective": base.objective}) == base
