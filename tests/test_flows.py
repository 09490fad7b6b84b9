import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.test_members import built, features, given
from tfvae import distributions, flows, posteriors, priors, random

SEED = random.seed(0, random.Stream.SAMPLING)


def moved(layer):
    """Weights away from the identity."""
    for i, weight in enumerate(layer.trainable_weights):
        weight.assign(0.4 * np.random.default_rng(i).normal(size=weight.shape))
    return layer


def bijector_of(name):
    """The bijector of a flow, batch [5] for posteriors and [] for priors."""
    if name in members.POSTERIORS:
        return built(members.POSTERIORS[name])(features()).bijector
    return given(moved(members.PRIORS[name]())).bijector


FLOWS = ("InverseAutoregressiveFlow", "PlanarFlow", "AutoregressiveFlow", "RealNVP")


@pytest.mark.parametrize("name", FLOWS)
def test_flows_invert(name):
    bijector, z = bijector_of(name), random.normal((7, 5, members.LATENT), SEED)
    forward = bijector.forward(z)
    again = bijector.inverse(tf.identity(forward))  # a new tensor, which is not remembered
    assert np.abs(forward - z).max() > 0.1
    np.testing.assert_allclose(again, z, atol=2e-3)
    np.testing.assert_allclose(bijector.forward(tf.identity(again)), forward, atol=1e-3)


@pytest.mark.parametrize("name", FLOWS)
def test_log_determinants_are_those_of_autodiff(name):
    bijector, z = bijector_of(name), random.normal((5, members.LATENT), SEED)
    with tf.GradientTape() as tape:
        tape.watch(z)
        forward = bijector.forward(z)
    sign, exact = np.linalg.slogdet(tape.batch_jacobian(forward, z))
    found = bijector.forward_log_det_jacobian(z, event_ndims=1)
    np.testing.assert_allclose(found, exact, atol=1e-3)
    np.testing.assert_allclose(bijector.inverse_log_det_jacobian(tf.identity(forward), 1), -exact, atol=2e-3)
    assert (sign != 0).all()


@pytest.mark.parametrize("name", FLOWS[:2])
def test_density_of_own_samples_is_that_of_points(name):
    layer = built(members.POSTERIORS[name])
    for weight in layer.trainable_weights:
        weight.assign(0.5 * tf.convert_to_tensor(weight))  # larger ones lose digits on the way there and back
    distribution = layer(features())
    z, log_prob = distribution.experimental_sample_and_log_prob(7, seed=SEED)
    np.testing.assert_allclose(distribution.log_prob(tf.identity(z)), log_prob, atol=2e-3)


def test_planar_density_has_the_gradients_of_differences():
    """The inverse is found by bisection; its gradient must be that of the root."""
    u, w, b = (tf.constant(v) for v in ([[0.7, -0.4]], [[-1.1, 0.8]], [0.3]))
    y = tf.constant([[0.5, 0.9]])

    def inverse(u, w, b, y):
        return flows.Planar(u, w, b).inverse(tf.identity(y))  # TFP remembers what it has inverted

    theory, numeric = tf.test.compute_gradient(inverse, [u, w, b, y], delta=1e-2)
    for one, other in zip(theory, numeric, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-3)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 5.0])
def test_planar_flows_can_be_inverted_whatever_their_weights(scale):
    rng = np.random.default_rng(0)
    u = (scale * 5 * rng.normal(size=(200, 4))).astype(np.float32)
    w = (scale * rng.normal(size=(200, 4)) + 0.05).astype(np.float32)
    planar = flows.Planar(u, w, rng.normal(size=200).astype(np.float32))
    assert np.min(planar.slope) > -1 - 1e-6
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = planar.forward(x)
    np.testing.assert_allclose(planar.forward(planar.inverse(tf.identity(y))), y, atol=2e-3 * max(1, scale**2))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_made_sees_only_what_comes_before(size):
    layer = flows.MADE(size, [16, 16], "tanh")
    layer.build((None, size), (None, 3))
    moved(layer)
    z, context = random.normal((1, size), SEED), tf.ones((1, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([z, context])
        outputs = layer(z, context)
    for output in outputs:
        jacobian = tape.jacobian(output, z)[0, :, 0].numpy()  # [n, n]
        np.testing.assert_array_equal(np.triu(jacobian), 0)
        assert size == 1 or np.abs(np.diag(jacobian, -1)).min() > 0
        assert np.abs(tape.jacobian(output, context)).max() > 0


def test_flows_start_near_the_base():
    layer = posteriors.InverseAutoregressiveFlow(4)
    layer.build((None, 16))
    distribution = layer(features())
    base = distribution.distribution.mean()
    assert np.abs(layer.center(distribution) - base).max() < 0.5 * np.abs(base).max() + 0.5
    for prior in (priors.AutoregressiveFlow(4), priors.RealNVP(4)):
        z = random.normal((50, 4), SEED)
        standard = distributions.MultivariateNormalDiag(tf.zeros(4), tf.ones(4))
        np.testing.assert_allclose(prior.distribution().log_prob(z), standard.log_prob(z), rtol=0.1)


def test_a_flow_of_another_size_than_its_base_is_named():
    with pytest.raises(ValueError, match=r"base has events of shape \(2,\), the flow \(3,\)"):
        posteriors.PlanarFlow(3, base=posteriors.DiagonalNormal(2))
    for make in (lambda: posteriors.PlanarFlow(3, layers=0), lambda: priors.RealNVP(3, layers=0)):
        with pytest.raises(ValueError, match="layers must be 1 or more"):
            make()
    for make in (priors.RealNVP, priors.SphericalUniform, posteriors.PowerSpherical):
        with pytest.raises(ValueError, match="2 or more"):
            make(1)
