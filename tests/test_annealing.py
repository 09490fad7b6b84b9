import dataclasses

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from tests import members
from tests.models import GRAPH, linear_gaussian, small_images, small_vae
from tests.test_evaluation import widened
from tfvae import evaluation, likelihoods, random
from tfvae.evaluation import annealing, chains

CONDITIONAL = members.PARTNERS["prior-ConditionalNormal"] | {"prior": members.PRIORS["ConditionalNormal"]}
FEW = {"chains": 8, "temperatures": 100, "leapfrogs": 5}


def fast(made):
    """Without XLA, whose compiling takes longer than these small runs."""
    made[0].compile("adam", jit_compile=False)
    return made


def within(estimate, exact, errors=4.0):
    """Whether the mean is that of the exact values, by the spread of the differences."""
    difference = evaluation.Estimate(estimate.values - exact)
    return abs(difference.mean) < errors * difference.standard_error + 1e-4


@pytest.fixture(scope="module")
def off():
    """`widened`: all that is annealed by `FEW` shares a program."""
    return fast(widened())


def test_annealing_is_right_and_does_not_need_the_encoder(off):
    """Long: the program of a chain takes seconds to make."""
    vae, x, exact = off
    found = evaluation.annealed(vae, x, **FEW)
    sampled = evaluation.log_marginal(vae, x, samples=2000)
    assert within(found, exact) and within(sampled, exact)
    assert found.mean == pytest.approx(exact.mean(), abs=0.1)
    assert 0.6 < found.acceptance.mean() < 0.95
    assert np.all((found.effective_chains >= 1) & (found.effective_chains <= 8.001))
    assert str(found).endswith("nats")


@pytest.mark.slow
def test_from_the_exact_posterior_there_is_no_way_to_go():
    """Long: the program of a chain takes seconds to make."""
    vae, x, exact = fast(linear_gaussian())
    found = evaluation.annealed(vae, x, chains=2, temperatures=5, leapfrogs=2, from_posterior=True)
    np.testing.assert_allclose(found.values, exact, atol=1e-3)
    np.testing.assert_allclose(found.effective_chains, 2.0, rtol=1e-3)


@pytest.fixture
def resting(monkeypatch):
    """Chains propose to stay where they are: their weights are those of importance sampling, by a program or eagerly.

    Eagerly Hamiltonian Monte Carlo takes half a second a step.
    """

    def kernel(settings, size, log_prob):
        return chains._Fresh(tfp.mcmc.RandomWalkMetropolis(log_prob, new_state_fn=lambda parts, seed: parts))

    monkeypatch.setattr(chains, "_kernel", kernel)
    monkeypatch.setattr(chains, "SCOUT_STEPS", 2)


def test_both_bounds_from_the_exact_posterior_are_the_evidence(resting):
    """There p(z) p(x|z) / q(z|x) is p(x) wherever a chain goes, to and fro."""
    vae, _, _ = linear_gaussian()
    vae.compile("adam", run_eagerly=True)
    seed = random.seed(0, random.Stream.SAMPLING)
    x = annealing._draw_examples(vae, 2, None, seed)[0]
    exact = evaluation.log_marginal(vae, x, samples=2).values
    found = evaluation.bidirectional(vae, 2, chains=2, temperatures=2, leapfrogs=1, from_posterior=True)
    np.testing.assert_allclose(found.lower.values, exact, atol=1e-3)
    np.testing.assert_allclose(found.upper.values, exact, atol=1e-3)
    np.testing.assert_allclose(found.upper.effective_chains, 2.0, rtol=1e-3)
    assert np.abs(found.gap.values).max() < 2e-3 and str(found).startswith("between ")
    np.testing.assert_allclose([found.lower.acceptance, found.upper.acceptance], 1.0)


def test_without_a_likelihood_the_way_from_the_prior_is_flat(resting):
    """Where x tells nothing of z, p(x|z) is p(x), and each chain has this weight."""
    vae, x, _ = linear_gaussian()
    loading, shift = vae.likelihood.get_weights()
    vae.likelihood.set_weights([0 * loading, shift])
    vae.compile("adam", run_eagerly=True)
    found = evaluation.annealed(vae, x[:3], chains=2, temperatures=2, leapfrogs=1)
    np.testing.assert_allclose(found.values, vae.decode(np.zeros((1, 2), np.float32)).log_prob(x[:3]), rtol=1e-5)
    np.testing.assert_allclose(found.effective_chains, 2.0, rtol=1e-4)


@pytest.mark.slow
def test_a_wrong_posterior_to_start_from_is_left_behind():
    vae, x, exact = fast(widened())
    found = evaluation.annealed(vae, x, **FEW, from_posterior=True)
    assert within(found, exact) and found.mean == pytest.approx(exact.mean(), abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("temperatures", [20, 100])
def test_bounds_enclose_the_truth(temperatures):
    vae, _, _ = fast(linear_gaussian())
    count = 200 if temperatures == 20 else 1000
    x = annealing._draw_examples(vae, count, None, random.seed(0, random.Stream.SAMPLING))[0]
    exact = evaluation.log_marginal(vae, x, samples=2).values  # by the exact posterior
    bounds = evaluation.bidirectional(vae, count, chains=4, temperatures=temperatures, leapfrogs=4)
    lower, upper = (evaluation.Estimate(bound.values - exact) for bound in bounds)
    assert lower.mean < 2 * lower.standard_error and upper.mean > -2 * upper.standard_error
    assert lower.mean > -0.5 and upper.mean < 0.9
    assert bounds.gap.mean == pytest.approx(upper.mean - lower.mean, abs=1e-4) and "between" in str(bounds)
    if temperatures == 20:  # few: the bounds are apart
        assert bounds.gap.mean > 4 * bounds.gap.standard_error


@pytest.mark.slow
def test_the_step_sizes_come_near_the_acceptance_that_is_meant():
    vae, x, _ = fast(linear_gaussian())
    found = evaluation.annealed(vae, x, chains=32, temperatures=20, leapfrogs=5)
    assert found.acceptance.mean() == pytest.approx(chains.ACCEPTANCE, abs=0.08)


@pytest.mark.slow
def test_chains_in_groups_are_all_counted(monkeypatch):
    vae, x, exact = fast(linear_gaussian())
    monkeypatch.setattr(evaluation.evidence, "NUMBERS_AT_ONCE", 3 * 30 * 4)  # of 8 chains, two at once
    found = evaluation.annealed(vae, x, **FEW)
    assert within(found, exact) and found.effective_chains.mean() > 4


def test_the_gap_is_that_of_each_example():
    lower, upper = (evaluation.Estimate(np.array(values)) for values in ([-3.0, -1.5], [-2.0, 1.0]))
    np.testing.assert_array_equal(annealing.Bounds(lower, upper).gap.values, [1.0, 2.5])


@pytest.mark.parametrize(
    ("temperatures", "ways"), [(1, (1, 1)), (19, (19, 1)), (20, (20, 1)), (21, (20, 2)), (60, (20, 3))]
)
def test_more_than_twenty_temperatures_are_rounded_up_to_a_multiple(temperatures, ways):
    assert annealing._settings(small_vae(), 1, temperatures, 1, False) == chains.Settings(1, *ways, 1, False)


def test_bounds_are_those_of_the_chains_there_and_of_the_chains_back(monkeypatch):
    """Those that begin at the z of the data estimate 1 / p(x), whose negative logarithm is the upper bound."""

    def weigh(settings, x, start, ratio, sizes, key, z=None):
        row = tf.range(x.shape[0], dtype=tf.float32)
        return tf.stack([row, row + 10, row + 20] if z is None else [-row - 0.5, row + 30, row + 40])

    monkeypatch.setattr(annealing, "weigh_chains", weigh)
    monkeypatch.setattr(annealing, "step_sizes", lambda *_: None)
    vae, _, _ = linear_gaussian()
    vae.compile("adam", run_eagerly=True)
    bounds, rows = evaluation.bidirectional(vae, 5), np.arange(5)
    np.testing.assert_array_equal(dataclasses.astuple(bounds.lower), [rows, rows + 10, rows + 20])
    np.testing.assert_array_equal(dataclasses.astuple(bounds.upper), [rows + 0.5, rows + 30, rows + 40])


@pytest.mark.parametrize("stretches", [1, 2, 7])
def test_temperatures_are_those_of_a_sigmoid(stretches):
    settings = chains.Settings(1, stretches, 1, 1, False)
    at = scipy.special.expit(4.0 * np.linspace(-1, 1, stretches + 1))
    np.testing.assert_allclose(chains._ends(settings), (at - at[0]) / (at[-1] - at[0]), atol=1e-6)


def test_examples_are_drawn_each_once_and_with_its_condition():
    """More than are decoded at once: p(x|z) is nearly a point, by which x tells its z."""
    vae, _, _ = linear_gaussian()
    loading, shift = vae.likelihood.get_weights()
    vae.likelihood.set_weights([1e4 * loading, shift])
    x, z = annealing._draw_examples(vae, 230, None, random.seed(0, random.Stream.SAMPLING))
    assert len(x) == len(z) == 230
    np.testing.assert_allclose(x, z @ (1e4 * loading) + shift, atol=5)


def test_annealing_repeats_and_follows_the_seed(off):
    vae, x, _ = off
    runs = [evaluation.annealed(vae, x, **FEW, seed=seed).values for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"prior": members.PRIORS["MixtureOfNormals"]}, id="mixture", marks=pytest.mark.slow),
        pytest.param({"posterior": members.POSTERIORS["Deterministic"]}, id="point", marks=pytest.mark.slow),
        pytest.param(
            {"prior": members.PRIORS["VampPrior"], "likelihood": lambda: likelihoods.Normal(members.IMAGE)},
            id="vamp",
            marks=pytest.mark.slow,
        ),
        pytest.param(members.PARTNERS["prior-Hierarchical"], id="hierarchical", marks=pytest.mark.slow),
        pytest.param(CONDITIONAL, id="conditional", marks=pytest.mark.slow),
    ],
)
def test_any_prior_and_decoder_can_be_annealed(parts):
    vae = small_vae(compiled=GRAPH, **{name: make() for name, make in parts.items()})
    images = small_images(4)
    condition = np.arange(4) if vae.condition_size else None
    data = images if condition is None else (images, condition)
    assert np.all(np.isfinite(evaluation.annealed(vae, data, 2, 3, 2).values))


@pytest.mark.slow
def test_bounds_of_a_conditional_vae():
    vae = small_vae(compiled=GRAPH, **{name: make() for name, make in CONDITIONAL.items()})
    assert np.all(np.isfinite(evaluation.bidirectional(vae, 4, 2, 3, 2, condition=np.arange(4)).gap.values))


@pytest.mark.slow
def test_xla_gives_bounds_as_good():
    vae, x, exact = linear_gaussian()
    vae.compile("adam", jit_compile=True)
    assert within(evaluation.annealed(vae, x, **FEW), exact)


def test_what_cannot_be_annealed_is_said():
    sphere = small_vae(compiled=GRAPH, **{name: make() for name, make in members.ON_A_SPHERE.items()})
    with pytest.raises(ValueError, match=r"SphericalUniform is on a sphere: use evaluation.log_marginal"):
        evaluation.annealed(sphere, small_images(2))
    point = small_vae(posterior=members.POSTERIORS["Deterministic"]())
    with pytest.raises(ValueError, match="leave out from_posterior"):
        evaluation.annealed(point, small_images(2), from_posterior=True)
    with pytest.raises(ValueError, match="temperatures must be 1 or more, not 0"):
        evaluation.bidirectional(small_vae(), temperatures=0)
