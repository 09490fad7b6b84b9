import keras
import pytest

from tests.models import small_images, small_vae
from tfvae import callbacks


def test_best_and_last_are_kept(tmp_path):
    vae = small_vae()
    vae.fit(small_images(), verbose=0)
    checkpoints = callbacks.Checkpoints(tmp_path / "new")
    checkpoints.set_model(vae)
    for epoch, value in enumerate([-3.0, -1.0, -2.0]):
        vae.optimizer.iterations.assign(epoch)
        checkpoints.on_epoch_end(epoch, {"val_elbo": value})
    assert checkpoints.best == -1.0 and checkpoints.best_epoch == 2
    steps = {
        name: int(keras.saving.load_model(tmp_path / "new" / f"{name}.keras").optimizer.iterations)
        for name in ("best", "last")
    }
    assert steps == {"best": 1, "last": 2}


def test_nan_is_never_the_best(tmp_path):
    vae = small_vae()
    checkpoints = callbacks.Checkpoints(tmp_path)
    checkpoints.set_model(vae)
    checkpoints.on_epoch_end(0, {"val_elbo": float("nan")})
    assert checkpoints.best_epoch is None and not (tmp_path / "best.keras").exists()


def test_a_value_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(ValueError, match="no value 'val_elbo' is logged"):
        small_vae().fit(small_images(), callbacks=[callbacks.Checkpoints(tmp_path)], verbose=0)
