"""Runs that go on from what was verified, or say why they cannot; runs that cease to be finite."""
import pathlib, pytest, json, shutil, keras, numpy as np
from tests.models import weights
from tfvae import callbacks, training
SMOKE = str(pathlib.Path(__file__).parent.parent / "configs" / "smoke.yaml")
FEW = ("data.train=train[:100]","data.validation=train[500:520]","compile.steps_per_execution=2","fit.epochs=2")

def test_a(tmp_path):
    run=tmp_path/"run"
    training.train(SMOKE, run, FEW)
    training.train(SMOKE, run, [*FEW,"fit.epochs=4"], resume=True)
    training.train(SMOKE, tmp_path/"other", [*FEW,"fit.epochs=4"])
    np.testing.assert_array_equal(*(weights(training.load(f)[0]) for f in (run, tmp_path/"other")))

def test_b(tmp_path):
    with pytest.raises(ArithmeticError) as e:
        training.train(SMOKE, tmp_path/"run", [*FEW,"fit.epochs=9","optimizer={SGD: {learning_rate: 30.0}}"])
    print(e.value)
    print((tmp_path/"run"/"history.csv").read_text())
    assert 0
