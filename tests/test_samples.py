import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist

from tests.models import small_images, small_vae
from tfvae import distributions, evaluation, networks, posteriors, priors
from tfvae.evaluation import samples


def normal(seed, count=600, dimensions=4):
    return np.random.default_rng(seed).normal(size=(count, dimensions))


def test_the_same_distribution():
    real, generated = normal(0), normal(1)
    found = evaluation.precision_recall(real, generated)
    assert found.precision > 0.85 and found.recall > 0.85
    found = evaluation.density_coverage(real, generated)
    assert found.density == pytest.approx(1.0, abs=0.1) and found.coverage > 0.9


def test_the_same_examples():
    real = normal(0)
    assert evaluation.precision_recall(real, real[::-1]) == (1.0, 1.0)
    density, coverage = evaluation.density_coverage(real, real)
    assert coverage == 1.0 and density == pytest.approx(6 / 5, abs=1e-12)  # each ball holds 5 others and its middle


def test_disjoint_distributions():
    real, generated = normal(0), normal(1) + 100
    assert evaluation.precision_recall(real, generated) == (0.0, 0.0)
    assert evaluation.density_coverage(real, generated) == (0.0, 0.0)


def test_a_mode_is_missed():
    real = np.concatenate([normal(0), normal(1) + 50])
    precision, recall = evaluation.precision_recall(real, normal(2))
    assert precision > 0.85 and recall == pytest.approx(0.5, abs=0.1)
    density, coverage = evaluation.density_coverage(real, normal(2))
    assert density == pytest.approx(1.0, abs=0.1) and coverage == pytest.approx(0.5, abs=0.1)


def test_all_samples_are_one():
    real = normal(0)
    generated = np.repeat(real[np.argmin((real**2).sum(axis=1))][None], 600, axis=0)
    precision, recall = evaluation.precision_recall(real, generated)
    assert precision == 1.0 and recall < 0.01
    density, coverage = evaluation.density_coverage(real, generated)
    assert density > 1.0 and coverage < 0.05


def test_an_outlier_lends_precision_but_little_density():
    real = np.concatenate([normal(0), np.full((1, 4), 30.0)])  # with a ball that reaches to the others
    generated = np.random.default_rng(1).uniform(10, 20, (300, 4))
    assert evaluation.precision_recall(real, generated).precision > 0.95
    assert evaluation.density_coverage(real, generated).density < 0.25


def test_chunks_are_all_counted(monkeypatch):
    real, generated = normal(0, 101), normal(1, 83)
    whole = evaluation.precision_recall(real, generated), evaluation.density_coverage(real, generated)
    monkeypatch.setattr(samples, "DISTANCES_AT_ONCE", 1000)
    assert whole == (evaluation.precision_recall(real, generated), evaluation.density_coverage(real, generated))
    reach = np.sort(cdist(real, real), axis=1)[:, 3]
    assert whole[0].precision == (cdist(real, generated) <= reach[:, None]).any(axis=0).mean()


def test_pixel_features_are_principal_components(digits):
    features = evaluation.pixel_features(digits, dimensions=20)
    found = features(digits)
    assert found.shape == (500, 20)
    np.testing.assert_allclose(features(digits / np.float32(255)), found, atol=1e-4)  # floats in [0, 1]
    centred = digits.reshape(500, -1) / 255.0
    centred -= centred.mean(axis=0)
    exact = np.linalg.svd(centred, compute_uv=False)[:20]
    np.testing.assert_allclose(np.sqrt((found**2).sum(axis=0)), exact, rtol=0.02)
    np.testing.assert_array_equal(found, evaluation.pixel_features(digits, dimensions=20)(digits))


def test_digits_and_noise(digits):
    features = evaluation.pixel_features(digits, dimensions=20)
    real, noise = features(digits[:250]), features(np.random.default_rng(0).integers(0, 256, digits.shape, np.uint8))
    assert evaluation.density_coverage(real, features(digits[250:])).coverage > 0.8
    assert evaluation.density_coverage(real, noise).coverage < 0.2


def test_bad_features(digits):
    with pytest.raises(ValueError, match=r"they are \(600, 4\) and \(600, 3\)"):
        evaluation.precision_recall(normal(0), normal(1, dimensions=3))
    with pytest.raises(ValueError, match="fewer than the examples, 600 real and 3 generated; not 3"):
        evaluation.precision_recall(normal(0), normal(1, 3))
    with pytest.raises(ValueError, match="not finite"):
        evaluation.density_coverage(normal(0), np.full((9, 4), np.nan))
    with pytest.raises(ValueError, match="dimensions must be from 1 to 500"):
        evaluation.pixel_features(digits, 501)
    with pytest.raises(ValueError, match=r"as those of training; they are \(2, 8, 8, 1\)"):
        evaluation.pixel_features(digits, 5)(np.zeros((2, 8, 8, 1)))


def clusters(seed, spread):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=300)
    return np.column_stack([labels * 10.0, -labels, np.zeros(300)]) + spread * rng.normal(size=(300, 3)), labels


@pytest.mark.parametrize("probe", [evaluation.linear_probe, evaluation.knn_accuracy])
def test_probes_of_separable_random_and_constant_codes(probe):
    train, labels = clusters(0, 0.3)
    test, test_labels = clusters(1, 0.3)
    assert probe(train, labels, test, test_labels) == 1.0
    assert probe(train, np.array(["a", "b", "c"])[labels], test, np.array(["a", "b", "c"])[test_labels]) == 1.0
    assert probe(normal(0, 300), labels, normal(1, 300), test_labels) == pytest.approx(1 / 3, abs=0.08)
    assert probe(np.ones((300, 2)), labels, np.ones((300, 2)), test_labels) < 0.5


@pytest.mark.parametrize("probe", [evaluation.linear_probe, evaluation.knn_accuracy])
def test_probes_say_what_does_not_fit(probe):
    codes, labels = clusters(0, 1.0)
    with pytest.raises(
        ValueError, match=r"training codes .* classes and not one-hot; they are \(300, 3\) and \(300, 3"
    ):
        probe(codes, np.eye(3)[labels], codes, labels)
    with pytest.raises(ValueError, match="test codes"):
        probe(codes, labels, codes, labels[:5])
    with pytest.raises(ValueError, match="all training labels are the same"):
        probe(codes, np.zeros(300), codes, labels)


def test_no_more_neighbours_than_examples():
    codes, labels = clusters(0, 1.0)
    with pytest.raises(ValueError, match="neighbours must be from 1 to 300"):
        evaluation.knn_accuracy(codes, labels, codes, labels, neighbours=301)


def test_draws_are_events_that_a_seed_repeats():
    vae = small_vae()
    drawn = evaluation.draws(vae, 30)
    assert drawn.shape == (30, *vae.likelihood.event_shape) and set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_array_equal(drawn, evaluation.draws(vae, 30))
    assert (drawn != evaluation.draws(vae, 30, seed=1)).any()


def test_draws_follow_the_means_of_the_model():
    """Of 4,000 draws each pixel is lit as often as `vae.sample` expects, within 5 standard errors."""
    vae = small_vae()
    expected = vae.sample(4000).numpy()
    error = np.sqrt(expected.mean(axis=0) * (1 - expected.mean(axis=0)) / 4000)
    assert (np.abs(evaluation.draws(vae, 4000).mean(axis=0) - expected.mean(axis=0)) < 5 * np.sqrt(2) * error).all()


class DrawnNormal(distributions.Conditional):
    """p(x|z) = N(x; mean(z), 0.5^2 I), a distribution that takes its noise from the seed just as the prior does."""

    def distribution(self, mean):
        return distributions.MultivariateNormalDiag(mean, tf.fill(tf.shape(mean), 0.5))


def test_draws_have_the_covariance_of_a_linear_model():
    """x = W z + b + noise: W W^T + 0.5^2 I, as the noise of x is none of that of z."""
    vae = small_vae(
        encoder=networks.mlp(4, [4]),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [2], "linear"),
        likelihood=DrawnNormal(4),
        preprocessor=None,
    )
    loading, shift = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]), np.array([1.0, -1.0, 2.0, 0.0])
    vae.decoder.set_weights([np.eye(2), np.zeros(2)])
    vae.likelihood.set_weights([loading, shift])
    drawn = evaluation.draws(vae, 5000)
    np.testing.assert_allclose(drawn.mean(axis=0), shift, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), loading.T @ loading + 0.25 * np.eye(4), atol=0.05)


def test_squared_error_is_that_of_predictions():
    vae, images = small_vae(), small_images()
    difference = vae.predict(images, verbose=0) - vae.preprocess(tf.constant(images)).numpy()
    expected = np.mean(difference.reshape(len(images), -1) ** 2, axis=1)
    np.testing.assert_allclose(evaluation.squared_error(vae, images).values, expected, rtol=1e-5)
