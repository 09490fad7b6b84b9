import numpy as np
import pytest
import tensorflow as tf

from tests.models import linear_gaussian
from tfvae import distributions, objectives, random

SEED = random.seed(0, random.Stream.EVALUATION)


def terms(objective, step=0, seed=SEED):
    vae, x, exact = linear_gaussian()
    return objective(tf.constant(x), vae.infer(x), vae.prior.distribution(), vae.decode, step, seed), exact


def test_elbo_of_the_exact_posterior_is_log_marginal():
    found, exact = terms(objectives.ELBO(samples=40_000))
    np.testing.assert_allclose(found.elbo, exact, atol=0.05)
    np.testing.assert_allclose(np.mean(found.elbo), exact.mean(), atol=0.01)


def test_elbo_of_another_posterior_is_below_by_its_divergence():
    vae, x, exact = linear_gaussian()
    right = vae.infer(x)
    wrong = distributions.MultivariateNormalDiag(right.mean() + 0.3, 1.5 * right.stddev())
    found = objectives.ELBO(samples=40_000)(x, wrong, vae.prior.distribution(), vae.decode, 0, SEED)
    np.testing.assert_allclose(exact - found.elbo, wrong.kl_divergence(right), atol=0.15)


def test_loss_weighs_the_kl_and_elbo_does_not():
    plain, _ = terms(objectives.ELBO())
    weighted, _ = terms(objectives.ELBO(beta=4.0))
    np.testing.assert_allclose(weighted.elbo, plain.elbo)
    np.testing.assert_allclose(weighted.loss, 4 * plain.kl - plain.reconstruction, rtol=1e-5)
    np.testing.assert_allclose(plain.loss, -plain.elbo, rtol=1e-5)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (5, 1.0), (10, 2.0), (1000, 2.0)])
def test_warmup_raises_the_weight_linearly(step, weight):
    assert float(objectives.ELBO(beta=2.0, warmup_steps=10).weight(tf.constant(step))) == weight


def test_closed_kl_is_the_mean_over_samples():
    vae, x, _ = linear_gaussian()
    posterior, prior = vae.infer(x), vae.prior.distribution()
    z = posterior.sample(100_000, seed=SEED)
    sampled = tf.reduce_mean(posterior.log_prob(z) - prior.log_prob(z), axis=0)
    np.testing.assert_allclose(objectives.kl_divergence(posterior, prior, z), sampled, atol=0.03)


def test_pairs_with_a_closed_kl():
    """The closed form must be found, or an estimate would be used unseen."""
    from tensorflow_probability import distributions as tfd

    posterior = linear_gaussian()[0].infer(np.zeros((1, 4), np.float32))
    assert tfd.kl_divergence(posterior, linear_gaussian()[0].prior.distribution()).shape == (1,)


@pytest.mark.parametrize("arguments", [{"beta": -1.0}, {"samples": 0}, {"warmup_steps": -1}])
def test_impossible_arguments(arguments):
    with pytest.raises(ValueError, match="samples 1 or more"):
        objectives.ELBO(**arguments)


def test_iwae_is_log_marginal_under_the_exact_posterior():
    found, exact = terms(objectives.IWAE(samples=3))
    np.testing.assert_allclose(-found.loss, exact, atol=1e-3)


def test_iwae_rises_with_samples_and_lies_above_the_elbo():
    vae, x, exact = linear_gaussian()
    right = vae.infer(np.repeat(x, 500, axis=0))
    wrong = distributions.MultivariateNormalDiag(right.mean() + 0.3, 1.5 * right.stddev())

    def bound(samples):
        objective = objectives.IWAE(samples=samples)
        found = objective(np.repeat(x, 500, axis=0), wrong, vae.prior.distribution(), vae.decode, 0, SEED)
        return -float(np.mean(found.loss)), float(np.mean(found.elbo))

    (one, elbo), (few, _), (many, _) = bound(1), bound(5), bound(50)
    assert one == pytest.approx(elbo, abs=0.05)
    assert elbo + 0.05 < few < many < exact.mean() + 0.01
