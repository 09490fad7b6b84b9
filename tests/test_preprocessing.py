import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import small_images, small_vae
from tfvae import likelihoods, preprocessing, random

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


# the view that a VAE has of any layer


@keras.saving.register_keras_serializable("tests")
class Jitter(preprocessing.Preprocessor):
    """Adds noise in training; it takes whatever is below `MOST`."""

    MOST = 300.0
    data_dtype = "uint8"
    bounds = (0.0, 2.0)
    domain = "numbers below 300"

    def support(self, data):
        return tf.cast(data, tf.float32) < self.MOST

    def preprocess(self, data, training=False, seed=None):
        x = self(data, training=training)
        return x + random.uniform(tf.shape(x), seed) if training else x

    def call(self, data):
        return tf.cast(data, tf.float32) / 255


@keras.saving.register_keras_serializable("tests")
class Seeded(keras.layers.Layer):
    """A layer that is no `Preprocessor`, whose call takes a seed."""

    def call(self, data, training=False, seed=None):
        x = tf.cast(data, tf.float32) / 255
        return x + random.uniform(tf.shape(x), seed) if training else x


def test_a_preprocessor_of_ones_own_draws_noise_and_says_what_it_takes(tmp_path):
    vae = small_vae(preprocessor=Jitter(), likelihood=likelihoods.Normal(members.IMAGE))
    images = tf.constant(small_images())
    assert vae.data_dtype == "uint8" and vae.preprocessor_view.bounds == (0.0, 2.0)
    plain = vae.preprocess(images)
    np.testing.assert_array_equal(
        vae.preprocess(images, training=True, seed=SEED), plain + random.uniform(tf.shape(plain), SEED)
    )
    with pytest.raises(ValueError, match="the preprocessor Jitter takes numbers below 300, but the data has values"):
        vae.fit(301 * np.ones((5, *members.IMAGE), np.float32), verbose=0)
    vae.fit(small_images(), verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), vae.predict(images, verbose=0))


@pytest.mark.parametrize("make", [Seeded, lambda: keras.Sequential([keras.Sequential([Seeded()])])])
def test_any_layer_whose_call_takes_a_seed_is_handed_it(make):
    vae = small_vae(preprocessor=make(), likelihood=likelihoods.Normal(members.IMAGE))
    images = (small_images() / 255).astype(np.float32)
    one, two = (vae.preprocess(images, training=True, seed=random.fold(SEED, i)) for i in range(2))
    assert np.abs(one - two).max() > 0.1
    np.testing.assert_array_equal(one, vae.preprocess(images, training=True, seed=random.fold(SEED, 0)))


def test_noise_within_a_model_that_hands_on_no_seed_is_refused():
    first = keras.Input(members.IMAGE, dtype="uint8")
    functional = keras.Model(first, preprocessing.Binarize()(first))
    with pytest.raises(ValueError, match=r"the preprocessor Functional holds Binarize, .*into a keras\.Sequential"):
        small_vae(preprocessor=functional)


def test_a_layer_of_keras_promises_nothing():
    view = preprocessing.view_layer(keras.layers.Rescaling(2.0))
    assert view.bounds == (None, None) and view.declared_dtype is None and view.data_dtype == "float32"
    assert view.support(tf.zeros(3)) is None and view.remark(tf.zeros(3)) is None
    np.testing.assert_array_equal(view.preprocess(tf.ones(3), True, SEED), [2, 2, 2])


def test_a_preprocessor_that_defines_its_call_alone_promises_nothing():
    """A VAE takes it as it does a layer of Keras."""

    class Doubled(preprocessing.Preprocessor):
        def call(self, data):
            return 2 * data

    layer, data = Doubled(), tf.ones([2, 3])
    assert layer.bounds == (None, None) and layer.data_dtype == "float32" and layer.domain == "finite numbers"
    assert layer.support(data) is None and layer.remark(data) is None and layer.adapt(data) is None
    for training in (False, True):
        np.testing.assert_array_equal(layer.preprocess(data, training, SEED), 2 * data)
    view = preprocessing.view_layer(layer)
    assert view.bounds == (None, None) and view.support(data) is None
    np.testing.assert_array_equal(view.preprocess(data, True, SEED), 2 * data)
