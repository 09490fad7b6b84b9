"""Anomaly scores: exact in the linear-Gaussian model; thresholds, columns, and rows that stand by themselves."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfvae
from tests import members
from tests.models import GRAPH, begin, linear_gaussian, small_images, small_vae
from tfvae import evaluation, likelihoods, networks, posteriors, preprocessing, priors, tables


def linear(missing=False):
    """The linear-Gaussian model with a likelihood of elements, x `[30, 4]` and log p(x) `[30]`."""
    exact, x, log_p = linear_gaussian()
    likelihood = likelihoods.Normal(4, scale=0.5)
    vae = tfvae.VAE(
        exact.encoder,
        exact.posterior,
        exact.prior,
        exact.decoder,
        likelihoods.Observed(likelihood) if missing else likelihood,
    )
    vae.likelihood.set_weights(exact.likelihood.get_weights())
    vae.compile(run_eagerly=True)
    return vae, x, log_p


@pytest.fixture(scope="module")
def table():
    """A VAE of a table with gaps, briefly trained, the rows that it was trained on, and others. It runs eagerly."""
    begin()
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    frame = pd.DataFrame(
        {
            "age": 40 + 10 * z + rng.normal(size=400),
            "income": np.exp(8 + z + 0.2 * rng.normal(size=400)),
            "rent": 500 + 200 * z + 40 * rng.normal(size=400),
            "rooms": 3 - z + 0.2 * rng.normal(size=400),
            "job": np.where(z + 0.3 * rng.normal(size=400) > 0, "nurse", "cook"),
        }
    )
    frame = frame.mask(rng.uniform(size=frame.shape) < 0.1)
    schema = tables.Schema.infer(frame)
    preprocessor = preprocessing.Table(schema)
    vae = tfvae.VAE(
        networks.mlp(preprocessor.seen_shape((5,)), [16], "tanh"),
        posteriors.DiagonalNormal(2),
        priors.StandardNormal(2),
        networks.mlp(2, [16], "tanh"),
        likelihoods.table(5, schema),
        preprocessor=preprocessor,
    )
    vae.compile("adam", run_eagerly=True)
    vae.optimizer.learning_rate = 0.1
    train, rest = frame.iloc[:250], frame.iloc[250:].reset_index(drop=True)
    vae.adapt(train)
    vae.fit(train, epochs=10, batch_size=250, verbose=0)
    return vae, train, rest


def test_scores_are_exact_where_the_posterior_is():
    vae, x, log_p = linear()
    found = evaluation.anomaly(vae, x, x, samples=20)
    np.testing.assert_allclose(found.scores["log_marginal"], -log_p, rtol=1e-4)
    np.testing.assert_allclose(found.scores["elbo"], found.scores["reconstruction"] + found.scores["kl"], rtol=1e-4)
    terms = evaluation.elbo_terms(vae, x, samples=4000)
    np.testing.assert_allclose(found.scores["kl"], terms["kl"].values, rtol=1e-4)
    assert abs(found.scores["elbo"].mean() + terms["elbo"].mean) < 0.3


def test_log_marginal_does_not_need_the_exact_posterior():
    vae, x, log_p = linear()
    kernel, bias = vae.posterior.get_weights()
    vae.posterior.set_weights([kernel, bias + np.float32([0.2, -0.2, 0.5, 0.5])])
    found = evaluation.anomaly(vae, x, x, samples=3000)
    np.testing.assert_allclose(found.scores["log_marginal"], -log_p, atol=0.15)
    assert (found.scores["elbo"] > -log_p).mean() > 0.9


def test_terms_of_columns_sum_to_the_reconstruction():
    """With the exact posterior all weights are equal, and the average is that of the reconstruction."""
    vae, x, _ = linear()
    found = evaluation.score_of_batch(vae, 50, x)
    assert found["columns"].shape == (30, 4)
    np.testing.assert_allclose(tf.reduce_sum(found["columns"], axis=-1), found["reconstruction"], rtol=1e-3)


def test_chunks_of_samples_are_joined(monkeypatch):
    vae, x, _ = linear()
    kernel, bias = vae.posterior.get_weights()
    vae.posterior.set_weights([kernel, bias + np.float32([0.2, -0.2, 0.5, 0.5])])
    for samples in (21, 20):
        monkeypatch.setattr("tfvae.evaluation.anomaly_scores.NUMBERS_AT_ONCE", 128 * 4 * 5)
        found = evaluation.score_of_batch(vae, samples, x)
        z = []
        monkeypatch.setattr("tfvae.evaluation.anomaly_scores.draw_rows_alike", keep(z))
        evaluation.score_of_batch(vae, samples, x)
        monkeypatch.undo()
        given, z = vae.given(x), tf.concat(z, axis=0)
        log_weight = given.log_weight(z, given.posterior.log_prob(z))
        expected = tf.reduce_logsumexp(log_weight, axis=0) - np.log(samples)
        np.testing.assert_allclose(found["log_marginal"], -expected, rtol=1e-4)
        weight = tf.nn.softmax(log_weight, axis=0)[..., None]
        elements = -0.5 * ((x - given.decode(z).mean()) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))
        np.testing.assert_allclose(found["columns"], -tf.reduce_sum(weight * elements, axis=0), rtol=1e-3, atol=1e-4)


def keep(z):
    """Draw as `draw_rows_alike`, and keep what was drawn."""
    from tfvae.distributions import draw_rows_alike

    def draw(*arguments):
        z.append(draw_rows_alike(*arguments))
        return z[-1]

    return draw


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_thresholds_flag_the_chosen_share_of_held_out_rows(share):
    vae, x, _ = linear()
    x = np.random.default_rng(3).normal(size=(200, 4)).astype(np.float32)
    found = evaluation.anomaly(vae, x, x, contamination=share, samples=5)
    assert {name: int((values > found.thresholds[name]).sum()) for name, values in found.scores.items()} == {
        name: round(200 * share) for name in found.scores
    }
    assert found.flags.sum() == round(200 * share)


def test_an_odd_cell_is_named(table):
    """The first to ask for the fixture, for which a VAE is trained."""
    vae, _, rest = table
    odd = rest.dropna().iloc[:20].reset_index(drop=True)
    odd.loc[3, "age"] = 150.0
    odd.loc[5, "rent"] = -2000.0
    found = evaluation.anomaly(vae, rest, odd, samples=200)
    names = found.odd_columns(2)
    assert names[3][0] == "age" and names[5][0] == "rent"
    assert found.flags[3] and found.flags[5]
    assert all(len(row) <= 2 for row in names) and found.names == ("age", "income", "rent", "rooms", "job")
    assert "log_marginal" in str(found) and f"flagged: {found.flags.sum()} of 20 rows" in str(found)


def test_a_part_scores_as_the_whole(table):
    """Bit for bit: all rows have the same noise, and batches the same size."""
    vae, _, rest = table
    whole = evaluation.anomaly(vae, rest, rest, samples=7, regret=2)
    chosen = [140, 3, 77, 12]
    part = evaluation.anomaly(vae, rest, rest.iloc[chosen], samples=7, regret=2)
    assert set(part.scores) == {"log_marginal", "elbo", "reconstruction", "kl", "regret"}
    for name, values in part.scores.items():
        np.testing.assert_array_equal(values, whole.scores[name][chosen])
    np.testing.assert_array_equal(part.columns, whole.columns[chosen])


def test_missing_cells_count_nothing(table):
    vae, _, rest = table
    found = evaluation.anomaly(vae, rest, rest, samples=5)
    assert (found.columns[rest.isna().to_numpy()] == 0).all()
    assert (found.columns[rest.notna().to_numpy()] != 0).mean() > 0.9


@pytest.mark.slow
def test_regret_is_positive_and_tells_of_a_bad_encoder():
    vae, x, _ = linear()
    vae.compile(**GRAPH)  # hundreds of steps
    none = evaluation.anomaly(vae, x, x, samples=50, regret=30).scores["regret"]
    kernel, bias = vae.posterior.get_weights()
    vae.posterior.set_weights([kernel, bias + np.float32([0.5, -0.5, 0, 0])])
    some = evaluation.anomaly(vae, x, x, samples=50, regret=30, score="regret")
    assert none.min() >= 0 and none.max() < 0.05
    assert some.scores["regret"].min() > 0.3 and some.scorer is None


def test_labels_give_auroc_and_average_precision():
    vae, x, _ = linear()
    rows = np.concatenate([x, x[:6] + 20])
    found = evaluation.anomaly(vae, x, rows, labels=np.arange(36) >= 30, samples=5)
    assert found.auroc["log_marginal"] == found.average_precision["log_marginal"] == 1
    assert "AUROC" in str(found)


def test_kinds_of_data_score_alike(table):
    """Long where it is the first, for which a VAE is trained."""
    vae, _, rest = table
    encoded = vae.preprocessor_view.schema.encode(rest)
    of_frame = evaluation.anomaly(vae, rest, rest, samples=3)
    of_array = evaluation.anomaly(vae, encoded, encoded, samples=3)
    of_stream = evaluation.anomaly(vae, encoded, tf.data.Dataset.from_tensor_slices(encoded).batch(7), samples=3)
    for name, values in of_frame.scores.items():
        np.testing.assert_array_equal(values, of_array.scores[name])
        np.testing.assert_array_equal(values, of_stream.scores[name])


@pytest.mark.slow
def test_a_scorer_answers_as_the_evaluation(table, tmp_path):
    """Traced with any number of rows and no seed, and after its settings were stored. Saving takes seconds."""
    vae, _, rest = table
    found = evaluation.anomaly(vae, rest, rest, samples=5)
    scorer = evaluation.Scorer.from_config(found.scorer.get_config())
    encoded = vae.preprocessor_view.schema.encode(rest)

    @tf.function(input_signature=[tf.TensorSpec([None, 5])], autograph=False)
    def score(x):
        return scorer(vae, x)

    module = tf.Module()
    module.score = score
    module.kept = [weight.value for weight in vae.weights]
    tf.saved_model.save(module, tmp_path / "scorer", {"serving_default": score})
    answer = tf.saved_model.load(str(tmp_path / "scorer")).signatures["serving_default"](tf.constant(encoded))
    np.testing.assert_allclose(answer["score"], found.scores["log_marginal"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(answer["columns"], found.columns, rtol=1e-3, atol=1e-3)
    assert (answer["flag"].numpy() == found.flags).mean() > 0.98


def test_images_and_conditions_have_scores():
    vae = small_vae()
    found = evaluation.anomaly(vae, small_images(9), small_images(5), samples=2)
    assert found.columns.shape == (5, 64) and found.names[9] == "1, 1, 0"
    conditional = tfvae.VAE(
        networks.mlp(2, [4], condition_size=3),
        posteriors.DiagonalNormal(1),
        priors.StandardNormal(1),
        networks.mlp(1, [4], condition_size=3),
        likelihoods.Normal(2),
        condition_size=3,
    )
    conditional.compile(run_eagerly=True)
    pairs = (np.ones((4, 2), np.float32), np.array([0, 1, 2, 0]))
    found = evaluation.anomaly(conditional, pairs, pairs, samples=2)
    assert found.scores["elbo"][0] == found.scores["elbo"][3] != found.scores["elbo"][1]


def test_what_has_no_density_is_scored_by_reconstruction():
    vae = small_vae(posterior=members.POSTERIORS["Deterministic"]())
    x = small_images(4)
    with pytest.raises(evaluation.NotApplicable, match="take score='reconstruction'"):
        evaluation.anomaly(vae, x, x, samples=2, score="log_marginal")
    found = evaluation.anomaly(vae, x, x, samples=2)
    assert found.score == "reconstruction" and list(found.scores) == ["reconstruction"]
    assert np.isfinite(found.columns).all() and found.scorer.score == "reconstruction"


def test_elements_that_depend_on_each_other_have_no_terms():
    vae, x, log_p = linear_gaussian()  # its likelihood is TFP's, of vectors
    vae.compile(run_eagerly=True)
    found = evaluation.anomaly(vae, x, x, samples=4)
    np.testing.assert_allclose(found.scores["log_marginal"], -log_p, rtol=1e-4)
    assert found.columns.shape == (30, 0)
    with pytest.raises(evaluation.NotApplicable, match="depend on each other"):
        found.odd_columns()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"contamination": 0}, ValueError, "contamination must be above 0"),
        ({"samples": 0}, ValueError, "samples must be 1 or more"),
        ({"score": "odd"}, ValueError, "score must be one of log_marginal, elbo"),
        ({"score": "regret"}, ValueError, "give regret"),
        ({"labels": [0, 1]}, ValueError, "2 labels, and 4 rows"),
        ({"labels": [0, 0, 0, 0]}, ValueError, "all labels are the same"),
        ({"labels": [0, 1, 2, 0]}, ValueError, "labels must be 0, or 1"),
        ({"rows": np.zeros((0, 8, 8, 1), np.uint8)}, ValueError, "there is no row"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    vae, x = small_vae(), small_images(4)
    with pytest.raises(error, match=message):
        evaluation.anomaly(vae, x, **({"rows": x, "samples": 2} | arguments))


def test_regret_needs_a_posterior_that_can_be_refined():
    vae = small_vae(posterior=members.POSTERIORS["FullNormal"]())
    with pytest.raises(evaluation.NotApplicable, match="FullNormal cannot"):
        evaluation.anomaly(vae, small_images(3), small_images(3), samples=2, regret=2)
