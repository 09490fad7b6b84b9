"""Models of tables: what is missing changes nothing, columns side by side are one likelihood, and oracles are met."""

import json
import math
import pathlib
import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfvae
from tests.models import FixedNormal, begin, linear_gaussian, weights
from tfvae import (
    config,
    distributions,
    evaluation,
    likelihoods,
    networks,
    objectives,
    posteriors,
    preprocessing,
    priors,
    random,
)
from tfvae.tables import Schema

TABLE = pathlib.Path(__file__).parent.parent / "configs" / "table.yaml"
SEED = random.seed(0, random.Stream.SAMPLING)
GAPS = np.array([[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]], bool)  # of [4, 4], True where missing


def people(rows=60, seed=0):
    """A table of all kinds of columns, a fifth of its cells missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "height": 170 + 10 * z + rng.normal(size=rows) * 3 + rng.uniform(-0.004, 0.004, rows),
            "income": np.exp(8 + z + rng.normal(size=rows) * 0.3),
            "job": np.where(z > 0.5, "nurse", np.where(z > -0.5, "cook", "judge")),
            "visits": rng.poisson(np.exp(z)).astype(float),
            "smokes": z > 0,
            "grade": pd.Categorical(np.where(z > 0, "high", "low"), ["low", "high"], ordered=True),
            "born": pd.Timestamp("2000-01-01") + pd.to_timedelta((z * 1000).round(), unit="D"),
        }
    )
    frame = frame.astype({"visits": "Int64", "smokes": "boolean"})
    return frame.mask(rng.uniform(size=frame.shape) < 0.2)


def table_vae(schema, **settings):
    """A small VAE of a table, which runs eagerly."""
    begin()
    preprocessor = preprocessing.Table(schema)
    vae = tfvae.VAE(
        encoder=networks.mlp(preprocessor.seen_shape(()), [16], "tanh"),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [16], "tanh"),
        likelihood=likelihoods.table(len(schema.names), schema, **settings),
        preprocessor=preprocessor,
    )
    vae.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    return vae


@pytest.fixture(scope="module")
def trained():
    """The table, its schema, and a VAE that has seen it for an epoch."""
    frame = people()
    schema = Schema.infer(frame, kinds={"visits": "count", "height": "number", "income": "positive"})
    vae = table_vae(schema)
    vae.adapt(frame)
    vae.fit(frame, epochs=1, verbose=0)
    return frame, schema, vae


def gaussian_with_gaps():
    """The linear-Gaussian model, whose likelihood is of what is observed and whose posterior is the prior; x with gaps;
    the exact log p(x_observed) `[4]`, and mean and covariance of all x given it."""
    exact, x, _ = linear_gaussian()
    loading, shift = (np.array(part, np.float64) for part in exact.likelihood.get_weights())  # [2, 4], [4]
    vae = tfvae.VAE(
        encoder=networks.mlp(8, [2], "linear"),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [2], "linear"),
        likelihood=likelihoods.Columns({"all": likelihoods.Normal(4, scale=FixedNormal.SCALE)}),
        preprocessor=preprocessing.Gaps(),
    )
    vae.compile(run_eagerly=True)
    vae.decoder.set_weights([np.eye(2), np.zeros(2)])
    vae.likelihood.set_weights([loading, shift])
    vae.posterior.set_weights([np.zeros_like(part) for part in vae.posterior.get_weights()])
    x = np.where(GAPS, np.nan, x[:4])
    covariance = loading.T @ loading + FixedNormal.SCALE**2 * np.eye(4)
    log_p, means, covariances = [], [], []
    for row, gaps in zip(x, GAPS, strict=True):
        there = np.flatnonzero(~gaps)
        inner, to = covariance[np.ix_(there, there)], covariance[:, there]
        centred, inverse = row[there] - shift[there], np.linalg.inv(inner)
        quadratic = centred @ inverse @ centred + np.linalg.slogdet(inner)[1] + len(there) * math.log(2 * math.pi)
        log_p.append(-0.5 * quadratic)
        means.append(shift + to @ inverse @ centred)
        covariances.append(covariance - to @ inverse @ to.T)
    return vae, x.astype(np.float32), np.array(log_p), np.array(means), np.array(covariances)


def test_evidence_of_what_is_observed_is_exact():
    vae, x, exact, _, _ = gaussian_with_gaps()
    found = evaluation.log_marginal(vae, x, samples=20_000)
    assert (np.abs(found.values - exact) < 5 * found.errors + 1e-5).all()
    assert found.values[3] == 0  # nothing is observed


def test_gaps_are_filled_with_the_conditional_mean_and_draws_have_its_covariance():
    vae, x, _, means, covariances = gaussian_with_gaps()
    filled = vae.impute(x, samples=20_000)
    np.testing.assert_array_equal(filled[~GAPS], x[~GAPS])
    np.testing.assert_allclose(filled[GAPS], means[GAPS], atol=0.08)
    draws = vae.impute(x, draws=1_000, samples=2_000)
    assert draws.shape == (1_000, 4, 4)
    for row, gaps in enumerate(GAPS):
        found, expected = np.cov(draws[:, row, gaps].T), covariances[row][np.ix_(gaps, gaps)]
        np.testing.assert_allclose(np.atleast_2d(found), expected, atol=0.2 * expected.max())
        np.testing.assert_allclose(draws[:, row, gaps].mean(axis=0), means[row, gaps], atol=0.15)


def test_a_rows_gaps_are_filled_alike_among_other_rows(trained):
    frame, _, vae = trained
    whole = vae.impute(frame.head(5), samples=20)
    pd.testing.assert_frame_equal(vae.impute(frame.head(3), samples=20), whole.head(3))
    assert not whole.isna().any().any()
    for name in frame.columns:  # what was there is there, to the last bit
        there = frame[name].head(5).notna()
        assert (whole[name][there] == frame[name].head(5)[there]).all() and whole[name].dtype == frame[name].dtype


def test_hidden_cells_reach_neither_loss_nor_gradient(trained):
    """Whatever is put in the place of a missing cell, the step is the same."""
    frame, schema, _ = trained
    x = tf.constant(schema.encode(frame))
    steps = []
    for other in (False, True):
        vae = table_vae(schema)
        vae.adapt(x)
        for block in vae.likelihood.blocks.values() if other else ():
            block.filler = 1.0 if block.discrete else 3.5
        loss = vae.train_step(x)["loss"]
        assert np.isfinite(loss) and np.isfinite(weights(vae)).all()
        steps.append([*weights(vae), loss])
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.IWAE(samples=3), objectives.MIWAE(groups=2)])
def test_every_objective_takes_rows_with_gaps(trained, objective):
    _, schema, _ = trained
    vae = table_vae(schema)
    vae.objective = objective
    terms = vae.terms(schema.encode(people(9, seed=1)), SEED, training=True)
    assert np.isfinite(terms.loss).all() and np.isfinite(terms.reconstruction).all()


def test_columns_of_normals_are_one_normal():
    apart = likelihoods.Columns({"a": likelihoods.Normal(1), "b": likelihoods.Normal(2)}, places=[1, 2, 0])
    whole = likelihoods.Normal(3)
    for layer in (apart, whole):
        layer.build((None, 4))
    kernel, bias = np.random.default_rng(0).normal(size=(4, 3)), np.arange(3.0)
    whole.set_weights([kernel, bias])
    apart.set_weights([kernel[:, [1, 2, 0]], bias[[1, 2, 0]]])
    features, x = tf.random.stateless_normal([5, 4], [0, 0]), tf.random.stateless_normal([5, 3], [1, 1])
    np.testing.assert_allclose(apart(features).log_prob(x), whole(features).log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(apart(features).mean(), whole(features).mean(), rtol=1e-5)


@pytest.mark.parametrize("column", ["height", pytest.param("income", marks=pytest.mark.slow)])
def test_scaling_a_column_by_ten_moves_log_p_by_log_ten(column):
    """The density is in the column's own units, and the units that the parts measured follow it."""
    values = []
    for factor in (1.0, 10.0):
        frame = people().dropna().assign(**{column: lambda frame, by=factor: frame[column] * by})[["height", "income"]]
        schema = Schema.infer(frame, kinds={"height": "number", "income": "positive"})
        vae = table_vae(schema)
        vae.adapt(frame)
        values.append(evaluation.log_marginal(vae, schema.encode(frame), samples=50).values)
    np.testing.assert_allclose(values[1], values[0] - math.log(10), atol=2e-4)


def test_samples_are_as_the_table_has_them(trained):
    frame, schema, vae = trained
    drawn = schema.decode(vae.sample(200, seed=SEED, mean=False).numpy(), within=True)
    assert list(drawn.columns) == list(frame.columns) and not drawn.isna().any().any()
    assert set(drawn["job"]) <= {"nurse", "cook", "judge"} and set(drawn["grade"]) <= {"low", "high"}
    assert drawn["height"].between(frame["height"].min(), frame["height"].max()).all()
    assert (drawn["visits"] >= 0).all() and drawn["born"].dtype == frame["born"].dtype


def test_samples_have_the_gaps_of_the_data_where_these_are_modelled(trained):
    frame, schema, _ = trained
    vae = table_vae(schema, missing=True)
    vae.adapt(frame)
    logit = math.log(0.2 / 0.8)
    bias = vae.likelihood.projection.bias
    bias.assign(tf.concat([bias[: -len(schema.names)], tf.fill([len(schema.names)], logit)], axis=0))
    kernel = vae.likelihood.projection.kernel
    kernel.assign(kernel * 0)
    x = vae.sample(2_000, seed=SEED, mean=False).numpy()
    assert abs(np.isnan(x).mean() - 0.2) < 0.02
    assert not np.isnan(vae.sample(10, seed=SEED)).any()
    given = vae.given(schema.encode(frame))
    log_p = given.decode(tf.zeros((len(frame), 2))).log_prob(given.x)
    plain = given.decode(tf.zeros((len(frame), 2))).whole
    there = tf.cast(~np.isnan(given.x), tf.float32)
    empty = [tf.zeros((1, *shape)) for shape in vae.likelihood.shapes]
    filler = vae.likelihood.distribution(*empty).filler
    expected = distributions.Observed(plain, filler).log_prob(given.x)
    expected += tf.reduce_sum(there * math.log(0.8) + (1 - there) * math.log(0.2), axis=1)
    np.testing.assert_allclose(log_p, expected, rtol=1e-4)


def test_a_saved_model_knows_its_table(trained, tmp_path):
    frame, schema, vae = trained
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert again.preprocessor.schema == schema
    other_order = frame[frame.columns[::-1]]
    np.testing.assert_array_equal(again.predict(other_order, verbose=0), vae.predict(frame, verbose=0))


def test_a_model_without_a_schema_refuses_a_data_frame():
    vae, _, _ = linear_gaussian()
    with pytest.raises(ValueError, match="no schema of its columns"):
        vae.encode(pd.DataFrame({"a": [1.0]}))


def test_the_encoder_sees_scaled_numbers_classes_and_gaps():
    frame = pd.DataFrame({"n": [1.0, 3.5, np.nan, 8.25], "c": ["a", None, "b", "a"], "k": [0, 3, 1, 9000]})
    schema = Schema.infer(frame, kinds={"k": "count", "n": "number"})
    layer = preprocessing.Table(schema)
    x = schema.encode(frame)
    layer.adapt(tf.data.Dataset.from_tensors(x))
    seen = layer.seen(x).numpy()
    assert seen.shape == (4, *layer.seen_shape(x.shape[1:]))
    numbers = np.array([1.0, 3.5, 8.25])
    np.testing.assert_allclose(seen[[0, 1, 3], 0], (numbers - numbers.mean()) / numbers.std(), rtol=1e-5)
    counts = np.log1p([0, 3, 1, 9000])
    np.testing.assert_allclose(seen[:, 1], (counts - counts.mean()) / counts.std(), rtol=1e-5)
    np.testing.assert_array_equal(seen[:, 2:4], [[1, 0], [0, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(seen[:, 4:], np.isnan(x))
    assert seen[2, 0] == 0


@pytest.mark.parametrize("column", [["a", "b", "a", None], [1.5, 2.5, -0.25, None]])
def test_a_table_may_have_one_kind_of_columns(column):
    schema = Schema.infer(pd.DataFrame({"only": column}))
    layer = preprocessing.Table(schema)
    x = schema.encode(pd.DataFrame({"only": column}))
    layer.adapt(tf.data.Dataset.from_tensors(x))
    assert layer.seen(x).shape == (4, *layer.seen_shape((1,)))
    assert np.isfinite(layer.seen(x)).all()


def test_images_may_have_gaps():
    """Missing pixels are left out of the likelihood, and the encoder is told of them."""
    begin()
    images = np.random.default_rng(0).integers(0, 2, (6, 4, 4, 1)).astype(np.float32)
    images[:, :2] = np.nan
    vae = tfvae.VAE(
        encoder=networks.mlp((4, 4, 2), [8]),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [8]),
        likelihood=likelihoods.Observed(likelihoods.Bernoulli((4, 4, 1))),
        preprocessor=preprocessing.Gaps(preprocessing.Rescale()),
    )
    vae.compile(run_eagerly=True)
    vae.adapt(images)
    history = vae.fit(images, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    given = vae.given(images)
    whole = given.decode(tf.zeros((6, 2))).whole
    below = tf.where(np.isnan(images), 0.0, distributions.log_prob_of_elements(whole, np.nan_to_num(images)))
    found = given.decode(tf.zeros((6, 2))).log_prob(given.x)
    np.testing.assert_allclose(found, tf.reduce_sum(below, axis=[1, 2, 3]), rtol=1e-5)
    filled = vae.impute(images, samples=10)
    assert filled.shape == images.shape and np.isfinite(filled).all()


@pytest.mark.parametrize("arguments", [{"samples": 0}, {"draws": 0}, {"draws": -1}])
def test_nothing_is_imputed_from_no_samples(trained, arguments):
    frame, _, vae = trained
    with pytest.raises(ValueError, match="samples and draws must be 1 or more"):
        vae.impute(frame, **arguments)
    with pytest.raises(ValueError, match="no rows"):
        vae.impute(frame.iloc[:0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: likelihoods.Columns({}), "one block of columns or more"),
        (
            lambda: likelihoods.Columns({"a": likelihoods.Normal(2), "b": likelihoods.Normal((2, 2))}),
            "the block 'b' has",
        ),
        (lambda: likelihoods.Columns({"a": likelihoods.Normal(2)}, places=[0, 0]), "numbers from 0 to 1, each once"),
        (lambda: likelihoods.Columns({"a": FixedNormal(2)}), "the block 'a': the elements of FixedNormal"),
        (lambda: likelihoods.Observed(FixedNormal(2)), "none of them can be missing"),
        (lambda: preprocessing.Table(Schema.infer(people()), hide=1.0), "hide must be 0 or more, and below 1"),
        (lambda: likelihoods.table(3, Schema.infer(people())), "has 7 columns that are encoded, but events have 3"),
        (
            lambda: likelihoods.table(7, Schema.infer(people()), columns={"agee": likelihoods.Normal(1)}),
            "there is no column 'agee'",
        ),
        (
            lambda: likelihoods.table(7, Schema.infer(people()), columns={"job": likelihoods.Normal(1)}),
            "'job' is of the kind category",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_column_has_a_likelihood_by_its_name():
    """And those of its kind keep that of the kind."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["a", "b", "c"])
    schema, kind = Schema.infer(frame), {"number": likelihoods.Normal(1)}
    made = likelihoods.table(3, schema, columns={"b": likelihoods.Laplace(1)}, **kind)
    x = schema.encode(frame)
    terms = distributions.log_prob_of_elements(made.distribution(tf.zeros(2), tf.zeros(1)), tf.constant(x))
    np.testing.assert_allclose(terms[:, 1], -np.abs(x[:, 1]) - np.log(2), rtol=1e-5)
    np.testing.assert_allclose(terms[:, ::2], -(x[:, ::2] ** 2) / 2 - np.log(2 * np.pi) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"bill_length_mm": {"Laplace": None}}, None),
        ({"bill": {"Laplace": None}}, "there is no column 'bill'"),
        ({"bill_length_mm": {"Laplce": None}}, "likelihood.table.columns.bill_length_mm.Laplce: no such name"),
        ({"bill_length_mm": {"Laplace": {"scal": 1.0}}}, "bill_length_mm.Laplace.scal: no such key"),
        ([1], "likelihood.table.columns: must be"),
    ],
)
def test_a_yaml_has_likelihoods_by_names_of_columns(columns, message):
    if message:
        with pytest.raises(config.ConfigError, match=re.escape(message)):
            of_yaml(columns)
    else:
        vae = of_yaml(columns)
        assert isinstance(vae.likelihood.blocks["column bill_length_mm"], likelihoods.Laplace)
        assert vae.likelihood.blocks["number"].event_shape == (4,)  # of five


def of_yaml(columns):
    """The VAE of configs/table.yaml, with these likelihoods for columns of the penguins."""
    experiment = config.read(TABLE, ["likelihood=" + json.dumps({"table": {"columns": columns}})])
    schema = config.table_schema(experiment)
    return config.compiled_vae(experiment, tf.TensorSpec([None, len(schema.encoded)]), schema)
