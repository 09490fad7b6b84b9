"""Every yaml of the zoo, from training to servables, on a few digits."""

import importlib.util
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.models import weights
from tfvae import config, digits, serving, training

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


def check():
    """`export/check.py` as a module."""
    spec = importlib.util.spec_from_file_location("check", ROOT / "export" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in ZOO if path.stem != "base"], ids=lambda path: path.stem)
def test_from_yaml_to_servables(path, tmp_path):
    """Long: all that can be done with a run, of evaluations, figures and exported programs."""
    run, models = tmp_path / "run", tmp_path / "models"
    trained = training.train(path, run, FEW)
    again, _ = training.load(run)
    np.testing.assert_array_equal(weights(again), weights(trained))
    result = training.evaluate(run, samples=3)
    assert math.isfinite(result["reconstruction"]["mean"])
    bounds = result["elbo"]["mean"], result["log_marginal"]["mean"]
    assert all(map(math.isinf if type(trained.posterior).__name__ == "Deterministic" else math.isfinite, bounds))
    assert len(training.plot(run)) >= 7
    for version in training.export(run, models).values():
        for signature, output, _, difference in check().differences(version):
            assert difference <= 1e-5, (signature, output)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in ZOO if path.stem != "base"], ids=lambda path: path.stem)
def test_every_way_to_call_gives_the_models_answers(path, tmp_path):
    """Untrained: what is exported is the same."""
    experiment = config.read(path, FEW)
    train, _ = config.training_data(experiment)
    serving.export(config.compiled_vae(experiment, train.element_spec), tmp_path, samples=5)
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
    assert experiment.objective == {"IWAE": {"samples": 5}}
    assert experiment._replace(objective=base.objective) == base
