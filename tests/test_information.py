import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests import members
from tests.models import FixedNormal, dataset, linear_gaussian, small_images, small_vae
from tests.test_evaluation import widened
from tfvae import evaluation, networks, posteriors, priors, random
from tfvae.evaluation import gaps


def encoding(means, stddev, run_eagerly=True):
    """A VAE of x `[N, n]` with q(z|x) = N(scale x, stddev^2 I); `means` is the scale."""
    n = 2
    vae = tfvae.VAE(
        encoder=networks.mlp(n, [n], "linear"),
        posterior=posteriors.DiagonalNormal(n),
        prior=priors.StandardNormal(n),
        decoder=networks.mlp(n, [n], "linear"),
        likelihood=FixedNormal(n),
    )
    vae.encoder.set_weights([np.eye(n), np.zeros(n)])
    raw = 14 * math.atanh(math.log(stddev) / 7)
    kernel = np.concatenate([means * np.eye(n), np.zeros((n, n))], axis=1)
    vae.posterior.set_weights([kernel, np.array([0.0] * n + [raw] * n)])
    vae.compile(keras.optimizers.Adam(), jit_compile=False, run_eagerly=run_eagerly)
    return vae


def points(count=64):
    """Points of a grid `[count, 2]`, at least 1 apart."""
    return np.stack(np.unravel_index(np.arange(count), (8, 8)), axis=1).astype(np.float32) - 3.5


def test_a_collapsed_posterior_tells_nothing():
    parts = evaluation.kl_parts(encoding(0.0, 0.5), points(), samples=500)
    np.testing.assert_allclose(parts.mutual_information.values, 0.0, atol=1e-4)
    exact = 2 * (math.log(2) + 0.5 * (0.25 - 1))  # KL(N(0, 1/4) || N(0, 1))
    assert parts.aggregate_kl.mean == pytest.approx(exact, abs=0.03)


def test_separate_posteriors_tell_which_example_it_is():
    x = points()
    information = evaluation.mutual_information(encoding(1.0, 0.05), x, samples=2)
    np.testing.assert_allclose(information.values, math.log(64), atol=1e-4)
    few = evaluation.mutual_information(encoding(1.0, 0.05), dataset(x, 5), examples=10)
    np.testing.assert_allclose(few.values, math.log(10) * np.ones(10), atol=1e-4)


@pytest.mark.parametrize("at_once", [2**22, 3 * 100 * 2 * 2])
def test_normal_codes_have_the_closed_form(at_once, monkeypatch):
    monkeypatch.setattr(evaluation.information, "NUMBERS_AT_ONCE", at_once)  # all densities at once, or three by three
    spread, stddev = 0.8, 0.6
    x = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    vae = encoding(spread, stddev, run_eagerly=at_once > 10_000)  # three by three are many steps
    parts = evaluation.kl_parts(vae, x, samples=2)
    width = spread**2 + stddev**2  # q(z) is about N(0, width): 1.0
    assert parts.mutual_information.mean == pytest.approx(2 * 0.5 * math.log(width / stddev**2), abs=0.06)
    assert parts.aggregate_kl.mean == pytest.approx(0.0, abs=0.06)
    total = parts.mutual_information.values + parts.aggregate_kl.values
    np.testing.assert_allclose(parts.kl.values, total, atol=1e-4)
    kl = evaluation.elbo_terms(vae, x)["kl"]  # in closed form
    assert parts.kl.mean == pytest.approx(kl.mean, abs=0.1)
    assert evaluation.aggregate_kl(vae, x[:100]).mean < 0.3


def test_each_part_alone_is_that_of_all_parts():
    x, vae = points(), encoding(0.8, 0.6)
    for arguments in ({}, {"samples": 2, "examples": 5, "seed": 3}):
        parts = evaluation.kl_parts(vae, x, **arguments)
        for part in ("mutual_information", "aggregate_kl"):
            found = getattr(evaluation, part)(vae, x, **arguments)
            np.testing.assert_array_equal(found.values, getattr(parts, part).values)


@pytest.mark.parametrize("posterior", ["FullNormal", "InverseAutoregressiveFlow", "PlanarFlow"])
def test_any_posterior_with_a_density_has_parts(posterior):
    vae = small_vae(posterior=members.POSTERIORS[posterior]())
    information = evaluation.mutual_information(vae, small_images(12), samples=3)
    assert np.isfinite(information.values).all() and information.mean < math.log(12) + 1e-3


def test_what_has_no_parts_is_said():
    with pytest.raises(ValueError, match="Deterministic has no density"):
        evaluation.kl_parts(small_vae(posterior=members.POSTERIORS["Deterministic"]()), small_images(3))
    with pytest.raises(
        ValueError, match=r"which \w+ and MultivariateNormalDiag cannot give: take the posterior DiagonalNormal with"
    ):
        evaluation.kl_per_unit(small_vae(posterior=members.POSTERIORS["PlanarFlow"]()), small_images(3))


def test_kl_of_the_units_sums_to_the_kl():
    vae, images = small_vae(), small_images(12)
    units = evaluation.kl_per_unit(vae, images)
    assert units.shape == (3,) and np.all(units >= 0)
    assert units.sum() == pytest.approx(evaluation.elbo_terms(vae, images)["kl"].mean, rel=1e-5)


def test_the_gap_of_a_wrong_encoder_is_amortisation():
    vae, x, exact = widened()
    vae.compile("adam", jit_compile=False)
    found = evaluation.gap(vae, x, samples=500, steps=200)
    np.testing.assert_allclose(found.total.values, found.approximation.values + found.amortisation.values, atol=1e-5)
    assert found.approximation.mean == pytest.approx(0.0, abs=0.03)  # the posterior is in the family
    assert found.amortisation.mean == pytest.approx(exact.mean() - found.elbo.mean, abs=0.03)
    assert found.amortisation.mean > 0.03 and "amortisation" in str(found)


def test_the_exact_posterior_has_no_gap_to_evidence_that_is_given():
    vae, x, exact = linear_gaussian()
    vae.compile("adam", jit_compile=False)
    found = evaluation.gap(vae, x, samples=20, steps=50, evidence=evaluation.Estimate(exact))
    assert found.log_marginal.mean == exact.mean()
    for part in (found.total, found.approximation, found.amortisation):
        assert part.mean == pytest.approx(0.0, abs=0.02)


def test_a_gap_that_cannot_be_parted_is_said():
    with pytest.raises(ValueError, match=r"not for FullNormal: the total gap is log_marginal"):
        evaluation.gap(small_vae(posterior=members.POSTERIORS["FullNormal"]()), small_images(3))
    with pytest.raises(ValueError, match="evidence is of 2 examples, but the data has 3"):
        evaluation.gap(small_vae(), small_images(3), 2, 2, 2, evidence=evaluation.Estimate(np.zeros(2)))


def test_the_curve_runs_from_the_prior_to_the_posterior():
    vae, x, exact = linear_gaussian()
    vae.compile("adam", run_eagerly=True)
    curve = evaluation.rate_distortion(vae, x, temperatures=(0.0, 0.5, 1.0), samples=2000)
    terms = evaluation.elbo_terms(vae, x, samples=2000)
    assert curve.rates[0] == pytest.approx(0.0, abs=1e-5)
    assert curve.rates[-1] == pytest.approx(terms["kl"].mean, abs=1e-4)
    assert curve.rates[-1] + curve.distortions[-1] == pytest.approx(-exact.mean(), abs=0.02)
    assert np.all(np.diff(curve.rates) > 0) and np.all(np.diff(curve.distortions) < 0)
    assert np.all(curve.rates + curve.distortions > -exact.mean() - 0.02)  # -ELBO of any q
    with pytest.raises(ValueError, match=r"from 0, the prior, to 1, the posterior, not \(2.0,\)"):
        evaluation.rate_distortion(vae, x, temperatures=(2.0,))


def test_fitted_posteriors_follow_kerass_adam_whose_rate_falls_to_nothing():
    steps, rate = 7, 0.1
    start, target = tf.constant([[0.3, -0.2]]), tf.constant([[1.0, 0.5]])
    found = gaps._adam(lambda p, seed: 2 * (p - target), start, steps, rate, random.seed(0, random.Stream.EVALUATION))
    variable = keras.Variable(start)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0), epsilon=1e-8)
    for _ in range(steps):
        optimizer.apply([2 * (variable.value - target)], [variable])
    np.testing.assert_allclose(found, variable, rtol=1e-4)
