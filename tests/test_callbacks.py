import keras
import pytest

from tests.models import small_images, small_vae
from tfvae import callbacks


def ended(vae, folder, *values):
    """`Checkpoints` of epochs that ended with these values; the optimizer's step is the epoch."""
    checkpoints = callbacks.Checkpoints(folder)
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
    saved = callbacks.latest(tmp_path / "new")
    assert saved.path.endswith("step-3") and saved.state["epoch"] == 3 and saved.state["best_epoch"] == 2


def test_nan_is_never_the_best(tmp_path):
    assert ended(small_vae(), tmp_path, float("nan")).best_epoch is None
    assert not (tmp_path / "best.keras").exists()


def test_where_no_checkpoint_is_whole_there_is_none(tmp_path):
    assert callbacks.latest(tmp_path) is None
    ended(small_vae(), tmp_path, -1.0)
    for path in tmp_path.glob("step-*.data*"):
        path.write_bytes(b"")
    assert callbacks.latest(tmp_path) is None


def test_a_value_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(ValueError, match="no value 'val_elbo' is logged"):
        small_vae().fit(small_images(), callbacks=[callbacks.Checkpoints(tmp_path)], verbose=0)
