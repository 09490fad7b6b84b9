import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import dataset, linear_gaussian, small_images, small_vae
from tfvae import evaluation, networks

SIZES = (3, 6, 8, 5)
SCORES = {
    "mig": evaluation.mig,
    "disentanglement": lambda codes, factors: evaluation.dci(codes, factors).disentanglement,
    "completeness": lambda codes, factors: evaluation.dci(codes, factors).completeness,
    "sap": lambda codes, factors: evaluation.sap(codes, factors, categorical=[0]),
    "factor_vae_score": evaluation.factor_vae_score,
}
CHANCE = {"factor_vae_score": 1 / len(SIZES)}
SCORED = pytest.mark.parametrize("name", SCORES)


def table(count=2000):
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(size, size=count) for size in SIZES], axis=1), rng


def permuted(factors, rng):
    """Perfect codes: factors in another order, scaled, some negative, and a latent of noise."""
    order = [2, 0, 3, 1]
    return np.column_stack([factors[:, order] * [0.5, -3.0, 1.0, 10.0] + 4.0, rng.normal(size=len(factors))])


def rotated(factors, rng):
    centred = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    return centred @ np.linalg.qr(rng.normal(size=(4, 4)))[0]


@SCORED
def test_perfect_codes_score_one(name):
    factors, rng = table()
    assert SCORES[name](permuted(factors, rng), factors) == pytest.approx(1.0, abs=0.03)


@SCORED
def test_rotated_codes_score_less(name):
    factors, rng = table()
    score = SCORES[name](rotated(factors, rng), factors)
    assert 0 <= score < 0.75


@SCORED
def test_random_codes_score_as_chance(name):
    factors, rng = table()
    assert SCORES[name](rng.normal(size=(len(factors), 5)), factors) == pytest.approx(CHANCE.get(name, 0.0), abs=0.07)


@SCORED
def test_constant_codes_score_nothing(name):
    factors, _ = table(200)
    assert SCORES[name](np.full((200, 3), 0.5), factors) == 0.0


@SCORED
def test_scores_repeat_and_take_a_single_latent_and_factor(name):
    factors, _ = table(500)
    one, two = (SCORES[name](factors[:, :1].astype(np.float32), factors[:, :1]) for _ in range(2))
    assert one == two == pytest.approx(1.0)


@SCORED
def test_factors_that_do_not_vary_are_left_out(name):
    factors, rng = table(1000)
    codes = permuted(factors, rng)
    with_constant = np.insert(factors, 0, 7, axis=1)
    if name == "sap":
        assert evaluation.sap(codes, with_constant, [1]) == evaluation.sap(codes, factors, [0])
    else:
        assert SCORES[name](codes, with_constant) == SCORES[name](codes, factors)


def test_informativeness_is_the_accuracy_of_prediction():
    factors, rng = table()
    assert evaluation.dci(permuted(factors, rng), factors).informativeness > 0.98
    by_chance = np.mean([1 / size for size in SIZES])
    for useless in (rng.normal(size=(len(factors), 3)), np.zeros((len(factors), 3))):
        assert evaluation.dci(useless, factors).informativeness == pytest.approx(by_chance, abs=0.04)


def test_mig_in_closed_form():
    coin, other = np.divmod(np.arange(400) % 4, 2)
    codes = np.column_stack([coin, np.where(np.arange(400) < 200, coin, other)]).astype(float)
    joint = np.array([[3, 1], [1, 3]]) / 8  # of the second latent and the coin
    known = np.sum(joint * np.log(joint / 0.25))
    assert evaluation.mig(codes, coin[:, None]) == pytest.approx(1 - known / np.log(2))


def test_two_latents_of_the_same_leave_no_gap_but_each_has_one_factor():
    factors, _ = table()
    codes = np.repeat(factors, 2, axis=1).astype(float)
    assert evaluation.mig(codes, factors) == evaluation.sap(codes, factors) == pytest.approx(0.0)
    assert evaluation.dci(codes, factors).disentanglement > 0.97
    assert evaluation.factor_vae_score(codes, factors) == 1.0


def test_thresholds_find_classes_out_of_order():
    factors, rng = table()
    codes = np.column_stack([np.array([1.0, 0.0, 2.0])[factors[:, 0]], rng.normal(size=len(factors))])
    assert evaluation.sap(codes, factors[:, :1], categorical=[0]) > 0.9 > evaluation.sap(codes, factors[:, :1]) + 0.1


def test_a_class_of_one_row_is_told_by_no_threshold():
    """Either it is not learnt or it is not tested, whichever half the row is in."""
    codes = np.arange(20.0)[:, None]
    scores = [evaluation.sap(codes, np.eye(20, dtype=int)[:, [row]], categorical=[0]) for row in range(20)]
    assert scores == [0.0] * 20


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros((5, 2)), np.zeros((4, 2), int), r"they are \(5, 2\) and \(4, 2\)"),
        (np.zeros(5), np.zeros((5, 2), int), r"codes must be \[N, n\]"),
        (np.zeros((5, 2)), np.arange(5.0)[:, None], "must be integers, not float64: cut measurements into bins"),
        (np.full((5, 2), np.nan), np.arange(5)[:, None], "not finite"),
        (np.zeros((5, 2)), np.ones((5, 2), int), "no factor varies"),
    ],
)
def test_tables_that_do_not_fit(codes, factors, message):
    for score in (evaluation.mig, evaluation.dci, evaluation.sap, evaluation.factor_vae_score):
        with pytest.raises(ValueError, match=message):
            score(codes, factors)


def test_the_factor_vae_score_does_not_depend_on_the_scale_of_a_latent():
    """A latent that hardly varies would else get all votes."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 4, (400, 2))
    codes = factors + 0.05 * rng.normal(size=(400, 2))
    assert evaluation.factor_vae_score(codes * [1e-3, 1e3], factors) == 1.0


def test_values_must_come_again_for_the_factor_vae_score():
    with pytest.raises(ValueError, match="factor 1 is in one row only"):
        evaluation.factor_vae_score(np.eye(6), np.column_stack([np.arange(6) % 2, np.arange(6)]))


def test_codes_are_the_centers_with_their_factors():
    vae, x, _ = linear_gaussian()
    factors = np.arange(60).reshape(30, 2)
    for pairs in ((x, factors), tf.data.Dataset.from_tensor_slices((x, factors.astype(np.float32))).batch(7)):
        found, known = evaluation.codes(vae, pairs)
        np.testing.assert_allclose(found, vae.encode(x).mean(), atol=1e-5)
        np.testing.assert_array_equal(known, factors)
        assert known.dtype == np.int64
    _, known = evaluation.codes(vae, (x, np.arange(30)))
    np.testing.assert_array_equal(known[:, 0], np.arange(30))


def test_a_conditional_vae_is_conditioned_on_the_factors():
    options = {"activation": "tanh", "condition_size": 4}
    vae = small_vae(
        encoder=networks.mlp(members.IMAGE, [8], **options),
        decoder=networks.mlp(members.LATENT, [8], **options),
        condition_size=4,
    )
    images, labels = small_images(), np.arange(20) % 4
    found, factors = evaluation.codes(vae, (images, labels))
    np.testing.assert_allclose(found, vae.encode((images, labels)).mean(), atol=1e-5)
    np.testing.assert_array_equal(factors[:, 0], labels)


def test_codes_on_replicas_are_those_of_one(two_replicas):
    with two_replicas.scope():
        vae, x, _ = linear_gaussian()
    found, factors = evaluation.codes(vae, dataset((x, np.arange(30)), 7))
    np.testing.assert_allclose(found, vae.encode(x).mean(), atol=1e-5)
    np.testing.assert_array_equal(factors[:, 0], np.arange(30))


def test_codes_want_factors_and_integers():
    with pytest.raises(ValueError, match=r"must be pairs \(x, factors\): load them with condition"):
        evaluation.codes(small_vae(), dataset(small_images(), 5))
    vae, x, _ = linear_gaussian()
    with pytest.raises(ValueError, match="factors must be integers"):
        evaluation.codes(vae, (x, np.full((30, 1), 0.5)))
