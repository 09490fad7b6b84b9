import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_images, small_vae
from tfvae import preprocessing, random

SEED = random.seed(0, random.Stream.TRAINING)


def test_binarize_draws_each_pixel_with_its_grey_value():
    grey = np.tile(np.arange(256, dtype=np.uint8), (4000, 1))
    for data in (grey, grey / np.float32(255)):
        drawn = preprocessing.Binarize()(data, training=True, seed=SEED).numpy()
        assert drawn.dtype == np.float32 and set(np.unique(drawn)) == {0, 1}
        mean, p = drawn.mean(axis=0), np.arange(256) / 255
        assert mean[0] == 0 and mean[255] == 1
        assert np.all(np.abs(mean - p) < 5 * np.sqrt(p * (1 - p) / 4000) + 1 / 512)


def test_binarize_draws_anew_each_step():
    grey = np.full((1, 1000), 128, np.uint8)
    one, two = (preprocessing.Binarize()(grey, training=True, seed=random.fold(SEED, i)).numpy() for i in range(2))
    assert 0.3 < np.mean(one == two) < 0.7


def test_binarize_thresholds_outside_training():
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    np.testing.assert_array_equal(preprocessing.Binarize()(grey), [[0, 0, 1, 1]])
    np.testing.assert_array_equal(preprocessing.Binarize()(np.array([[0, 0.49, 0.5, 1.0]], np.float32)), [[0, 0, 1, 1]])


@pytest.mark.parametrize("training", [False, True])
def test_black_and_white_pass_unchanged(training):
    pixels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (50, 28, 28, 1))
    np.testing.assert_array_equal(preprocessing.Binarize()(pixels, training=training, seed=SEED), pixels // 255)


def test_binarize_says_that_it_needs_a_seed():
    with pytest.raises(ValueError, match="call it with a seed"):
        preprocessing.Binarize()(small_images(), training=True)


def test_rescale():
    np.testing.assert_allclose(preprocessing.Rescale(-1.0, 1.0)(np.array([[0, 255]], np.uint8)), [[-1, 1]])
    np.testing.assert_allclose(preprocessing.Rescale()(np.array([[0, 0.5]], np.float32)), [[0, 0.5]])
    with pytest.raises(ValueError, match="low < high"):
        preprocessing.Rescale(1.0, 0.0)


def test_layers_that_hold_others_pass_the_seed_on():
    first = keras.Input(small_images().shape[1:], dtype="uint8")
    whole = keras.Sequential([first, keras.layers.Identity(), preprocessing.Binarize()])
    alone, inside = small_vae(), small_vae(preprocessor=whole)
    x = tf.constant(small_images())
    one, two = (vae.preprocess(x, training=True, seed=SEED) for vae in (alone, inside))
    np.testing.assert_array_equal(one, two)


def test_a_preprocessor_that_would_cast_pixels_is_refused():
    vae = small_vae(preprocessor=keras.Sequential([keras.layers.Identity(), preprocessing.Binarize()]))
    with pytest.raises(ValueError, match="takes float32, but the data is uint8"):
        vae.fit(small_images(), verbose=0)
