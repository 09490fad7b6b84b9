"""Families of distributions against TFP's own."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions


def mixtures(smallest, components=7, n=5):
    """Ours and TFP's, in float64, of the same normals, and the parameters: logits, means, scales down to `smallest`."""
    rng = np.random.default_rng(0)
    logits, loc = rng.normal(size=components), rng.normal(size=(components, n))
    scale = smallest ** rng.uniform(size=(components, n))
    values = [tf.constant(value, tf.float32) for value in (logits, loc, scale)]

    def ours(logits, loc, scale):
        return distributions.MixtureOfNormals(
            tfd.Categorical(logits=logits), distributions.MultivariateNormalDiag(loc, scale)
        )

    def exact(logits, loc, scale):
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, scale))

    return ours, exact, values


@pytest.mark.parametrize("smallest", [1.0, 1e-1, 1e-4])
@pytest.mark.parametrize("batch", [(), (3,), (4, 3)])
def test_a_mixture_of_normals_has_tfps_density(smallest, batch):
    ours, exact, values = mixtures(smallest)
    near = tf.gather(values[1], np.zeros(batch, np.int32)) + 0.5 * tf.gather(values[2], np.zeros(batch, np.int32))
    for z in (near, tf.random.stateless_normal([*batch, 5], seed=[0, 1])):
        expected = exact(*(tf.cast(value, tf.float64) for value in values)).log_prob(tf.cast(z, tf.float64))
        np.testing.assert_allclose(ours(*values).log_prob(z), expected, rtol=1e-6)


def test_a_mixture_of_normals_has_tfps_gradients():
    ours, exact, values = mixtures(0.1)
    z = tf.random.stateless_normal([20, 5], seed=[0, 1])

    def gradients(family, dtype):
        at = [tf.cast(value, dtype) for value in (*values, z)]
        with tf.GradientTape() as tape:
            tape.watch(at)
            total = tf.reduce_sum(family(*at[:3]).log_prob(at[3]))
        return tape.gradient(total, at)

    for found, expected in zip(gradients(ours, tf.float32), gradients(exact, tf.float64), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
