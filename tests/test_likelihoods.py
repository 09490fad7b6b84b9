import numpy as np
import pytest
import tensorflow as tf

from tfvae import likelihoods, priors

IMAGE = (4, 4, 3)


def built(layer):
    layer.build((None, 8))
    return layer


@pytest.mark.parametrize("scale_shape", [[], [3], [1, 1, 3], [4, 4, 3]])
@pytest.mark.parametrize("kind", [likelihoods.Normal, likelihoods.Laplace])
def test_a_learned_scale_starts_where_it_is_told(kind, scale_shape):
    layer = built(kind(IMAGE, scale=0.3, scale_shape=scale_shape))
    ratio = 1.0 if kind is likelihoods.Normal else np.sqrt(2)  # of a Laplace's standard deviation to its scale
    np.testing.assert_allclose(layer(tf.zeros((2, 8))).stddev(), np.full((2, *IMAGE), 0.3 * ratio), rtol=1e-5)
    assert layer.log_ratio.shape == tuple(scale_shape)


def test_a_learned_scale_finds_the_spread_of_the_data():
    layer = built(likelihoods.Normal((2,), scale_shape=[2]))
    x = tf.constant(np.random.default_rng(0).normal(size=(5000, 2)) * [0.2, 3.0], tf.float32)
    for _ in range(300):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(tf.zeros((1, 8))).log_prob(x))
        layer.log_ratio.assign_sub(0.1 * tape.gradient(loss, layer.log_ratio.value))
    np.testing.assert_allclose(layer.learned_scale(), np.std(x, axis=0), rtol=0.03)


def test_a_fixed_normal_is_the_squared_error():
    layer = built(likelihoods.Normal((5,), scale=0.5))
    assert len(layer.trainable_weights) == 2  # the projection's alone
    x, features = np.ones((3, 5), np.float32), tf.random.stateless_normal((3, 8), [0, 0])
    p = layer(features)
    error = np.sum((x - p.mean()) ** 2, axis=-1) / (2 * 0.5**2)
    np.testing.assert_allclose(p.log_prob(x), -error - 5 * np.log(0.5 * np.sqrt(2 * np.pi)), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: likelihoods.Normal(IMAGE, scale=0.0), "scale must be positive"),
        (lambda: likelihoods.Normal(IMAGE, scale_shape=[2, 4, 4, 3]), "does not broadcast"),
        (lambda: priors.MixtureOfNormals(2, components=0), "components must be 1 or more"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
