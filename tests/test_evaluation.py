import re

import numpy as np
import pytest

from tests import members
from tests.models import GRAPH, dataset, linear_gaussian, small_images, small_vae, weights
from tfvae import evaluation


def exact_model():
    """`linear_gaussian`, which is evaluated eagerly."""
    vae, x, exact = linear_gaussian()
    vae.compile("adam", run_eagerly=True)
    return vae, x, exact


def test_log_marginal_is_exact_under_the_exact_posterior():
    """By XLA, as users have it."""
    vae, x, exact = linear_gaussian()
    estimate = evaluation.log_marginal(vae, x, samples=7)
    np.testing.assert_allclose(estimate.values, exact, atol=2e-4)
    assert estimate.mean == pytest.approx(exact.mean(), abs=1e-4)
    assert estimate.standard_error == pytest.approx(exact.std(ddof=1) / np.sqrt(len(exact)), rel=1e-3)


def widened():
    """The linear-Gaussian model with a posterior that is off."""
    vae, x, exact = linear_gaussian()
    kernel, bias = vae.posterior.get_weights()
    vae.posterior.set_weights([kernel, bias + [0.2, -0.2, 0.3, 0.3]])
    return vae, x, exact


def test_log_marginal_rises_to_the_truth_with_samples():
    vae, x, exact = widened()
    vae.compile("adam", run_eagerly=True)
    elbo = evaluation.elbo_terms(vae, x, samples=2000)["elbo"].mean
    few, many = (evaluation.log_marginal(vae, x, samples).mean for samples in (5, 20_000))
    assert elbo < few < exact.mean() and many == pytest.approx(exact.mean(), abs=0.01)


def test_elbo_terms_add_up():
    vae, x, exact = exact_model()
    terms = evaluation.elbo_terms(vae, x, samples=20_000)
    np.testing.assert_allclose(terms["elbo"].values, terms["reconstruction"].values - terms["kl"].values, atol=1e-5)
    assert terms["elbo"].mean == pytest.approx(exact.mean(), abs=0.02)


def test_results_do_not_depend_on_the_size_of_batches():
    vae, images = small_vae(), small_images(23)
    for estimate in (
        lambda data: evaluation.log_marginal(vae, data, samples=9).values,
        lambda data: evaluation.elbo_terms(vae, data)["elbo"].values,
    ):
        np.testing.assert_allclose(estimate(dataset(images, 10)), estimate(images), rtol=1e-5)


def test_samples_in_chunks_are_all_counted(monkeypatch):
    vae, x, exact = widened()
    vae.compile("adam", jit_compile=False)
    monkeypatch.setattr(
        evaluation.evidence, "NUMBERS_AT_ONCE", 3 * 30 * 4
    )  # three samples at once: 6667 chunks, and one more
    assert evaluation.log_marginal(vae, x, 20_000).mean == pytest.approx(exact.mean(), abs=0.02)


def test_a_bar_counts_the_batches(capsys):
    vae, batches = small_vae(), dataset(small_images(), 7)

    def shown(data):
        evaluation.squared_error(vae, data, verbose=1)
        return re.findall(r"(\d+)/(\w+)", capsys.readouterr().out)

    assert shown(batches)[-1] == ("3", "3")
    unknown = shown(batches.filter(lambda batch: True))  # the last may come too soon after another to be shown
    assert unknown[0] == ("1", "Unknown") and {total for _, total in unknown} == {"Unknown"}


def test_evaluation_repeats_and_leaves_the_weights():
    vae, images = small_vae(), small_images()
    before = weights(vae)
    one, two = (vae.evaluate(dataset(images, 7), return_dict=True, verbose=0) for _ in range(2))
    assert one == two and set(one) == {"loss", "elbo", "reconstruction", "kl"}
    np.testing.assert_array_equal(before, weights(vae))


def test_nothing_to_evaluate():
    with pytest.raises(ValueError, match="no data"):
        evaluation.log_marginal(small_vae(), dataset(small_images(), 5).take(0))
    with pytest.raises(ValueError, match="samples must be 1 or more"):
        evaluation.log_marginal(small_vae(), small_images(), samples=0)


def test_programs_are_kept_and_see_new_weights():
    vae, images = small_vae(compiled=GRAPH), small_images(6)
    first = evaluation.log_marginal(vae, images, samples=5).values
    (program,) = vae.programs.values()
    vae.set_weights([0.5 * w for w in vae.get_weights()])
    second = evaluation.log_marginal(vae, images, samples=5).values
    assert list(vae.programs.values()) == [program] and not np.allclose(first, second)


def test_effective_samples_tell_good_posteriors_from_bad():
    vae, x, _ = exact_model()
    exact = evaluation.log_marginal(vae, x, samples=200)
    np.testing.assert_allclose(exact.effective_samples, 200, rtol=1e-3)
    np.testing.assert_allclose(exact.errors, 0.0, atol=1e-3)
    vae, x, truth = widened()
    vae.compile("adam", run_eagerly=True)
    found = evaluation.log_marginal(vae, x, samples=200)
    assert np.all(found.effective_samples < 195) and np.all(found.effective_samples >= 1)
    off = (found.values - truth) / found.errors  # about standard normal
    assert abs(off.mean()) < 4 / np.sqrt(len(off)) and 0.6 < off.std() < 1.5
    assert np.isnan(evaluation.log_marginal(vae, x, samples=1).errors).all()


def test_too_few_effective_samples_are_said():
    vae, x, _ = exact_model()
    kernel, bias = vae.posterior.get_weights()
    vae.posterior.set_weights([kernel, bias + [3.0, -3.0, 0.0, 0.0]])  # far off
    with pytest.warns(RuntimeWarning, match=r"of 1000 samples are effective.*take more samples, or use .*annealed"):
        found = evaluation.log_marginal(vae, x, samples=1000)
    assert np.median(found.effective_samples) < 10
    evaluation.log_marginal(vae, x, samples=100)  # a quick look: no warning, which would be an error


def test_a_point_has_no_effective_samples_and_no_warning():
    vae = small_vae(posterior=members.POSTERIORS["Deterministic"]())
    found = evaluation.log_marginal(vae, small_images(3), samples=1000)
    assert np.all(found.values == -np.inf) and np.all(found.effective_samples == 0) and np.all(found.errors == np.inf)
    assert found.mean == -np.inf and str(found).startswith("-inf")
