import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import GRAPH, begin, dataset, linear_gaussian, small_images, small_vae, weights
from tfvae import callbacks, config, figures, random, trainer, training
from tfvae.callbacks.snapshot import look

SMOKE = str(pathlib.Path(__file__).parent.parent / "configs" / "smoke.yaml")


def ended(vae, folder, *values, seconds=0):
    """`Checkpoints` of epochs that ended with these values; the optimizer's step is the epoch."""
    vae.optimizer.build(vae.trainable_variables)
    checkpoints = callbacks.Checkpoints(folder)
    checkpoints.seconds = seconds
    checkpoints.set_model(vae)
    checkpoints.on_train_begin()
    for epoch, value in enumerate(values):
        vae.optimizer.iterations.assign(epoch + 1)
        checkpoints.on_epoch_begin(epoch)
        checkpoints.on_epoch_end(epoch, {"val_elbo": value})
    return checkpoints


def test_the_best_and_the_last_two_are_kept(tmp_path):
    vae = small_vae()
    vae.fit(small_images(), verbose=0)
    checkpoints = ended(vae, tmp_path / "new", -3.0, -1.0, -2.0)
    assert checkpoints.best == -1.0 and checkpoints.best_epoch == 2
    assert int(keras.saving.load_model(tmp_path / "new" / "best.keras").optimizer.iterations) == 2
    assert sorted(path.name for path in (tmp_path / "new").glob("step-*.index")) == ["step-2.index", "step-3.index"]
    saved = callbacks.latest_checkpoint(tmp_path / "new")
    assert saved.path.endswith("step-3") and saved.state["epoch"] == 3 and saved.state["best_epoch"] == 2


def iterations(path):
    return int(keras.saving.load_model(path / "best.keras").optimizer.iterations)


def test_between_two_checkpoints_epochs_are_kept_in_memory(tmp_path):
    """The first is written at once; what is kept is written as it was, whatever the model has become."""
    vae = small_vae()
    checkpoints = ended(vae, tmp_path, -3.0, -1.0, -2.0, seconds=1e9)
    assert callbacks.latest_checkpoint(tmp_path).state["epoch"] == 1 and iterations(tmp_path) == 1
    kept = weights(vae)
    vae.set_weights([weight + 1 for weight in vae.get_weights()])
    vae.optimizer.iterations.assign(9)
    checkpoints.flush()
    saved = callbacks.latest_checkpoint(tmp_path)
    assert saved.path.endswith("step-3") and saved.state["epoch"] == 3 and saved.state["best_epoch"] == 2
    assert iterations(tmp_path) == 2
    np.testing.assert_array_equal(weights(vae), kept)
    checkpoints.flush()
    assert len(list(tmp_path.glob("step-*.index"))) == 2


def test_told_to_end_in_an_epoch_the_best_before_it_is_written_too(tmp_path):
    vae = small_vae()
    checkpoints = ended(vae, tmp_path, -3.0, -1.0, seconds=1e9)
    checkpoints.set_params({"steps": 5})
    checkpoints.on_epoch_begin(2)
    vae.optimizer.iterations.assign(7)
    checkpoints.terminate = True
    with pytest.raises(callbacks.Terminated):
        checkpoints.on_train_batch_end(0)
    saved = callbacks.latest_checkpoint(tmp_path)
    assert saved.path.endswith("step-7") and (saved.state["epoch"], saved.state["step"]) == (2, 1)
    assert iterations(tmp_path) == 2 and int(vae.optimizer.iterations) == 7


def test_the_epoch_before_one_that_is_not_finite_is_written(tmp_path):
    vae = small_vae()
    checkpoints = ended(vae, tmp_path, -3.0, -1.0, seconds=1e9)
    vae.optimizer.iterations.assign(3)
    with pytest.raises(callbacks.NotFinite, match="epoch 3 is not finite: val_elbo is nan"):
        checkpoints.on_epoch_end(2, {"val_elbo": float("nan")})
    assert callbacks.latest_checkpoint(tmp_path).state["epoch"] == 2 and iterations(tmp_path) == 2


def test_of_a_large_model_each_epoch_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tfvae.callbacks.checkpoints.MAX_NUMBERS", 100)
    ended(small_vae(), tmp_path, -3.0, -1.0, seconds=1e9)
    assert callbacks.latest_checkpoint(tmp_path).state["epoch"] == 2 and iterations(tmp_path) == 2


@pytest.mark.parametrize("compiled", [None, GRAPH])
def test_a_look_at_variables_keeps_what_they_were(compiled):
    vae = small_vae(compiled=compiled)
    finite, snapshot = look(vae, vae.weights)
    before = weights(vae)
    vae.set_weights([weight * np.nan for weight in vae.get_weights()])
    assert finite and not look(vae, vae.weights)[0]
    with snapshot.put_for_a_while():
        np.testing.assert_array_equal(weights(vae), before)
    assert np.isnan(weights(vae)).all()


def events(folder):
    """(split, step, name) -> value and kind, of TensorBoard's files."""
    found = {}
    for split in ("train", "validation"):
        (file,) = (folder / split).iterdir()
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[split, event.step, value.tag] = float(tf.make_ndarray(value.tensor)), str(value.metadata)
    return found


def test_curves_are_those_of_keras(tmp_path):
    writers = [
        keras.callbacks.TensorBoard(tmp_path / "keras", write_graph=False),
        callbacks.Scalars(tmp_path / "own"),
    ]
    images = small_images()
    small_vae().fit(images, epochs=2, validation_data=images, callbacks=writers, verbose=0)
    found = events(tmp_path / "own")
    assert found == events(tmp_path / "keras") and len(found) == 2 * (5 + 4 + 4)


def test_curves_are_written_under_a_strategy(two_replicas, tmp_path):
    """Where the optimizer's numbers are those of several replicas."""
    with two_replicas.scope():
        vae = small_vae()
        vae.optimizer.build(vae.trainable_variables)
    vae.optimizer.iterations.assign(7)
    writer = callbacks.Scalars(tmp_path)
    writer.set_model(vae)
    writer.on_test_end({"elbo": -2.0})
    writer.on_epoch_end(1, {"elbo": -3.0})
    writer.on_train_end()
    found = {name: value for name, (value, _) in events(tmp_path).items()}
    assert found.pop(("train", 1, "epoch_learning_rate")) == pytest.approx(1e-2)
    assert found == {("validation", 7, "evaluation_elbo_vs_iterations"): -2.0, ("train", 1, "epoch_elbo"): -3.0}


def test_nan_is_never_the_best(tmp_path):
    with pytest.raises(callbacks.NotFinite, match="epoch 1 is not finite: val_elbo is nan"):
        ended(small_vae(), tmp_path, float("nan"))
    assert not list(tmp_path.iterdir())


def test_where_no_checkpoint_is_whole_it_is_said(tmp_path):
    assert callbacks.latest_checkpoint(tmp_path) is None
    ended(small_vae(), tmp_path, -1.0)
    for path in tmp_path.glob("step-*.data*"):
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"no checkpoint in \S+ can be read: \S+/step-1.data-00000-of-00001 is damaged"
    ):
        callbacks.latest_checkpoint(tmp_path)


def test_a_value_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(ValueError, match="no value 'val_elbo' is logged"):
        small_vae().fit(small_images(), callbacks=[callbacks.Checkpoints(tmp_path)], verbose=0)


def deaf():
    """A VAE whose decoder ignores z."""
    z = keras.Input([members.LATENT])
    features = keras.layers.Dense(4)(keras.layers.Rescaling(0.0)(z))
    return small_vae(keras.optimizers.Adam(0.05), compiled=GRAPH, decoder=keras.Model(z, features))


def healthy(learning_rate=0.0, run_eagerly=True):
    """A linear model with its exact posterior, and data drawn from it."""
    vae, x, _ = linear_gaussian()
    vae.compile(keras.optimizers.SGD(learning_rate), jit_compile=False, run_eagerly=run_eagerly)
    return vae, x


def test_collapse_is_named_once_where_the_decoder_ignores_z(capsys):
    vae, images = deaf(), small_images()
    vae.fit(images, epochs=41, callbacks=[callbacks.Watch(every=20, patience=2, data=images)], verbose=0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("posterior collapse: after epoch 21 ") and "0 of 3 latent units" in line
    for remedy in ("warm-up", "free bits", "lower beta", "less powerful decoder"):
        assert remedy in line


def test_a_healthy_vae_is_watched_in_silence(capsys, tmp_path):
    vae, x = healthy()
    logs = vae.fit(x, epochs=3, callbacks=[callbacks.Watch(patience=1, data=x, folder=tmp_path)], verbose=0).history
    assert capsys.readouterr().err == ""
    assert logs["active_units"] == [2.0] * 3 and logs["nonfinite_gradients"] == [0.0] * 3
    assert logs["gradient_norm"][0] == logs["gradient_norm"][2] > 0  # the same weights, the same noise
    (file,) = (tmp_path / "tensorboard" / "watch").iterdir()
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(file)) for value in event.summary.value}
    assert tags == {"kl_per_unit", "kl_per_unit/00", "kl_per_unit/01"}


def test_the_norm_is_that_of_the_gradient():
    """By a program, as users have it."""
    vae, x = healthy(run_eagerly=False)
    watch = callbacks.Watch(data=x)
    vae.fit(x, callbacks=[watch], verbose=0)
    _, gradients = vae.gradients(x, random.seed(vae.seed, random.Stream.EVALUATION), tf.constant(len(x)))
    norm = np.sqrt(sum(float(tf.reduce_sum(tf.convert_to_tensor(g) ** 2)) for g in gradients))
    np.testing.assert_allclose(watch.gradient_norm, norm, rtol=1e-5)


def test_gradients_that_are_not_finite_are_counted():
    vae, x = healthy()
    vae.likelihood.set_weights([np.full_like(w, np.nan) for w in vae.likelihood.get_weights()])
    watch = callbacks.Watch(data=x)
    vae.fit(x, callbacks=[watch], verbose=0)
    assert watch.nonfinite_gradients > 0 and not np.isfinite(watch.gradient_norm)


def normalised(compiled, seed=0):
    """Has moving averages, which a gradient in training mode would move."""
    begin(seed)
    x = keras.Input(members.IMAGE)
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8)(keras.layers.Flatten()(x)))
    return small_vae(compiled=compiled, encoder=keras.Model(x, hidden))


@pytest.mark.parametrize("compiled", [None, pytest.param(GRAPH, marks=pytest.mark.slow)], ids=["eagerly", "programs"])
def test_watching_changes_nothing_that_is_trained(compiled):
    images, trained = small_images(), []
    for watching in ([], [callbacks.Watch(data=images)]):
        vae = normalised(compiled)
        vae.fit(images, epochs=2, batch_size=5, callbacks=watching, verbose=0)
        trained.append(weights(vae))
    np.testing.assert_array_equal(*trained)


def test_between_looks_the_last_values_are_repeated():
    vae, x = healthy(1e-3)
    norms = vae.fit(x, epochs=4, callbacks=[callbacks.Watch(every=3, data=x)], verbose=0).history["gradient_norm"]
    assert norms[0] == norms[1] == norms[2] != norms[3]


def test_steps_stay_fused(tmp_path):
    vae, images = small_vae(compiled=GRAPH), small_images()
    looking = [callbacks.Watch(data=images), callbacks.Pictures(data=images, folder=tmp_path)]
    assert trainer.choose_group_size(vae, images, 5, looking) > 1


@pytest.mark.slow
def test_two_replicas_are_watched(two_replicas):
    with two_replicas.scope():
        vae = small_vae(compiled=GRAPH)
    images = small_images()
    watch = callbacks.Watch(data=images)
    vae.fit(dataset(images, 10), callbacks=[watch], verbose=0)
    alone = small_vae(compiled=GRAPH)
    alone.set_weights(vae.get_weights())
    seen = callbacks.Watch(data=images)
    alone.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    alone.fit(images, callbacks=[seen], verbose=0)
    assert watch.active_units == seen.active_units
    np.testing.assert_allclose(watch.gradient_norm, seen.gradient_norm, rtol=1e-4)


def test_pictures_are_kept_each_few_epochs(tmp_path):
    vae, images = small_vae(), small_images()
    pictures = callbacks.Pictures(every=2, data=images, folder=tmp_path)
    vae.fit(images, epochs=5, callbacks=[pictures], verbose=0)
    kept = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert kept == [f"epoch_000{n}.png" for n in (1, 2, 4, 5)]
    (file,) = (tmp_path / "tensorboard" / "pictures").iterdir()
    steps = [event.step for event in tf.compat.v1.train.summary_iterator(str(file)) if event.summary.value]
    assert steps == [0, 1, 3, 4]


def test_pictures_of_vectors_are_none(tmp_path, capsys):
    vae, x = healthy()
    vae.fit(x, callbacks=[callbacks.Pictures(data=x, folder=tmp_path)], verbose=0)
    assert "Pictures draws nothing: x has shape (4,)" in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


def test_without_data_or_folder_they_say_what_to_do(tmp_path):
    vae, images = small_vae(), small_images()
    with pytest.raises(ValueError, match=r"make it as Watch\(data=x\)"):
        vae.fit(images, callbacks=[callbacks.Watch()], verbose=0)
    with pytest.raises(ValueError, match="Pictures has no folder"):
        vae.fit(images, callbacks=[callbacks.Pictures(data=images)], verbose=0)
    with pytest.raises(ValueError, match="patience must be 1 or more"):
        callbacks.Watch(patience=0)


class InARun(keras.callbacks.Callback):
    """Of one's own; is told of the run by the protocol alone."""

    seen = None

    def in_run(self, run, batch, validation=None):
        InARun.seen = run, batch.shape[1:], validation is not None


def test_a_callback_of_ones_own_is_told_of_its_run(tmp_path):
    """Trains a run of one step."""
    assert isinstance(callbacks.Watch(), callbacks.InRun) and not isinstance(callbacks.EpochLines(), callbacks.InRun)
    own = "fit={epochs: 1, callbacks: [{tests.test_callbacks.InARun: }]}"
    few = ["data.train=train[:20]", "data.validation=train[500:520]", "compile={run_eagerly: true, jit_compile: false}"]
    training.train(SMOKE, tmp_path / "run", [*few, own])
    assert InARun.seen == (tmp_path / "run", (28, 28, 1), True)


LOOKING = ("data.train=train[:100]", "fit.epochs=3", "fit.callbacks=[{Watch: {every: 2}}, {Pictures: {every: 1}}]")


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_pictures_and_logs(tmp_path, monkeypatch):
    run, real = tmp_path / "run", callbacks.Checkpoints._save

    def ended(self, epoch, step):
        if epoch == 3:
            raise KeyboardInterrupt
        real(self, epoch, step)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(callbacks.Checkpoints, "_save", ended)
        training.train(SMOKE, run, LOOKING)
    (run / "pictures" / "epoch_0003.png").unlink()
    before = (run / "pictures" / "epoch_0001.png").stat().st_mtime_ns
    training.train(SMOKE, run, LOOKING, resume=True)
    assert sorted(path.name for path in (run / "pictures").iterdir()) == [f"epoch_000{n}.png" for n in (1, 2, 3)]
    assert (run / "pictures" / "epoch_0001.png").stat().st_mtime_ns == before
    logged = figures.history(run / "history.csv")
    assert np.isfinite(logged["gradient_norm"]).all() and len(logged["active_units"]) == 3
    assert logged["gradient_norm"][0] == logged["gradient_norm"][1]


def test_a_yaml_names_them_and_a_mistake_is_a_config_error():
    experiment = config.read(SMOKE, LOOKING)
    watch, pictures = config.callbacks(experiment)
    assert (type(watch), watch.every, type(pictures)) == (callbacks.Watch, 2, callbacks.Pictures)
    with pytest.raises(config.ConfigError, match=r"fit.callbacks\[0\].Pictures: every must be 1 or more"):
        config.read(SMOKE, ["fit.callbacks=[{Pictures: {every: 0}}]"])
