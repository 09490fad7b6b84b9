import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests import members, processes
from tests.models import GRAPH, begin, dataset, linear_gaussian, small_images, small_vae, weights
from tfvae import likelihoods, networks, objectives, posteriors, preprocessing, priors


def test_shapes_of_everything():
    vae, images = small_vae(), small_images()
    assert vae.encode(images).batch_shape == (20,) and vae.encode(images).event_shape == (members.LATENT,)
    assert vae.decode(np.zeros((5, 4, members.LATENT), np.float32)).batch_shape == (5, 4)
    assert vae.decode(np.zeros((5, 4, members.LATENT), np.float32)).event_shape == members.IMAGE
    assert vae.sample(6).shape == (6, *members.IMAGE)
    assert vae.interpolate(images[:3], images[3:6], steps=5).shape == (3, 5, *members.IMAGE)
    assert vae.predict(images, verbose=0).shape == vae(images).shape == (20, *members.IMAGE)


def test_interpolation_ends_at_the_reconstructions():
    vae, images = small_vae(), small_images()
    path = vae.interpolate(images[:4], images[4:8], steps=3).numpy()
    np.testing.assert_allclose(path[:, 0], vae(images[:4]), atol=1e-6)
    np.testing.assert_allclose(path[:, -1], vae(images[4:8]), atol=1e-6)


def test_samples_follow_from_the_seed():
    one, two = small_vae(seed=1), small_vae(seed=1)
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(one.sample(5), two.sample(5))
    assert np.abs(one.sample(5) - one.sample(5)).max() > 0
    np.testing.assert_array_equal(one.sample(5, seed=[1, 2]), one.sample(5, seed=[1, 2]))


def test_latent_size_one():
    vae = small_vae(
        posterior=posteriors.DiagonalNormal(1), prior=priors.StandardNormal(1), decoder=networks.mlp(1, [8])
    )
    assert np.isfinite(vae.fit(small_images(), verbose=0).history["loss"][0])


def test_training_raises_the_elbo(digits):
    image = digits.shape[1:]
    vae = small_vae(
        encoder=networks.mlp(image, [32]), decoder=networks.mlp(3, [32]), likelihood=likelihoods.Bernoulli(image)
    )
    batches = dataset(digits[:200], 50)
    vae.adapt(batches)
    history = vae.fit(batches, validation_data=batches, epochs=3, verbose=0).history
    assert set(history) == {f"{p}{n}" for p in ("", "val_") for n in ("loss", "elbo", "reconstruction", "kl")}
    assert history["elbo"][-1] > history["elbo"][0] and history["val_elbo"][-1] > history["val_elbo"][0]
    np.testing.assert_allclose(history["elbo"], np.subtract(history["reconstruction"], history["kl"]), rtol=1e-5)
    np.testing.assert_allclose(history["loss"], np.negative(history["elbo"]), rtol=1e-5)  # beta is 1


def test_metrics_weigh_an_uneven_last_batch_by_its_size():
    vae, x, _ = linear_gaussian()
    vae.compile(run_eagerly=True)
    whole = vae.evaluate(dataset(x, 30), return_dict=True, verbose=0)
    uneven = vae.evaluate(dataset(x, 29), return_dict=True, verbose=0)
    assert uneven["kl"] == pytest.approx(whole["kl"], rel=1e-5)  # the KL is exact, the rest has noise


@pytest.mark.parametrize("compiled", [None, pytest.param(GRAPH, marks=pytest.mark.slow)], ids=["eagerly", "program"])
def test_regularisers_are_in_gradient_and_loss_not_in_the_elbo(compiled):
    def fitted(regulariser):
        begin(0)
        dense = keras.layers.Dense(16, kernel_regularizer=regulariser)
        encoder = keras.Sequential([keras.Input(members.IMAGE), keras.layers.Flatten(), dense])
        vae = small_vae(keras.optimizers.SGD(0.1), compiled=compiled, encoder=encoder)
        added = float(tf.add_n([0.0, *vae.losses]))  # to what is minimised in the only step
        return vae, added, vae.fit(small_images(10), epochs=1, verbose=0).history

    (plain, nothing, logs), (regular, added, other) = fitted(None), fitted(keras.regularizers.L2(1.0))
    assert nothing == 0 and added > 1
    assert other["loss"][0] == pytest.approx(logs["loss"][0] + added, rel=1e-5) and other["elbo"] == logs["elbo"]
    assert np.linalg.norm(regular.encoder.weights[0]) < np.linalg.norm(plain.encoder.weights[0])
    found = regular.evaluate(small_images(10), return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(float(regular.losses[0]) - found["elbo"], rel=1e-5)


@pytest.mark.slow
def test_steps_per_execution_changes_nothing():
    one, many = (small_vae(compiled={"steps_per_execution": n}) for n in (1, 3))
    many.set_weights(one.get_weights())
    for vae in (one, many):
        vae.fit(dataset(small_images(23), 5), epochs=2, verbose=0)  # five batches, the last of three
    np.testing.assert_allclose(weights(one), weights(many), atol=1e-6)


@pytest.mark.parametrize("compiled", [None, pytest.param(GRAPH, marks=pytest.mark.slow)], ids=["eagerly", "program"])
def test_mixed_precision_trains(compiled):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = small_vae(compiled=compiled)
        assert vae.encoder.layers[-1].compute_dtype == "float16"
    finally:
        keras.config.set_dtype_policy("float32")
    history = vae.fit(small_images(), epochs=5, verbose=0).history
    assert np.isfinite(history["loss"]).all() and vae.decode(np.zeros((1, 3), np.float32)).dtype == tf.float32


@pytest.mark.slow
def test_two_replicas_give_the_weights_of_one(two_replicas):
    batches = dataset(small_images(37), 8)  # the last batch has five examples: three and two

    def fitted(strategy):
        begin(0)
        with strategy.scope():
            vae = small_vae(keras.optimizers.SGD(0.05), compiled=GRAPH)
        vae.fit(batches, epochs=1, verbose=0)
        return weights(vae), vae.evaluate(batches, return_dict=True, verbose=0)

    (one, one_logs), (two, two_logs) = map(fitted, (tf.distribute.get_strategy(), two_replicas))
    np.testing.assert_allclose(one, two, atol=1e-6)
    for name, value in one_logs.items():
        assert two_logs[name] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["program", "XLA"])
def test_a_saved_model_continues_bit_for_bit(tmp_path, jit_compile):
    """Long: programs of the model that was saved, and of the one that was loaded."""
    batches = dataset(small_images(25), 5)
    vae = small_vae(compiled={"jit_compile": jit_compile}, objective=objectives.ELBO(beta=0.5, warmup_steps=8))
    vae.fit(batches, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert again.objective == vae.objective and int(again.optimizer.iterations) == 5
    for model in (vae, again):
        model.fit(batches, verbose=0)
    np.testing.assert_array_equal(weights(vae), weights(again))
    np.testing.assert_array_equal(vae.optimizer.variables[-1], again.optimizer.variables[-1])


def test_a_config_round_trip_gives_the_same_model():
    vae = small_vae(preprocessor=preprocessing.Rescale(0.0, 0.5), seed=7)
    again = tfvae.VAE.from_config(vae.get_config())
    assert again.get_config() == vae.get_config() and again.seed == 7


def digest(seed):
    """Of the weights and samples of a model that was trained for two epochs."""
    begin(seed)
    vae = small_vae(seed=seed)
    vae.fit(dataset(small_images(20), 5), epochs=2, verbose=0)
    return hashlib.sha256(weights(vae).tobytes() + vae.sample(3).numpy().tobytes()).hexdigest()


@processes.GROUP
def test_one_seed_gives_the_same_numbers_in_two_processes_and_another_does_not():
    """Long: three trainings."""
    other = processes.Python("-c", "from tests import test_model; print(test_model.digest(0))")
    assert digest(0) == other.communicate()[0].strip().splitlines()[-1] != digest(1)


GREY = np.random.default_rng(0).uniform(0.1, 0.9, (10, *members.IMAGE)).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: small_vae(likelihood=likelihoods.Bernoulli((8, 8, 3))),
            r"encoder takes shape \(8, 8, 1\), .* \(8, 8, 3\)",
        ),
        (lambda: small_vae(prior=priors.StandardNormal(4)), r"prior has latents of shape \(4,\), .* \(3,\)"),
        (lambda: small_vae(decoder=networks.mlp(5, [8])), r"decoder takes shape \(5,\), .* \(3,\)"),
        (
            lambda: small_vae(decoder=networks.conv(3, [4], output_shape=(16, 16, 1))),
            r"Bernoulli has events of shape \(8, 8, 1\), .* \(16, 16, 4\)",
        ),
        (
            lambda: small_vae().fit(np.zeros((5, 8, 8, 3), np.uint8)),
            r"\(5, 8, 8, 3\).*Bernoulli models events of shape",
        ),
        (lambda: small_vae(preprocessor=None).fit(small_images()), "x is uint8.*Bernoulli models floats.*Binarize"),
        (lambda: small_vae(preprocessor=None).fit(GREY), "Bernoulli models 0 and 1.*Identity, has values such as"),
        (lambda: small_vae(preprocessor=None).fit(dataset(GREY, 5)), "Bernoulli models 0 and 1"),
        (lambda: small_vae(preprocessor=None).evaluate(GREY), "Bernoulli models 0 and 1"),
        (lambda: small_vae().fit(GREY * np.nan), r"Binarize takes uint8 pixels or floats in \[0, 1\].*such as nan"),
        (lambda: small_vae().fit(GREY * 255), "Binarize takes uint8 pixels or floats"),
        (lambda: small_vae().fit(small_images().astype(np.int32)), "Binarize takes uint8 pixels or floats"),
        (
            lambda: small_vae().fit(small_images(), validation_data=dataset(np.zeros((5, 4, 4, 1), np.uint8), 5)),
            "4, 4, 1",
        ),
        (lambda: small_vae().fit(tf.data.Dataset.zip(dataset(GREY, 5), dataset(GREY, 5))), "more than images"),
        (lambda: small_vae().fit(small_images(), small_images(), verbose=0), "more than images"),
        (lambda: small_vae().fit(dataset(GREY, 5).take(0)), "empty"),
        (lambda: small_vae().decode(np.zeros((2, 4), np.float32)), r"z has shape \(2, 4\), but the latent size is 3"),
    ],
)
def test_what_does_not_fit_is_named_on_both_sides(make, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make()
