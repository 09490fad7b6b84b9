"""Runs that go on from what was verified, or say why they cannot; runs that cease to be finite."""

import json
import pathlib
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests.models import begin, dataset, small_images, small_vae, weights
from tfvae import callbacks, config, files, trainer, training, tuning
from tfvae.training import finished_run, run_folder
from tfvae.training.report import measures
from tfvae.training.resume import find_saved

SMOKE = str(pathlib.Path(__file__).parent.parent / "configs" / "smoke.yaml")
pytestmark = pytest.mark.xdist_group("going_on")  # its run is trained once
FEW = ("data.train=train[:100]", "data.validation=train[500:520]", "compile={run_eagerly: true, jit_compile: false}")
TWO = (*FEW, "fit.epochs=2")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run of two epochs, each of two steps."""
    run = tmp_path_factory.mktemp("two") / "run"
    training.train(SMOKE, run, TWO)
    return run


@pytest.fixture
def run(two, tmp_path):
    """A copy of it."""
    return pathlib.Path(shutil.copytree(two, tmp_path / "run"))


def content(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}


def refused(run, overrides=TWO):
    """The words with which a run is not gone on with; nothing in it has changed."""
    before = content(run)
    with pytest.raises(ValueError) as error:
        training.train(SMOKE, run, overrides, resume=True)
    assert content(run) == before and "\n" not in str(error.value)
    return str(error.value)


def flip(path):
    """Changes a byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "text": lambda path: path.write_text("xx\n"),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_where_no_checkpoint_can_be_read_it_is_refused_and_the_files_are_named(run, damage, ending):
    """Long: the first trains a run."""
    for step in (2, 4):
        DAMAGES[damage](run / "checkpoints" / f"step-{step}.{ending}")
    said = refused(run)
    assert "no checkpoint in" in said and "Put back a copy" in said
    assert all(f"step-{step}.{ending} is {'missing' if damage == 'missing' else 'damaged'}" in said for step in (2, 4))


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_a_damaged_checkpoint_is_taken(run, damage, ending):
    DAMAGES[damage](run / "checkpoints" / f"step-4.{ending}")
    saved = callbacks.latest_checkpoint(run / "checkpoints")
    assert saved.path.endswith("step-2") and len(saved.damaged) == 1 and f"step-4.{ending}" in saved.damaged[0]


@pytest.mark.parametrize("gone", ["checkpoints/step-*", "checkpoints/*", "checkpoints"])
def test_a_trained_run_without_checkpoints_is_not_begun_anew(run, gone):
    for path in run.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "checkpoint" in refused(run)
    (run / "model.keras").unlink()  # of a run that was not finished
    assert "checkpoint" in refused(run)


def test_a_run_without_its_config_is_not_begun_anew(run):
    (run / "config.yaml").unlink()
    assert "config.yaml is missing" in refused(run)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew_with_any_config(tmp_path):
    """What is left is a part of a checkpoint, the best epoch and a row of the history."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "step-2.data-00000-of-00001").write_bytes(b"part")
    (run / "history.csv").write_text("epoch,loss\n0,1.0\n")
    (run / "config.yaml").write_text("seed: 3\n")
    assert find_saved(run, config.read(SMOKE)) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_best_epoch_does_not_replace_the_model(run, damage):
    DAMAGES[damage](run / "checkpoints" / "best.keras")
    said = refused(run)
    assert "best.keras is damaged" in said and "model.keras there" in said
    shutil.copyfile(run / "model.keras", run / "checkpoints" / "best.keras")
    assert find_saved(run, config.read(SMOKE, TWO)).state["epoch"] == 2


@pytest.mark.parametrize("damage", ["flipped", "cut", "text", "empty"])
def test_a_damaged_model_is_named(run, damage):
    DAMAGES[damage](run / "model.keras")
    with pytest.raises(ValueError, match=r"^\S+/model.keras.* it is damaged: take it from a copy"):
        training.load(run)


def test_every_flipped_byte_of_a_model_is_seen_or_does_no_harm(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", bytes(range(100)))
    whole, parts = path.read_bytes(), None
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            callbacks.check_model_file(path)
        except ValueError:
            continue
        with zipfile.ZipFile(path) as archive:
            parts = sorted(archive.read(name) for name in archive.namelist())
        assert parts == [bytes(range(100)), b"{}", b"{}"], place
    assert parts


def test_a_run_of_another_format_is_refused(run):
    record = json.loads((run / "run.json").read_text())
    for other, found in ((record | {"format": 99}, 99), ({key: record[key] for key in record if key != "format"}, 0)):
        (run / "run.json").write_text(json.dumps(other))
        assert f"run.json is of format {found}, and this tfvae has 1" in refused(run)
        with pytest.raises(ValueError, match=f"of format {found}"):
            training.load(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 9999, b"\xff"])
def test_a_damaged_record_is_named(run, text):
    (run / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "run.json is damaged: put back a copy" in refused(run)


@pytest.mark.parametrize("key", ["first_batch_crc32", "started"])
@pytest.mark.parametrize("value", [None, "x", [], "2026-01-01T00:00:00"])
def test_a_record_without_what_a_run_needs_is_damaged(run, key, value):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {key: value}))
    assert "run.json is damaged: put back a copy" in refused(run)
    record.pop(key)
    (run / "run.json").write_text(json.dumps(record))
    assert "run.json is damaged: put back a copy" in refused(run)


@pytest.mark.parametrize(
    ("jobs", "task", "expected"),
    [
        (["worker"], ("worker", 0), True),
        (["worker"], ("worker", 1), False),
        (["chief", "worker"], ("chief", 0), True),
        (["chief", "worker"], ("worker", 0), False),
        (["chief", "worker", "ps"], ("ps", 0), False),
    ],
)
def test_one_process_of_a_cluster_writes(monkeypatch, jobs, task, expected):
    cluster = {job: ["127.0.0.1:1", "127.0.0.1:2"] for job in jobs}
    environment = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(environment))
    assert run_folder.is_writer() is expected
    monkeypatch.delenv("TF_CONFIG")
    assert run_folder.is_writer() is True


def test_a_finished_run_is_trained_longer(run, tmp_path):
    """Trains four epochs, of two steps each."""
    three = (*FEW, "fit.epochs=3")
    training.train(SMOKE, run, three, resume=True)
    training.train(SMOKE, tmp_path / "whole", three)
    np.testing.assert_array_equal(*(weights(training.load(folder)[0]) for folder in (run, tmp_path / "whole")))
    for name in ("history.csv", "config.yaml"):
        assert (run / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert json.loads((run / "run.json").read_text())["best_epoch"] == 3
    assert "fit.epochs: 2 is less than the 3 epochs" in refused(run, (*FEW, "fit.epochs=2"))
    assert "begun with another config (seed: 1, there 0)" in refused(run, (*FEW, "fit.epochs=5", "seed=1"))


def test_a_run_that_is_not_finite_stops_there_and_keeps_what_was_before(tmp_path):
    """Its third epoch diverges; the next run goes back to the second, and meets the same."""
    run, diverging = tmp_path / "run", (*FEW, "fit.epochs=9", "optimizer={SGD: {learning_rate: 30.0}}")
    said = []
    for resume in (False, True):
        with pytest.raises(ArithmeticError) as error:
            training.train(SMOKE, run, diverging, resume)
        said.append(str(error.value))
    assert said[0] == said[1] and "epoch 4 is not finite: at step 8 kl is inf; " in said[0]
    assert f"{run / 'model.keras'} is of epoch 1, the best before it. Try a smaller learning rate" in said[0]
    saved = callbacks.latest_checkpoint(run / "checkpoints")
    assert saved.state["epoch"] == 3 and saved.path.endswith("step-6") and not saved.damaged
    assert np.isfinite(weights(training.load(run)[0])).all()
    assert json.loads((run / "run.json").read_text())["stopped"].startswith("epoch 4 is not finite")
    assert (run / "history.csv").read_text().count("\n") == 5


class Breaking(keras.optimizers.SGD):
    """Makes its third update infinite."""

    def update_step(self, gradient, variable, learning_rate):
        factor = tf.where(tf.equal(self.iterations, 2), np.inf, 0.01)
        variable.assign_sub(tf.cast(factor, gradient.dtype) * gradient)


def broken(folder, monitor="elbo", **settings):
    """What training a VAE says whose third step breaks it."""
    vae, batches = small_vae(Breaking(0.1)), dataset(small_images(40), 10)
    with pytest.raises(callbacks.NotFinite) as error:
        vae.fit(batches, callbacks=[callbacks.Checkpoints(folder, monitor, **settings)], verbose=0)
    assert callbacks.latest_checkpoint(folder) is None
    return str(error.value)


def test_the_step_and_the_tensor_are_named_in_the_first_epoch_too(tmp_path):
    batches = dataset(small_images(40), 10)
    said = broken(tmp_path, batches=batches)
    assert said.startswith("epoch 1 is not finite: step 3 made ") and "infinite or none" in said
    assert "kernel" in said and "holds infinite numbers or none" in broken(tmp_path)


def test_numbers_that_are_not_finite_are_not_saved_when_told_to_end(tmp_path):
    vae = small_vae()
    checkpoints = callbacks.Checkpoints(tmp_path, "elbo")
    checkpoints.set_model(vae)
    checkpoints.set_params({"steps": 5})
    checkpoints.on_train_begin()
    vae.likelihood.set_weights([np.full_like(w, np.nan) for w in vae.likelihood.get_weights()])
    checkpoints.terminate = True
    with pytest.raises(callbacks.Terminated):
        checkpoints.on_train_batch_end(1)
    assert callbacks.latest_checkpoint(tmp_path) is None


def test_a_checkpoint_that_is_not_finite_is_passed_over(tmp_path):
    vae = small_vae()
    checkpoints = callbacks.Checkpoints(tmp_path, "elbo")
    checkpoints.set_model(vae)
    checkpoints.on_train_begin()
    for step, value in ((1, 0.5), (2, np.nan)):
        vae.likelihood.set_weights([np.full_like(w, value) for w in vae.likelihood.get_weights()])
        vae.optimizer.iterations.assign(step)
        checkpoints._save(step, 0)
    saved = callbacks.latest_checkpoint(tmp_path)
    assert saved.path.endswith("step-1")
    assert saved.damaged == [f"{tmp_path / 'step-2'} holds numbers that are not finite"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_tensorflow_notes_of_checkpoints_is_not_needed(tmp_path, damage, capfd):
    vae = small_vae()
    for step in (1, 2, 3, 4):
        checkpoints = callbacks.Checkpoints(tmp_path, "elbo", saved=callbacks.latest_checkpoint(tmp_path))
        checkpoints.set_model(vae)
        checkpoints.on_train_begin()
        vae.optimizer.iterations.assign(step)
        checkpoints._save(step, 0)
        DAMAGES[damage](tmp_path / "checkpoint")
    assert callbacks.latest_checkpoint(tmp_path).state["epoch"] == 4
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["step-3.index", "step-4.index"]
    assert "deprecat" not in capfd.readouterr().err.lower()


class Counting(keras.callbacks.Callback):
    """Of one's own; knows what it has counted, and an array."""

    def __init__(self):
        super().__init__()
        self.count, self.seen, self.chief = 0, None, True

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.seen = np.full((2, 3), self.count, np.float16)

    def get_state(self):
        return {"count": self.count, "seen": {"last": [self.seen]}}

    def set_state(self, state):
        self.count, (self.seen,) = state["count"], state["seen"]["last"]


class Forgetful(keras.callbacks.Callback):
    """Has no state to ask for, but an attribute."""

    chief = True


def trained(folder, others, epochs, saved=None):
    begin(0)
    vae = small_vae(keras.optimizers.Adam(1e-3))
    vae.fit(
        dataset(small_images(), 10),
        epochs=epochs,
        initial_epoch=saved.state["epoch"] if saved else 0,
        callbacks=[*others, callbacks.Checkpoints(folder, "elbo", others=others, saved=saved)],
        verbose=0,
    )
    return vae


def test_callbacks_are_asked_for_their_state_and_told_it(tmp_path, capsys):
    def made():
        return [
            keras.callbacks.EarlyStopping("elbo", min_delta=1e9, patience=3, mode="max", restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("elbo", min_delta=1e9, patience=3, mode="max", factor=0.5),
            Counting(),
            Forgetful(),
        ]

    whole, broken_off, goes_on = made(), made(), made()
    expected = trained(tmp_path / "whole", whole, 6)
    trained(tmp_path / "run", broken_off, 2)
    goes_on[3].chief = False  # as a worker has it
    found = trained(tmp_path / "run", goes_on, 6, callbacks.latest_checkpoint(tmp_path / "run"))
    np.testing.assert_array_equal(weights(found), weights(expected))
    stop, plateau, counting, forgetful = goes_on
    assert (stop.wait, stop.stopped_epoch, stop.best_epoch, stop.min_delta) == (3, 3, 0, 1e9)
    np.testing.assert_array_equal(np.concatenate([np.ravel(w) for w in stop.best_weights]), weights(expected))
    assert (plateau.wait, plateau.min_delta) == (whole[1].wait, 1e9)
    rates = [float(vae.optimizer.learning_rate) for vae in (found, expected)]
    assert rates == pytest.approx([5e-4, 5e-4]) and rates[0] == rates[1]
    assert counting.count == whole[2].count == 4 and counting.seen.dtype == np.float16
    np.testing.assert_array_equal(counting.seen, whole[2].seen)
    assert forgetful.chief is False
    assert capsys.readouterr().err == "the callback Forgetful begins anew: it has no get_state and set_state\n"


@pytest.mark.slow
def test_a_finished_search_is_given_more_trials(tmp_path, monkeypatch):
    """Of trials that train nothing."""

    def train(experiment, run, *_, **__):
        (run / "checkpoints").mkdir(parents=True)
        (run / "history.csv").write_text("epoch,val_elbo\n0,-3.0\n")
        (run / "run.json").write_text(json.dumps({"best_epoch": 1, "seconds": 1}))

    monkeypatch.setattr(training, "train_experiment", train)
    space = {"latent_size": {"Int": {"min_value": 1, "max_value": 50}}}
    path, folder = tmp_path / "tune.yaml", tmp_path / "search"
    for count, arguments in ((3, {"max_trials": 3}), (5, {"max_trials": 5}), (5, {"max_trials": 4}), (10, None)):
        path.write_text(json.dumps({"base": SMOKE, "space": space, "tuner": {"RandomSearch": arguments}}))
        rows = tuning.search(path, folder)
        assert len(rows) == count == len({row["latent_size"] for row in rows})
    path.write_text(json.dumps({"base": SMOKE, "space": space, "samples": 3}))
    with pytest.raises(config.ConfigError, match=r"begun with another config \(tuner.RandomSearch: "):
        tuning.search(path, folder, ["tuner={RandomSearch: {max_retries_per_trial: 1}}"])


def monitoring(monitor, mode="auto"):
    return [
        keras.callbacks.EarlyStopping(monitor, mode=mode),
        keras.callbacks.ReduceLROnPlateau(monitor, mode=mode),
        keras.callbacks.ModelCheckpoint("unused.keras", monitor, save_best_only=True, mode=mode),
    ]


@pytest.mark.parametrize(
    ("name", "mode"), [("elbo", "max"), ("val_reconstruction", "max"), ("val_kl", "min"), ("val_loss", "min")]
)
def test_the_direction_of_the_values_of_a_vae_is_known(name, mode):
    found = monitoring(name)
    trainer.set_modes(found, small_vae().directions)
    assert [callback.mode for callback in found] == [mode] * 3
    given = monitoring(name, "min")
    trainer.set_modes(given, small_vae().directions)
    assert [callback.mode for callback in given] == ["min"] * 3


@pytest.mark.parametrize("callback", monitoring("gradient_norm"), ids=lambda callback: type(callback).__name__)
def test_an_unknown_direction_is_refused_before_the_first_step(callback):
    vae = small_vae()
    with pytest.raises(ValueError, match="is 'gradient_norm' better higher or lower"):
        vae.fit(small_images(), callbacks=[callback], verbose=0)
    assert int(vae.optimizer.iterations) == 0


def test_a_yaml_with_an_unknown_direction_leaves_no_run(tmp_path):
    with pytest.raises(ValueError, match="Give mode: max or mode: min"):
        training.train(SMOKE, tmp_path / "run", [*TWO, "fit.callbacks=[{EarlyStopping: {monitor: val_elbow}}]"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["vae.h5", "vae.hdf5", "vae", "vae.tf"])
def test_a_vae_is_saved_to_what_can_be_loaded(tmp_path, name):
    with pytest.raises(ValueError, match=r"is saved to a file that ends in \.keras"):
        small_vae().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("change", "found"), [({"format": 2}, 2), ({}, 0)])
def test_a_model_of_another_format_is_refused(change, found):
    numbers = small_vae().get_config()
    numbers.pop("format")
    with pytest.raises(ValueError, match=f"^the saved VAE has format {found}, and this tfvae reads format 1"):
        tfvae.VAE.from_config(numbers | change)


def test_results_are_shown_before_they_are_written_and_the_write_is_tried_before_the_work(run, monkeypatch):
    monkeypatch.setattr(measures, "evidence", lambda *_: {"examples": 3, "values": [1.0, float("nan")]})
    shown = []
    training.evaluate(run, more=False, show=shown.append)
    assert shown[0]["examples"] == 3
    assert json.loads((run / "evaluation.json").read_text())["values"] == [1.0, None]

    def fails(*_):
        raise OSError("nothing can be written")

    monkeypatch.setattr(files, "write_json", fails)
    with pytest.raises(OSError):
        training.evaluate(run, more=False, show=shown.append)
    assert len(shown) == 2
    monkeypatch.setattr(files, "check", fails)
    for verb in (training.evaluate, training.plot):
        monkeypatch.setattr(finished_run, "load", lambda *_: pytest.fail("it had begun"))
        with pytest.raises(OSError):
            verb(run)
