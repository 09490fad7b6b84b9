"""`AnomalyDetector`: what it finds, and scikit-learn's rules of outlier detectors."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator

import tfvae
from tfvae import ensemble

QUICK = {"members": 1, "epochs": 20, "samples": 5, "units": (16,), "learning_rate": 1e-2}


def planted(rows=300):
    """Three columns of one factor, and a tenth of the rows at odds with it: X `[N, 3]`, labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % 10 == 0
    x = rng.normal(size=(rows, 1)) * [1.0, -2.0, 30.0] + 0.1 * rng.normal(size=(rows, 3)) * [1.0, 2.0, 30.0] + 100
    x[labels] = 100 + rng.normal(size=(labels.sum(), 3)) * [1.0, 2.0, 30.0] * 1.5
    return x, labels


@pytest.fixture(scope="module")
def fitted():
    """A detector of two members, and the rows and labels that it was fitted to."""
    x, labels = planted()
    return tfvae.AnomalyDetector(**QUICK | {"members": 2, "epochs": 60}).fit(x), x, labels


def test_planted_rows_are_found(fitted):
    """The first to ask for the fixture, whose programs take seconds to make."""
    detector, x, labels = fitted
    assert roc_auc_score(labels, -detector.score_samples(x)) > 0.9
    assert (detector.predict(x) == -1).sum() == 30
    np.testing.assert_allclose(detector.decision_function(x), detector.score_samples(x) - detector.offset_)
    assert len(detector.elbos_) == len(detector.weights_) == 2 and np.isfinite(detector.elbos_).all()


def test_members_differ_and_are_averaged(fitted):
    detector, x, _ = fitted
    of_each = []
    weights = detector.weights_
    for one in weights:
        detector.weights_ = [one]
        of_each.append(detector.score_samples(x))
    detector.weights_ = weights
    assert np.abs(of_each[0] - of_each[1]).max() > 0.1
    np.testing.assert_allclose(np.mean(of_each, axis=0), detector.score_samples(x), rtol=1e-6)


def test_an_odd_cell_and_a_missing_one(fitted):
    detector, x, _ = fitted
    odd = x[1:4].copy()
    odd[0, 2], odd[1, 0] = 500.0, np.nan
    columns = detector.score_columns(odd)
    assert columns[0].argmax() == 2 and columns[1, 0] == 0
    assert detector.predict(odd)[0] == -1


def test_a_part_scores_as_the_whole(fitted):
    detector, x, _ = fitted
    whole = detector.score_samples(x)
    np.testing.assert_array_equal(detector.score_samples(x[[200, 3, 77]]), whole[[200, 3, 77]])


def test_a_pickle_scores_the_same(fitted):
    detector, x, _ = fitted
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(x), detector.score_samples(x))
    assert again.get_params() == detector.get_params()
    unfitted = pickle.loads(pickle.dumps(clone(detector)))
    assert not hasattr(unfitted, "vae_")


@pytest.mark.slow
def test_data_frames_of_any_kind():
    """Its programs take seconds to make."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=200)
    frame = pd.DataFrame(
        {"age": 40 + 10 * z, "job": np.where(z > 0, "nurse", "cook"), "visits": rng.poisson(np.exp(z))}
    )
    frame.loc[5, "age"] = None
    detector = tfvae.AnomalyDetector(**QUICK).fit(frame)
    assert list(detector.feature_names_in_) == ["age", "job", "visits"] and detector.n_features_in_ == 3
    odd = frame.head(3).assign(age=200.0, job="pilot")
    assert np.isfinite(detector.score_samples(odd)).all()
    assert detector.score_columns(odd).argmax(axis=1).tolist() == [0, 0, 0]
    with pytest.warns(UserWarning, match="valid feature names"):
        of_array = detector.score_samples(frame.to_numpy())
    np.testing.assert_array_equal(of_array, detector.score_samples(frame))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contamination": 0.7}, "contamination must be above 0"),
        ({"members": 0}, "members must be whole numbers"),
        ({"units": 64}, "units must be widths"),
        ({"units": (64, 0.5)}, "units must be whole numbers"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"trim": 1.0}, "trim must be 0 or more, and below 1"),
        ({"criterion": "odd"}, "criterion must be one of log_marginal, elbo"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfvae.AnomalyDetector(**arguments).fit(np.zeros((5, 2)))


@pytest.mark.slow
def test_a_cluster_among_the_training_rows_is_not_learned_where_it_is_trimmed():
    """It trains until it would know the cluster, with and without."""
    rng = np.random.default_rng(2)
    labels = np.arange(400) % 12 == 0
    x = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(400, 6))
    x /= x.std(axis=0)
    x[labels] = 2.5 * np.sign(rng.normal(size=6)) + 0.5 * rng.normal(size=(labels.sum(), 6))
    trimmed, whole = (tfvae.AnomalyDetector(members=2, trim=trim).fit(x).score_samples(x) for trim in (0.2, 0.0))
    assert roc_auc_score(labels, -trimmed) > 0.95 and roc_auc_score(labels, -whole) < 0.9


@pytest.mark.slow
def test_members_share_their_programs(monkeypatch):
    """Else each would take seconds."""
    calls = []
    make = tfvae.VAE.make_train_function

    def count(vae, force=False):
        before = vae.train_function
        make(vae, force)
        calls.append(vae.train_function is not before)

    monkeypatch.setattr(tfvae.VAE, "make_train_function", count)
    x, _ = planted(60)
    vae = ensemble.make_vae(tfvae.tables.Schema.infer(pd.DataFrame(x, columns=["a", "b", "c"])), 1, (4,), 0)
    ensemble.train_members(vae, x.astype(np.float32), ensemble.Training(3, 2, 2, 16, 1e-2, 0.2, 5, 0))
    assert sum(calls) == 1


@pytest.mark.slow
def test_the_rules_of_scikit_learn(monkeypatch):
    """It fits some sixty detectors, eagerly, for programs would take minutes to make. The rule of array API is skipped,
    as nothing here speaks it."""
    make = tfvae.VAE.compile
    monkeypatch.setattr(tfvae.VAE, "compile", lambda vae, optimizer, **_: make(vae, optimizer, run_eagerly=True))
    detector = tfvae.AnomalyDetector(members=1, epochs=1, samples=2, units=(4,))
    done = check_estimator(detector, on_fail=None, on_skip=None)
    assert [each["check_name"] for each in done if each["status"] == "failed"] == []
    assert [each["check_name"] for each in done if each["status"] == "skipped"] == ["check_array_api_input"]
