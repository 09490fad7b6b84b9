import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import linear_gaussian, small_images, small_vae
from tfvae import serving

ROOT = pathlib.Path(__file__).parent.parent
CHECK = [sys.executable, str(ROOT / "export" / "check.py")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    vae, folder = small_vae(), tmp_path_factory.mktemp("models")
    return vae, folder, serving.export(vae, folder)


def test_the_session_loader_gives_the_models_answers(exported):
    done = subprocess.run([*CHECK, str(exported[1])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "all answers are the model's" in done.stdout
    for signature in ("encode", "sample", "decode", "generate", "score", "reconstruct", "serving_default"):
        assert f" {signature} " in done.stdout


def test_the_check_sees_a_difference(exported, tmp_path):
    serving.export(exported[0], tmp_path)
    path = tmp_path / "decoder" / "1" / "assets.extra" / "check.npz"
    with np.load(path) as file:
        stored = dict(file)
    stored["decode/outputs/mean"] = stored["decode/outputs/mean"] + 1e-3
    np.savez(path, **stored)
    done = subprocess.run([*CHECK, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1 and "DIFFERS" in done.stdout


def test_the_check_names_a_missing_servable(tmp_path):
    done = subprocess.run([*CHECK, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ")


def test_signatures(exported):
    vae, _, paths = exported
    images = tf.constant(small_images(6))
    encoder, decoder, scorer = (tf.saved_model.load(str(paths[name])) for name in ("encoder", "decoder", "scorer"))
    encoded = encoder.signatures["encode"](x=images)
    np.testing.assert_allclose(encoded["mean"], vae.encode(images).mean(), atol=1e-5)
    np.testing.assert_allclose(encoded["stddev"], vae.encode(images).stddev(), atol=1e-5)
    seed = tf.constant([3, 4])
    np.testing.assert_allclose(
        encoder.signatures["sample"](x=images, seed=seed)["z"], vae.encode(images).sample(seed=seed), atol=1e-5
    )
    z = tf.random.stateless_normal((6, members.LATENT), [0, 0])
    np.testing.assert_allclose(decoder.signatures["serving_default"](z=z)["mean"], vae.decode(z).mean(), atol=1e-5)
    drawn = decoder.signatures["generate"](count=tf.constant(5), seed=seed)["samples"]
    np.testing.assert_allclose(drawn, vae.sample(5, seed=seed), atol=1e-5)
    score = scorer.signatures["score"](x=images, seed=seed)
    np.testing.assert_allclose(score["elbo"], score["reconstruction"] - score["kl"], rtol=1e-5)
    assert score["elbo"].shape == (6,)
    np.testing.assert_allclose(scorer.signatures["reconstruct"](x=images)["mean"], vae(images), atol=1e-5)


def test_one_seed_is_one_answer_and_another_another(exported):
    generate = tf.saved_model.load(str(exported[2]["decoder"])).signatures["generate"]
    one, same, other = (
        generate(count=tf.constant(4), seed=tf.constant(s))["samples"] for s in ([0, 1], [0, 1], [0, 2])
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_versions_are_numbered_and_never_overwritten(tmp_path):
    vae, _, _ = linear_gaussian()
    for version in ("1", "2"):
        assert {path.name for path in serving.export(vae, tmp_path).values()} == {version}
    (tmp_path / "encoder" / "7").mkdir()
    assert {path.name for path in serving.export(vae, tmp_path).values()} == {"8"}


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    vae, _, _ = linear_gaussian()
    save, saved = serving._save, []

    def failing(path, *arguments):
        if saved:
            raise OSError("disk full")
        saved.append(path)
        save(path, *arguments)

    monkeypatch.setattr(serving, "_save", failing)
    with pytest.raises(OSError, match="disk full"):
        serving.export(vae, tmp_path)
    assert os.listdir(tmp_path) == []
