"""Families of distributions against TFP's own."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import distributions, random


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


SEED = random.seed(0, random.Stream.SAMPLING)


def test_others_distributions_are_not_of_known_units():
    assert distributions.units_of(tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))) is None
    ours = distributions.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    assert distributions.units_of(ours).batch_shape == (2,)
    with pytest.raises(ValueError, match="which MultivariateNormalDiag and MultivariateNormalTriL cannot give"):
        distributions.independent_units(ours, distributions.MultivariateNormalTriL(tf.zeros(2), tf.eye(2)))


def test_a_class_of_distributions_registers_what_is_asked_of_it():
    class Own(tfd.MultivariateNormalDiag):
        pass

    class OwnScalar(tfd.Normal):
        pass

    distributions.units_of.register(Own, lambda own: tfd.Normal(own.mean(), own.stddev()))
    units, other = distributions.independent_units(*(Own(tf.zeros(2), tf.fill([2], scale)) for scale in (1.0, 3.0)))
    np.testing.assert_allclose(units.stddev(), [1, 1])
    np.testing.assert_allclose(other.stddev(), [3, 3])
    distributions.draw_scalars.register(OwnScalar, lambda own, uniform: own.loc + 0 * uniform(7))
    drawn = distributions.Independent(OwnScalar([[1.0, 2.0]], 1.0), 1).sample(3, seed=SEED)
    np.testing.assert_array_equal(drawn, np.tile([[[1.0, 2.0]]], (3, 1, 1)))


def test_events_have_the_density_of_their_scalars_together():
    x = tf.cast(np.random.default_rng(0).integers(0, 2, (3, 4, 2)), tf.float32)
    scalars = distributions.Bernoulli(logits=tf.random.stateless_normal((4, 2), [0, 1]), dtype=tf.float32)
    expected = tf.reduce_sum(scalars.log_prob(x), axis=(1, 2))
    np.testing.assert_allclose(distributions.log_prob_of_events(scalars, x, 2), expected, rtol=1e-5)
    usual = distributions.log_prob_of_events.dispatch(tfd.Distribution)
    np.testing.assert_array_equal(usual(scalars, x, 2), expected)


def test_a_flow_of_anothers_distribution_has_moments():
    """Its rows are not drawn alike, as TFP's sampler cannot."""
    base = tfd.MultivariateNormalDiag(tf.zeros((4, 2)), 0.1 * tf.ones((4, 2)))
    flow = distributions.Flow(base, tfp.bijectors.Shift([3.0, -1.0]))
    np.testing.assert_allclose(flow.mean(), np.tile([3.0, -1.0], (4, 1)), atol=0.1)
    np.testing.assert_allclose(flow.stddev(), 0.1, rtol=0.3)


def test_rows_that_are_drawn_alike_have_one_noise_and_others_do_not():
    normal = distributions.MultivariateNormalDiag(tf.constant([[0.0, 0.0], [5.0, 1.0]]), tf.ones(2))
    alike, usual = (normal.sample(3, seed=SEED, alike=which) - normal.mean() for which in (True, False))
    np.testing.assert_allclose(alike[:, 0], alike[:, 1], atol=1e-6)
    assert np.abs(usual[:, 0] - usual[:, 1]).min() > 1e-4
    np.testing.assert_array_equal(alike[:, 0], usual[:, 0])  # that of the first row


def test_samples_have_the_shape_that_is_known_when_a_program_is_made():
    normal = distributions.MultivariateNormalDiag(tf.zeros((4, 2)), tf.ones(2))

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)], autograph=False)
    def shapes(count):
        shapes.found = [normal.sample(shape, seed=SEED).shape.as_list() for shape in (count, [3, count], 5)]
        return normal.sample([3, count], seed=SEED)

    np.testing.assert_array_equal(shapes(2), normal.sample([3, 2], seed=SEED))
    assert shapes.found == [[None, 4, 2], [None, None, 4, 2], [5, 4, 2]]


def test_mixtures_are_copied_by_their_arguments():
    ours, _, values = mixtures(0.5)
    mixture = ours(*values)
    np.testing.assert_array_equal(mixture.copy().sample(3, seed=SEED), mixture.sample(3, seed=SEED))
    whole = distributions.Mixture(mixture.mixture_distribution, mixture.components_distribution, mixture.choose)
    np.testing.assert_array_equal(whole.copy().sample(3, seed=SEED), mixture.sample(3, seed=SEED))
    assert type(distributions.mix(mixture.components_distribution, mixture.mixture_distribution, None)) is type(mixture)
    components = tfd.MultivariateNormalDiag(values[1], values[2])
    assert type(distributions.mix(components, mixture.mixture_distribution, mixture.choose)) is distributions.Mixture
