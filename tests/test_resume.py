"""Runs that are interrupted go on, and end with the weights of a run that was not."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tests.models import weights
from tfvae import callbacks, figures, training

ROOT = pathlib.Path(__file__).parent.parent
SMOKE = str(ROOT / "configs" / "smoke.yaml")
pytestmark = processes.GROUP  # its run is trained once
FOUR = ("fit.epochs=4", "fit.callbacks=[{EarlyStopping: {monitor: val_elbo, mode: max, patience: 3}}]")


def last(run):
    """All that the last checkpoint holds but its state."""
    saved = callbacks.latest_checkpoint(run / "checkpoints")
    reader = tf.train.load_checkpoint(saved.path)
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith(("vae", "position"))]
    return saved, {name: reader.get_tensor(name) for name in sorted(names)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of four epochs that was never interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    training.train(SMOKE, run, FOUR)
    return run


class Killed(Exception):
    pass


def killed(monkeypatch, run, call, overrides=FOUR, seconds=0.0):
    """Trains until the call of this number of `Checkpoints._save` or other method raises; `seconds` are those between
    two checkpoints."""
    method, number = call
    real, calls = getattr(callbacks.Checkpoints, method), []

    def counted(self, *arguments, **more):
        calls.append(1)
        if len(calls) == number:
            raise Killed
        return real(self, *arguments, **more)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(callbacks.Checkpoints, method, counted)
        patched.setattr(callbacks.Checkpoints, "seconds", seconds)
        training.train(SMOKE, run, overrides, resume=True)


def assert_same(run, whole):
    (saved, found), (expected_saved, expected) = last(run), last(whole)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert saved.state == expected_saved.state
    best, other = (keras.saving.load_model(folder / "model.keras") for folder in (run, whole))
    np.testing.assert_array_equal(weights(best), weights(other))
    assert (run / "history.csv").read_text() == (whole / "history.csv").read_text()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("_save", 1), marks=pytest.mark.slow),
        pytest.param(("_save", 3), marks=pytest.mark.slow),
        pytest.param(("on_epoch_end", 2), marks=pytest.mark.slow),
        pytest.param(("on_train_batch_end", 3), marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_bit_for_bit(whole, tmp_path, monkeypatch, call):
    """Long: the first trains a whole run, and each two parts of one.

    By default the run whose last checkpoint is damaged is one that goes on bit for bit.
    """
    run = tmp_path / "run"
    killed(monkeypatch, run, call)
    training.train(SMOKE, run, FOUR, resume=True)
    assert_same(run, whole)


@pytest.mark.slow
def test_a_run_that_is_killed_between_two_checkpoints_goes_on_bit_for_bit(whole, tmp_path, monkeypatch):
    """Long: the first trains a whole run. It goes on from the first epoch, and trains those after it again."""
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Checkpoints, "flush", lambda self: None)  # as nobody can who is killed
        killed(monkeypatch, run, ("on_epoch_end", 4), seconds=10.0)
    assert last(run)[0].state["epoch"] == 1 and len((run / "history.csv").read_text().splitlines()) == 5
    training.train(SMOKE, run, FOUR, resume=True)
    assert_same(run, whole)


def test_an_interrupted_run_has_its_last_epoch(whole, tmp_path, monkeypatch):
    """Long: it trains two parts of a run."""
    run = tmp_path / "run"
    killed(monkeypatch, run, ("on_epoch_begin", 4), seconds=10.0)
    assert last(run)[0].state["epoch"] == 3
    training.train(SMOKE, run, FOUR, resume=True)
    assert_same(run, whole)


def test_sigterm_saves_in_the_middle_of_an_epoch(whole, tmp_path, monkeypatch):
    """Long: it is the first, for which a whole run is trained, and two parts of a run, in groups of steps."""
    run, real = tmp_path / "run", callbacks.Checkpoints.on_train_batch_end
    groups = ("compile.steps_per_execution=3", *FOUR)

    def told(self, batch, logs=None):
        if self._epoch == 2 and batch == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batch, logs)

    with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(callbacks.Checkpoints, "on_train_batch_end", told)
        training.train(SMOKE, run, groups)
    assert ended.value.code == 143
    saved, _ = last(run)
    assert saved.state["epoch"] == 2 and saved.state["step"] == 6
    training.train(SMOKE, run, groups, resume=True)
    (_, found), (_, expected) = last(run), last(whole)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)
    rows = [(folder / "history.csv").read_text().splitlines() for folder in (run, whole)]
    values = [np.array([row.split(",") for row in its[1:]], float) for its in rows]
    np.testing.assert_allclose(*values, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [4, 9])  # in the middle of the first epoch, and at its end
def test_sigterm_in_the_first_epoch(whole, tmp_path, monkeypatch, batch):
    run, real = tmp_path / "run", callbacks.Checkpoints.on_train_batch_end

    def told(self, at, logs=None):
        if self._epoch == 0 and at == batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, at, logs)

    single = ("compile.steps_per_execution=5", *FOUR)
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(callbacks.Checkpoints, "on_train_batch_end", told)
        training.train(SMOKE, run, single)
    saved, _ = last(run)
    assert (saved.state["epoch"], saved.state["step"]) == ((0, 5) if batch == 4 else (1, 0))
    training.train(SMOKE, run, single, resume=True)
    for name, value in last(whole)[1].items():
        np.testing.assert_allclose(last(run)[1][name], value, atol=1e-6, err_msg=name)
    assert len((run / "history.csv").read_text().splitlines()) == 5


@pytest.mark.slow
def test_streamed_data_goes_on_too(tmp_path, monkeypatch):
    streamed = ("data.in_memory=false", "fit.epochs=3")
    training.train(SMOKE, tmp_path / "whole", streamed)
    killed(monkeypatch, tmp_path / "run", ("_save", 2), streamed)
    training.train(SMOKE, tmp_path / "run", streamed, resume=True)
    assert_same(tmp_path / "run", tmp_path / "whole")


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    saved = callbacks.latest_checkpoint(run / "checkpoints")
    data = pathlib.Path(f"{saved.path}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)
    assert callbacks.latest_checkpoint(run / "checkpoints").state["epoch"] == 1  # those between came too soon after it
    training.train(SMOKE, run, FOUR, resume=True)
    assert "is damaged: going on from" in capsys.readouterr().err
    assert_same(run, whole)


def test_a_finished_run_is_left_as_it_is(whole):
    before = (whole / "history.csv").read_text()
    training.train(SMOKE, whole, FOUR, resume=True)
    assert (whole / "history.csv").read_text() == before
    assert (
        json.loads((whole / "run.json").read_text())["best_epoch"]
        == callbacks.latest_checkpoint(whole / "checkpoints").state["best_epoch"]
    )


@pytest.mark.slow
def test_early_stopping_goes_on_waiting(tmp_path, monkeypatch):
    stop = (
        "fit.epochs=6",
        "fit.callbacks=[{EarlyStopping: {monitor: val_elbo, mode: max, patience: 2, min_delta: 1.0e6}}]",
    )
    training.train(SMOKE, tmp_path / "whole", stop)
    killed(monkeypatch, tmp_path / "run", ("_save", 3), stop)
    training.train(SMOKE, tmp_path / "run", stop, resume=True)
    assert_same(tmp_path / "run", tmp_path / "whole")
    training.train(SMOKE, tmp_path / "run", stop, resume=True)  # which had stopped: not an epoch more
    assert_same(tmp_path / "run", tmp_path / "whole")


def test_another_config_is_refused(whole):
    with pytest.raises(ValueError, match=r"begun with another config \(seed: 5, there 0\)"):
        training.train(SMOKE, whole, (*FOUR, "seed=5"), resume=True)


def test_other_data_is_refused(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"first_batch_crc32": 1}))
    with pytest.raises(ValueError, match="begun with other data"):
        training.train(SMOKE, run, FOUR, resume=True)


def test_an_existing_run_is_not_overwritten(whole):
    with pytest.raises(FileExistsError, match="--resume"):
        training.train(SMOKE, whole, FOUR)


def test_two_processes_do_not_share_a_run(whole):
    """Long: a process of the command."""
    with training.lock(whole):
        done = processes.run(*command(whole, "--set", "fit.epochs=4", "--set", FOUR[1]))
    assert done.returncode == 2 and "another process trains" in done.stderr


def command(run, *more):
    return ["-m", "tfvae.cli", "train", SMOKE, str(run), "--resume", *more]


@pytest.mark.slow
def test_the_launcher_trains_on_two_workers(tmp_path):
    watched = "fit.callbacks=[{Watch: }, {Pictures: {every: 1}}]"
    arguments = command(tmp_path / "two", "--workers", "2", "--set", watched)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    training.train(SMOKE, tmp_path / "one", [watched])
    found, expected = (last(tmp_path / name)[1] for name in ("two", "one"))
    for name, value in expected.items():
        if "optimizer" not in name:
            np.testing.assert_allclose(found[name], value, atol=1e-4, rtol=1e-4, err_msg=name)
    logged, alone = (figures.history(tmp_path / name / "history.csv") for name in ("two", "one"))
    assert logged.keys() == alone.keys() and len(list((tmp_path / "two" / "pictures").iterdir())) == 2
    np.testing.assert_allclose(logged["gradient_norm"], alone["gradient_norm"], rtol=1e-3)
    assert training.load(tmp_path / "two")[0].distribute_strategy.num_replicas_in_sync == 1
    assert training.evaluate(tmp_path / "two", samples=5, more=False)["examples"] == 100


@pytest.mark.slow
def test_workers_that_are_told_to_end_save_and_go_on(tmp_path):
    run = tmp_path / "run"

    def arguments(epochs):
        return [sys.executable, *command(run, "--workers", "2", "--set", f"fit.epochs={epochs}")]

    launcher = subprocess.Popen(arguments(100_000), cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_for(lambda: (run / "checkpoints" / "checkpoint").exists())
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(timeout=60) == 143
    saved, _ = last(run)
    assert saved.state["epoch"] > 0 and not (run / "model.keras").exists()
    epochs = saved.state["epoch"] + 3
    done = subprocess.run(arguments(epochs), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    training.train(SMOKE, tmp_path / "one", [f"fit.epochs={epochs}"])
    (saved, found), (_, expected) = last(run), last(tmp_path / "one")
    assert saved.state["epoch"] == epochs
    assert (run / "history.csv").read_text().count("\n") == epochs + 1
    for name, value in expected.items():
        if "optimizer" not in name:
            np.testing.assert_allclose(found[name], value, atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_the_launcher_ends_all_when_one_dies_and_says_why(tmp_path):
    run = tmp_path / "run"
    more = ("--workers", "2", "--set", "fit.epochs=100000")
    launcher = subprocess.Popen(
        [sys.executable, *command(run, *more)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: (run / "checkpoints" / "checkpoint").exists())
    children = [
        int(pid) for pid in pathlib.Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    ]
    os.kill(children[1], signal.SIGKILL)
    said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode == 2 and "worker 1 of 2 ended with status -9" in said
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
