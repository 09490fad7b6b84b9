"""A conditional VAE trains, evaluates, samples, is saved and drawn like the rest; test_serving exports one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests import members
from tests.models import GRAPH, begin, dataset, small_images, small_vae, weights
from tfvae import data, evaluation, figures, likelihoods, networks, posteriors, priors

K = members.CONDITION
LABELS = np.arange(20) % K


def conditional(**parts):
    """A small VAE of images given one of four labels."""
    return small_vae(
        **{
            "encoder": networks.mlp(members.IMAGE, [16], "tanh", condition_size=K),
            "decoder": networks.mlp(members.LATENT, [16], "tanh", condition_size=K),
            "condition_size": K,
        }
        | parts
    )


def pairs(batch_size=7, labels=LABELS):
    return dataset((small_images(), labels), batch_size)


@pytest.mark.parametrize(
    "prior",
    ["ConditionalNormal", *(pytest.param(name, marks=pytest.mark.slow) for name in ("StandardNormal", "VampPrior"))],
)
def test_trains_evaluates_samples_and_is_saved(prior, tmp_path):
    """All that a model can do; eagerly by default."""
    made = {
        "StandardNormal": lambda: priors.StandardNormal(members.LATENT),
        "ConditionalNormal": lambda: priors.ConditionalNormal(members.LATENT, K),
        "VampPrior": lambda: priors.VampPrior(members.LATENT, members.IMAGE, 5, condition_size=K),
    }[prior]()
    vae = conditional(prior=made, compiled=None if prior == "ConditionalNormal" else GRAPH)
    vae.adapt(pairs())
    history = vae.fit(pairs(), validation_data=pairs(), epochs=2, verbose=0).history
    assert np.isfinite(history["val_elbo"]).all()
    assert len(evaluation.log_marginal(vae, pairs(), samples=3).values) == 20
    assert len(evaluation.elbo_terms(vae, (small_images(), LABELS))["elbo"].values) == 20
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(again.predict(pairs(), verbose=0), vae.predict(pairs(), verbose=0))
    seed = tf.constant([1, 2])
    np.testing.assert_array_equal(again.sample(8, LABELS[:8], seed), vae.sample(8, LABELS[:8], seed))


def test_the_condition_is_seen_by_encoder_decoder_and_prior():
    vae = conditional(prior=priors.ConditionalNormal(members.LATENT, K))
    images, seed = small_images(), tf.constant([1, 2])
    one, other = (vae.encode((images, np.full(20, label))).mean() for label in (0, 1))
    assert np.abs(one - other).max() > 1e-3
    z = np.zeros((1, members.LATENT), np.float32)
    one, other = (vae.decode(z, tf.one_hot([label], K)).mean() for label in (0, 1))
    assert np.abs(one - other).max() > 1e-3
    one, other = (vae.prior.distribution(tf.one_hot([label], K)).mean() for label in (0, 1))
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(vae.sample(5, 0, seed) - vae.sample(5, 1, seed)).max() > 1e-3


def test_labels_are_one_hot_vectors_and_one_stands_for_all():
    vae, seed = conditional(), tf.constant([1, 2])
    hot = np.eye(K, dtype=np.float32)
    for condition in (2, hot[2], np.full(6, 2), hot[np.full(6, 2)]):
        np.testing.assert_array_equal(vae.sample(6, condition, seed), vae.sample(6, [2] * 6, seed))
    images = small_images()
    np.testing.assert_array_equal(vae((images, LABELS)), vae((images, hot[LABELS])))
    logs = [vae.evaluate(images, y, return_dict=True, verbose=0) for y in (LABELS, hot[LABELS], LABELS[:, None])]
    assert logs[0] == logs[1] == logs[2]
    assert vae.evaluate(images, LABELS, batch_size=20, return_dict=True, verbose=0)["kl"] == pytest.approx(
        vae.evaluate(pairs(20), return_dict=True, verbose=0)["kl"]
    )


def test_draws_follow_their_conditions():
    vae = conditional(prior=priors.ConditionalNormal(members.LATENT, K))
    drawn = evaluation.draws(vae, 700, [0] * 600 + [1] * 100)  # in two chunks
    assert drawn.shape == (700, *members.IMAGE)
    for condition, part in ((0, drawn[:600]), (1, drawn[600:])):
        expected = vae.sample(2000, condition).numpy().mean(axis=0)
        assert (np.abs(part.mean(axis=0) - expected) < 5 * np.sqrt(0.25 / len(part) + 0.25 / 2000)).all()


def test_interpolation_ends_at_the_reconstructions():
    vae, images = conditional(), small_images()
    first, second = (images[:3], LABELS[:3]), (images[3:6], LABELS[3:6])
    between = vae.interpolate(first, second, steps=5)
    assert between.shape == (3, 5, *members.IMAGE)
    np.testing.assert_allclose(between[:, 0], vae(first), atol=1e-6)
    np.testing.assert_allclose(between[:, -1], vae(second), atol=1e-6)


@pytest.mark.slow
def test_two_replicas_give_the_weights_of_one(two_replicas):
    def fitted(strategy):
        begin(0)
        with strategy.scope():
            vae = conditional(optimizer=keras.optimizers.SGD(0.05))
        vae.fit(pairs(8), verbose=0)
        return weights(vae)

    np.testing.assert_allclose(*map(fitted, (tf.distribute.get_strategy(), two_replicas)), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["conv", "gated_mlp", "resnet"])
def test_other_networks(network):
    vae = conditional(
        encoder=members.ENCODERS[network](condition_size=K), decoder=members.DECODERS[network](condition_size=K)
    )
    assert np.isfinite(vae.fit(pairs(), verbose=0).history["elbo"]).all()


def test_drawn():
    vae = conditional(prior=priors.ConditionalNormal(members.LATENT, K))
    assert figures.samples(vae, 2, K, condition=np.eye(K, dtype=np.float32)).axes
    assert figures.reconstructions(vae, (small_images(), LABELS)).axes


@pytest.mark.slow
def test_labels_help_digits():
    train = data.load("digits", "train[:500]", condition="label", shuffle=False)
    assert [spec.shape for spec in train.element_spec] == [(100, 28, 28, 1), (100, 10)]
    image = (28, 28, 1)

    def reconstruction(condition_size, loaded):
        begin(0)
        vae = tfvae.VAE(
            preprocessor=tfvae.preprocessing.Binarize(),
            encoder=networks.mlp(image, [64], condition_size=condition_size),
            posterior=posteriors.DiagonalNormal(1),
            prior=priors.StandardNormal(1),
            decoder=networks.mlp(1, [64], condition_size=condition_size),
            likelihood=likelihoods.Bernoulli(image),
            condition_size=condition_size,
        )
        vae.adapt(loaded)
        vae.compile(keras.optimizers.Adam(3e-3))
        return vae.fit(loaded, epochs=15, verbose=0).history["elbo"][-1]

    assert reconstruction(10, train) > reconstruction(0, train.map(lambda x, c: x)) + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small_vae(condition_size=K), r"encoder takes conditions of shape \(0,\), .* \(4,\)"),
        (lambda: conditional(condition_size=0), r"encoder takes conditions of shape \(4,\), .* \(0,\)"),
        (lambda: conditional().fit(small_images(), verbose=0), "the VAE is conditional: its data are pairs"),
        (lambda: conditional().fit(dataset(small_images(), 5), verbose=0), "the VAE is conditional"),
        (lambda: conditional().encode(small_images()), "the VAE is conditional"),
        (
            lambda: conditional().fit(pairs(labels=np.ones((20, 3), np.float32))),
            r"\(7, 3\), but the VAE takes \[B, 4\]",
        ),
        (lambda: conditional().fit(pairs(labels=np.full((20, K), np.nan, np.float32))), "not finite"),
        (lambda: conditional().fit(pairs(labels=LABELS + 1), verbose=0), "below 4"),
        (lambda: conditional().decode(np.zeros((1, 3), np.float32)), "conditions of size 4, but decode was given none"),
        (lambda: small_vae().decode(np.zeros((1, 3), np.float32), np.eye(1, K)), "takes no conditions, .* given some"),
        (lambda: small_vae().sample(3, 1), "its condition_size is 0"),
        (lambda: conditional().sample(3, 4), "below 4"),
        (lambda: conditional().sample(3), "conditions of size 4"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=f"(?s){message}"):
        make()
