"""Latents that are arranged as maps: vectors to all but the posterior's projection and the decoder's network."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import small_images, small_vae
from tfvae import config, evaluation, likelihoods, networks, posteriors, priors

MAPS = (2, 2, 3)  # of an image [8, 8, 1] after two strides
POSTERIORS = [posteriors.DiagonalNormal, posteriors.Deterministic]
NETWORKS = [networks.conv, networks.resnet]


def maps_vae(network=networks.conv, **parts):
    """A VAE whose encoder gives maps and whose decoder takes them."""
    ours = {
        "encoder": network(members.IMAGE, [4, 5], maps=True),
        "posterior": posteriors.DiagonalNormal(MAPS),
        "prior": priors.StandardNormal(MAPS),
        "decoder": network(MAPS, [4, 5], output_shape=members.IMAGE),
    }
    return small_vae(**ours | parts)


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("kind", POSTERIORS)
def test_maps_are_projected_position_by_position(kind):
    posterior, features = kind(MAPS), noise(5, 2, 2, 7)
    posterior.build((None, 2, 2, 7))
    found = posterior(features)
    assert found.event_shape == (12,) and found.batch_shape == (5,)
    kernel, bias = posterior.projection.get_weights()
    raw = np.split(features @ kernel + bias, posterior.parameters, axis=-1)
    np.testing.assert_allclose(posterior.center(found), raw[0].reshape(5, 12), rtol=1e-5, atol=1e-6)
    swapped = posterior(features[:, ::-1])  # positions change places, and nothing else
    center = tf.reshape(posterior.center(found), (5, *MAPS))
    np.testing.assert_allclose(tf.reshape(posterior.center(swapped), (5, *MAPS)), center[:, ::-1], rtol=1e-5)


@pytest.mark.parametrize("kind", POSTERIORS)
def test_flat_features_give_the_same_as_a_vector_posterior(kind):
    arranged, vector, features = kind(MAPS), kind(12), noise(5, 7)
    for posterior in (arranged, vector):
        posterior.build((None, 7))
    arranged.set_weights(vector.get_weights())
    np.testing.assert_array_equal(arranged.center(arranged(features)), vector.center(vector(features)))


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_of_images_give_and_take_maps(network):
    encoder = network(members.IMAGE, [4, 5], units=[6], maps=True)
    assert encoder.output_shape == (None, 2, 2, 6)
    decoder = network(MAPS, [4, 5], units=[6], output_shape=members.IMAGE)
    assert decoder.input_shape == (None, *MAPS) and decoder.output_shape == (None, 8, 8, 4)
    given = network(MAPS, [4, 5], output_shape=members.IMAGE, condition_size=3)
    assert given.output_shape == decoder.output_shape
    with pytest.raises(ValueError, match=re.escape("latents of shape (3, 3, 2) are no maps of height and width 2 x 2")):
        network([3, 3, 2], [4, 5], output_shape=members.IMAGE)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_vae_of_maps_trains_and_is_saved_and_its_latents_are_vectors(network, tmp_path):
    vae, images = maps_vae(network), small_images()
    history = vae.fit(images, batch_size=10, epochs=2, verbose=0).history
    assert np.isfinite(history["elbo"]).all()
    assert vae.encode(images).event_shape == (12,) and vae.sample(3).shape == (3, 8, 8, 1)
    z = noise(2, 4, 12)
    whole = vae.decode(z).mean()
    assert whole.shape == (2, 4, 8, 8, 1)
    one = vae.likelihood(vae.decoder(z[1].reshape(4, *MAPS))).mean()
    np.testing.assert_allclose(whole[1], one, rtol=1e-5)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert again.posterior.arrangement == again.prior.arrangement == MAPS
    np.testing.assert_array_equal(again.decode(z).mean(), whole)
    assert np.isfinite(evaluation.log_marginal(vae, images, samples=3).mean)


def test_an_mlp_takes_maps_as_a_vector():
    vae = maps_vae(encoder=networks.mlp(members.IMAGE, [8]), decoder=networks.mlp(12, [8]))
    assert vae(small_images(2)).shape == (2, 8, 8, 1)
    assert maps_vae(decoder=networks.mlp(MAPS, [8])).sample(2).shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"posterior": posteriors.DiagonalNormal(12)}, "maps of shape (2, 2, 5), but latents are vectors"),
        (
            {"posterior": posteriors.DiagonalNormal((3, 4, 1))},
            "maps of shape (2, 2, 5), but latents are arranged as (3, 4, 1)",
        ),
        (
            {"decoder": networks.conv((2, 2, 4), [4, 5], output_shape=members.IMAGE)},
            "decoder takes shape (2, 2, 4), but the prior shows the decoder latents of shape (2, 2, 3)",
        ),
        ({"prior": priors.StandardNormal(11)}, "prior has latents of shape (11,)"),
        ({"posterior": posteriors.FullNormal(MAPS)}, "latents are vectors, but the posterior gives latents of shape"),
    ],
)
def test_what_does_not_fit_is_named(parts, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        maps_vae(**parts)


@pytest.mark.parametrize("network", ["conv", "resnet"])
def test_a_yaml_says_the_arrangement_once(network):
    """As the latent size."""
    experiment = config.from_keys(
        {
            "seed": 0,
            "data": {"name": "digits", "train": "train", "validation": "test", "batch_size": 10},
            "preprocessor": {"Binarize": None},
            "latent_size": [7, 7, 2],
            "encoder": {network: {"filters": [4, 5]}},
            "posterior": {"DiagonalNormal": None},
            "prior": {"StandardNormal": None},
            "decoder": {network: {"filters": [4, 5]}},
            "likelihood": {"Bernoulli": None},
            "objective": {"ELBO": None},
            "optimizer": {"Adam": None},
            "fit": {"epochs": 1},
        }
    )
    vae = config.compiled_vae(experiment, tf.TensorSpec([None, 28, 28, 1], tf.uint8))
    assert vae.encoder.output_shape == (None, 7, 7, 5) and vae.decoder.input_shape == (None, 7, 7, 2)
    assert vae.posterior.event_shape == vae.prior.event_shape == (98,)
    assert isinstance(vae.likelihood, likelihoods.Bernoulli)
