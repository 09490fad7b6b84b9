import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests import members
from tests.test_members import built, features, given
from tfvae import distributions, posteriors, priors, random

SEED = random.seed(0, random.Stream.SAMPLING)
CLOSED = [  # pairs whose KL TFP knows: it must be found, or an estimate would be used unseen
    ("DiagonalNormal", "StandardNormal"),
    ("FullNormal", "StandardNormal"),
    ("PowerSpherical", "SphericalUniform"),
    ("DiagonalNormal", "ConditionalNormal"),
]


@pytest.mark.parametrize("name", [name for name in members.POSTERIORS if name != "Deterministic"])
@pytest.mark.parametrize("prior", members.PRIORS)
def test_which_pairs_have_a_closed_kl(name, prior):
    pair = built(members.POSTERIORS[name])(features()), given(members.PRIORS[prior]())
    if isinstance(pair[1], tfd.BatchReshape):  # of a conditional prior in a test without batch
        pair = pair[0], members.PRIORS[prior]().distribution(tf.ones((1, members.CONDITION)))
    if (name, prior) in CLOSED or {name, prior} == {"FullNormal", "ConditionalNormal"}:
        closed = tfd.kl_divergence(*pair)
        z, log_q = pair[0].experimental_sample_and_log_prob(50_000, seed=SEED)
        ratio = log_q - pair[1].log_prob(z)  # [S, B]
        error = np.std(ratio, axis=0) / np.sqrt(50_000)
        assert (np.abs(closed - np.mean(ratio, axis=0)) < 5 * error + 1e-4).all()
    else:
        with pytest.raises(NotImplementedError):
            tfd.kl_divergence(*pair)


def test_full_normal_has_the_covariance_of_its_samples():
    distribution = built(members.POSTERIORS["FullNormal"])(features())
    sample = distribution.sample(200_000, seed=SEED).numpy()
    for i in range(5):
        correlation = np.corrcoef(sample[:, i].T)
        covariance = distribution.covariance()[i].numpy()
        deviation = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(covariance / np.outer(deviation, deviation), correlation, atol=0.01)
    assert posteriors.FullNormal(1).shapes[2] == (0,)
    assert built(lambda: posteriors.FullNormal(1))(features()).sample(3, seed=SEED).shape == (3, 5, 1)


def test_power_spherical_samples_lie_on_the_sphere_as_tfp_draws_them():
    direction = tf.math.l2_normalize(tf.constant([[1.0, 2.0, -1.0, 0.5]]), axis=-1)
    for concentration in (0.01, 3.0, 1000.0):
        ours = distributions.PowerSpherical(direction, [concentration])
        theirs = tfd.PowerSpherical(direction, [concentration]).sample(50_000, seed=[1, 2])
        drawn = ours.sample(50_000, seed=SEED).numpy()
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=-1), 1, atol=1e-5)
        for moment in (1, 2, 4):
            error = 6 * np.std(drawn**moment, axis=0) / np.sqrt(25_000)
            assert (np.abs(np.mean(drawn**moment, axis=0) - np.mean(theirs**moment, axis=0)) < error + 1e-6).all()


def test_power_spherical_samples_carry_gradients_of_the_concentration():
    """Against differences of the sample mean with common noise."""
    direction = tf.math.l2_normalize(tf.constant([[1.0, 2.0, -1.0]]), axis=-1)

    def mean(concentration):
        drawn = distributions.PowerSpherical(direction, [concentration]).sample(2000, seed=SEED)
        return tf.reduce_mean(tf.reduce_sum(drawn * direction, axis=-1))

    concentration = tf.constant(4.0)
    with tf.GradientTape() as tape:
        tape.watch(concentration)
        value = mean(concentration)
    difference = (mean(concentration + 0.1) - mean(concentration - 0.1)) / 0.2
    np.testing.assert_allclose(tape.gradient(value, concentration), difference, rtol=0.02)


def test_a_point_has_no_finite_density_and_an_infinite_kl():
    distribution = built(members.POSTERIORS["Deterministic"])(features())
    assert np.isposinf(tfd.kl_divergence(distribution, members.PRIORS["StandardNormal"]().distribution())).all()
    z, log_prob = distribution.experimental_sample_and_log_prob(2, seed=SEED)
    assert np.isposinf(log_prob).all() and np.isposinf(distribution.log_prob(z)).all()
    assert np.isneginf(distribution.log_prob(z + 1)).all()


def test_hierarchical_density_is_the_product_of_its_layers():
    posterior, prior = built(members.POSTERIORS["Hierarchical"])(features()), given(members.PRIORS["Hierarchical"]())
    z = posterior.sample(7, seed=SEED)  # [7, 5, 2 + 1]
    lower, upper = z[..., :2], z[..., 2:]
    expected = posterior.first.log_prob(lower) + posterior.following[0](lower).log_prob(upper)
    np.testing.assert_allclose(posterior.log_prob(z), expected, rtol=1e-5)
    expected = prior.first.log_prob(upper) + prior.following[0](upper).log_prob(lower)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)


def test_vampprior_is_the_mixture_of_posteriors():
    posterior = built(members.POSTERIORS["DiagonalNormal"], members.IMAGE[:1])

    def infer(x, condition):
        return posterior(tf.reduce_mean(x, axis=(2, 3)))

    prior = members.PRIORS["VampPrior"]()
    prior.logits.assign(np.linspace(-1, 1, 5))
    z = random.normal((6, members.LATENT), SEED)
    weights = tf.nn.softmax(prior.logits.value)
    parts = [weights[k] * infer(prior.inputs.value[k : k + 1], None).prob(z) for k in range(5)]
    np.testing.assert_allclose(prior.distribution(infer=infer).prob(z), tf.add_n(parts), rtol=1e-4)


def test_vampprior_starts_at_examples_and_stays_within_bounds():
    prior = priors.VampPrior(2, [4], components=3, condition_size=2)
    prior.start(tf.constant([[0.0] * 4, [1.0] * 4]), tf.constant([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(prior.inputs[:, 0], [0, 1, 0])
    np.testing.assert_array_equal(prior.conditions, [[1, 0], [0, 1], [1, 0]])
    prior.inputs.assign(prior.inputs + 5.0)
    prior.keep_within(0.0, 1.0)
    prior.inputs.assign(prior.inputs + 5.0)
    seen = []

    def infer(x, condition):
        seen.append((x, condition))
        return distributions.MultivariateNormalDiag(tf.zeros((3, 2)), tf.ones((3, 2)))

    prior.distribution(infer=infer)
    assert float(tf.reduce_max(seen[0][0])) == 1.0 and seen[0][1].shape == (3, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: priors.VampPrior(2, [4], components=0), "components must be 1 or more"),
        (lambda: priors.VampPrior(2, [4], low=1.0, high=0.0), "low < high"),
        (lambda: priors.VampPrior(2, [4]).distribution(), "with infer"),
        (lambda: priors.ConditionalNormal(2, 0), "conditional VAEs"),
        (lambda: priors.ConditionalNormal(2, 3).distribution(), "needs conditions"),
    ],
)
def test_what_a_prior_wants_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()
