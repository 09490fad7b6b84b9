"""Measures of tables: by hand, by SciPy's and pandas' own, and what a run on a table reports."""

import json
import math
import os
import pathlib

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tests.models import begin, linear_gaussian
from tests.test_columns import people, table_vae
from tfvae import cli, config, evaluation, likelihoods, networks, posteriors, preprocessing, priors
from tfvae.evaluation import NotApplicable
from tfvae.tables import Schema
from tfvae.training.report import examples, measures, of_columns, tables

CONFIG = pathlib.Path(__file__).parent.parent / "configs" / "table.yaml"
KINDS = {"visits": "count", "height": "number", "income": "positive"}


@pytest.fixture(scope="module")
def table():
    """A schema, its rows `[60, 7]` with gaps, and a VAE that has not been trained."""
    frame = people()
    schema = Schema.infer(frame, kinds=KINDS)
    vae = table_vae(schema)
    vae.adapt(frame)
    return schema, schema.encode(frame), vae


def small_schema():
    """A number, and a category."""
    return Schema.infer(pd.DataFrame({"n": [0.5, 1.5, 4.25], "c": ["a", "b", "c"]}), kinds={"n": "number"})


def test_quality_by_hand():
    schema = small_schema()
    x = np.array([[1.0, 0], [3.0, 1], [np.nan, 2], [5.0, np.nan]])
    found = np.array([[2.0, 0], [3.0, 2], [9.0, 2], [1.0, 1]])
    quality = evaluation.column_quality(schema, x, found, np.array([2.0, 1.0]))
    np.testing.assert_allclose(quality.values, [math.sqrt((1 + 0 + 16) / 3) / 2, 2 / 3])
    np.testing.assert_array_equal(quality.cells, [3, 3])
    none = evaluation.column_quality(schema, np.full((2, 2), np.nan), found[:2], np.ones(2))
    assert np.isnan(none.values).all() and not none.cells.any()


def test_deviations_and_typical_values_leave_gaps_out():
    x = np.array([[1.0, 2], [3.0, 1], [np.nan, 2], [5.0, np.nan]])
    np.testing.assert_allclose(evaluation.column_deviations(small_schema(), x), [np.std([1, 3, 5]), 1])
    np.testing.assert_allclose(evaluation.typical_values(small_schema(), x), [3, 2])
    x[:, 0] = 7
    np.testing.assert_array_equal(evaluation.column_deviations(small_schema(), x), [1, 1])
    np.testing.assert_array_equal(evaluation.typical_values(small_schema(), x * np.nan), [0, 0])


def test_filling_by_the_mean_is_one_deviation_off(table):
    schema, x, _ = table
    of_mean = evaluation.column_quality(
        schema, x, evaluation.typical_values(schema, x), evaluation.column_deviations(schema, x)
    )
    coded = np.array([bool(column.categories) for column in schema.encoded])
    np.testing.assert_allclose(of_mean.values[~coded], 1.0, rtol=1e-6)
    shares = [pd.Series(column).value_counts(normalize=True).iloc[0] for column in x[:, coded].T]
    np.testing.assert_allclose(of_mean.values[coded], shares, rtol=1e-6)


def test_distances_are_those_of_scipy():
    schema, rng = small_schema(), np.random.default_rng(0)
    x = np.stack([rng.normal(size=50).round(1), rng.integers(0, 3, 50)], axis=1)
    other = np.stack([rng.normal(0.5, 2, size=70).round(1), rng.integers(0, 2, 70)], axis=1)
    x[:9, 0] = other[3:20, 1] = np.nan
    distances = evaluation.marginal_distances(schema, x, other)
    exact = scipy.stats.ks_2samp(x[9:, 0], other[:, 0]).statistic
    shares = [pd.Series(rows[:, 1]).value_counts(normalize=True).reindex(range(3)).fillna(0) for rows in (x, other)]
    np.testing.assert_allclose(distances, [exact, np.abs(shares[0] - shares[1]).sum() / 2])
    np.testing.assert_array_equal(evaluation.marginal_distances(schema, x, x), [0, 0])
    assert np.isnan(evaluation.marginal_distances(schema, x, other * np.nan)).all()


def test_associations_are_those_of_pandas_and_scipy(table):
    """The mean of squares between categories is SciPy's F statistic, in other words."""
    schema, x, _ = table
    names, found = list(schema.names), evaluation.associations(schema, x)
    frame = pd.DataFrame(x.astype(np.float64), columns=names)
    numbers = ["height", "income", "visits", "born"]
    where = [names.index(name) for name in numbers]
    np.testing.assert_allclose(found[np.ix_(where, where)], frame[numbers].corr().abs(), atol=1e-9)
    both = frame[["job", "smokes"]].dropna().astype(int)
    cross = pd.crosstab(both["job"], both["smokes"])
    exact = scipy.stats.contingency.association(cross.to_numpy(), method="cramer")
    assert found[names.index("job"), names.index("smokes")] == pytest.approx(exact, abs=1e-9)
    both = frame[["job", "height"]].dropna()
    groups = [group["height"].to_numpy() for _, group in both.groupby("job")]
    f = scipy.stats.f_oneway(*groups).statistic * (len(groups) - 1)
    exact = math.sqrt(f / (f + len(both) - len(groups)))
    assert found[names.index("height"), names.index("job")] == pytest.approx(exact, abs=1e-9)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1)


def test_associations_of_constants_are_none():
    schema = small_schema()
    x = np.array([[2.0, 0], [2.0, 1], [np.nan, 2]])
    np.testing.assert_allclose(evaluation.associations(schema, x), [[np.nan, np.nan], [np.nan, 1]])
    assert evaluation.associations(schema, x, first=1).shape == (1, 1)
    huge = np.array([[1e38, 0], [-1e38, 1], [3e38, 0]])
    assert evaluation.associations(schema, huge)[0, 0] == 1


def test_each_cell_is_hidden_once_and_filled_from_the_others(table):
    _, x, vae = table
    calls = []

    class Spy:
        def impute(self, rows, samples, seed):
            calls.append(rows)
            return np.where(np.isnan(rows), 5.0, rows)

    filled = evaluation.fill_hidden(Spy(), x, share=0.25)
    np.testing.assert_array_equal(filled, np.where(np.isnan(x), np.nan, 5.0))  # none is what it was
    shown = calls[0].reshape(4, *x.shape)
    there = ~np.isnan(x)
    np.testing.assert_array_equal((~np.isnan(shown)).sum(axis=0), 3 * there)
    hidden = (there & np.isnan(shown)).sum(axis=1)  # [4, D]
    assert (hidden.max(axis=0) - hidden.min(axis=0) <= 1).all()
    found = evaluation.fill_hidden(vae, x[:10], samples=5)
    assert np.isfinite(found[there[:10]]).all() and np.isnan(found[~there[:10]]).all()
    with pytest.raises(ValueError, match=r"share must be 1 / 2, 1 / 3, 1 / 4, ..., so that"):
        evaluation.fill_hidden(vae, x, share=0.3)


def test_reconstructions_have_the_likeliest_categories(table):
    schema, x, vae = table
    rows, found = evaluation.reconstruct_rows(vae, x)
    np.testing.assert_array_equal(rows, x)
    decoded = vae.decode(vae.posterior.center(vae.encode(x)))
    job = list(schema.names).index("job")
    assert set(found[:, job]) <= {0.0, 1.0, 2.0} and np.isfinite(found).all()
    np.testing.assert_allclose(found[:, schema.names.index("height")], decoded.mean()[:, 0], rtol=1e-5)


def test_draws_are_rows_of_the_table(table):
    schema, x, vae = table
    drawn = evaluation.draw_rows(vae, 30)
    frame = schema.decode(drawn)
    np.testing.assert_array_equal(schema.encode(frame), drawn)
    places = [place for place, column in enumerate(schema.encoded) if not column.categories]
    assert (drawn[:, places] >= np.nanmin(x, axis=0)[places] - 1e-3).all()
    assert (drawn[:, places] <= np.nanmax(x, axis=0)[places] + 1e-3).all()
    with pytest.raises(NotApplicable, match="no row of a table"):
        evaluation.draw_rows(linear_gaussian()[0], 3)


def test_squared_error_is_of_what_is_observed(table):
    begin()
    vae = tfvae.VAE(
        encoder=networks.mlp(8, [4]),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [4]),
        likelihood=likelihoods.Columns({"all": likelihoods.Normal(4)}),
        preprocessor=preprocessing.Gaps(),
    )
    vae.compile(run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    x[0, 1:] = x[1, 2] = x[2] = np.nan
    found = evaluation.squared_error(vae, x)
    exact = np.nanmean((vae(tf.constant(x)).numpy() - x)[[0, 1, 3, 4]] ** 2, axis=1)
    np.testing.assert_allclose(found.values, exact, rtol=1e-5)
    with pytest.raises(NotApplicable, match="all elements of x are missing"):
        evaluation.squared_error(vae, x[2:3])
    with pytest.raises(NotApplicable, match="columns of a table have units of their own"):
        evaluation.squared_error(table[2], table[1])


def test_rows_of_the_printed_table():
    columns = {"a": {"rmse": 0.5, "cells": 3}, "b": {"rmse": 1.25, "cells": 2}, "c": {"accuracy": 0.75, "cells": 4}}
    rows = tables.ROWS["reconstruction_error"]({"rmse": 0.875, "accuracy": 0.75, "columns": columns})
    assert [row[:2] for row in rows] == [("numbers reconstructed", "0.875"), ("categories reconstructed", "0.750")]
    assert rows[0][3] == "RMSE in deviations of the column, a mean over 2; worst b, 1.250"
    mode = {"hidden": 0.2, "rmse": 0.875, "mean_or_mode": {"rmse": 1.0}, "columns": {"a": columns["a"]}}
    (row,) = tables.ROWS["imputation"](mode)
    assert row[0] == "numbers filled in, 20% hidden at a time" and "(1.000 by mean)" in row[3]


def nothing_missing(numbers, where=""):
    """All that is in the report has a value."""
    assert numbers is not None, where
    inner = numbers.items() if isinstance(numbers, dict) else enumerate(numbers) if isinstance(numbers, list) else ()
    for key, value in inner:
        if key != "doubt":  # there may be none
            nothing_missing(value, f"{where}.{key}")


def test_rows_are_taken_at_random_and_always_the_same(table):
    _, x, vae = table
    numbers = np.arange(len(x))
    alone = [int(n) for n in examples.one_by_one(vae, tf.data.Dataset.from_tensor_slices(numbers).batch(7))]
    pairs = tf.data.Dataset.from_tensor_slices((x, numbers)).batch(9)
    beside = [int(n) for _, n in examples.one_by_one(vae, pairs)]
    assert alone == beside and sorted(alone) == list(numbers) and alone != sorted(alone)
    images = [int(n) for n in examples.one_by_one(linear_gaussian()[0], tf.data.Dataset.from_tensors(numbers))]
    assert images == list(numbers)


def experiment_and_vae(*keys):
    """The experiment of the yaml of tables, with these keys, and its VAE, small, not trained, and run eagerly."""
    small = ["encoder={mlp: {units: [8]}}", "decoder={mlp: {units: [8]}}", "compile={run_eagerly: true}"]
    experiment = config.read(CONFIG, [*small, "adapt=false", *keys])
    train, _ = config.training_data(experiment)
    return experiment, config.compiled_vae(experiment, train.element_spec, config.table_schema(experiment))


@pytest.mark.slow
def test_measures_of_a_table_with_labels():
    experiment, vae = experiment_and_vae("data.labels=[species]")
    names = set(vae.preprocessor_view.schema.names)
    probes = measures.MEASURES["probes"](vae, experiment, "test", 5)
    assert probes["trained_on"] == 275 and 0 <= probes["linear_probe"] <= 1
    for measure in (measures.MEASURES["reconstruction_error"], *of_columns.MEASURES.values()):
        found = measure(vae, experiment, "test", 3)
        nothing_missing(found)
        assert set(found["columns"]) == names and found["examples"] == 34
    for name, why in (("samples", "mix the units"), ("disentanglement", "made from is not known")):
        with pytest.raises(NotApplicable, match=why):
            measures.MEASURES[name](vae, experiment, "test", 5)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("data.labels=null", "penguins.csv has no labels: data.labels names columns that are"),
        ("data.labels=[body_mass_g]", "penguins.csv has no labels: .*is a missing cell"),
        ("data.labels=[year]", "the labels of .*penguins.csv are no classes"),
        ("data.condition=island", "a conditional VAE need not keep"),
    ],
)
def test_tables_without_classes_have_no_probes(key, why):
    experiment, vae = experiment_and_vae(key)
    with pytest.raises(NotApplicable, match=why):
        measures.MEASURES["probes"](vae, experiment, "test", 5)


@pytest.mark.slow
def test_measures_of_a_conditional_table():
    experiment, vae = experiment_and_vae("data.condition=island")
    for measure in (measures.MEASURES["reconstruction_error"], *of_columns.MEASURES.values()):
        found = measure(vae, experiment, "test", 3)
        nothing_missing(found)
        assert "island" not in found["columns"] and len(found["columns"]) == 7


@pytest.mark.slow
def test_a_run_on_a_table_is_evaluated_and_plotted(tmp_path, capsys):
    """All verbs, each of which makes its programs: 60 s of CPU."""
    run = tmp_path / "run"
    assert cli.main(["train", str(CONFIG), str(run), "--set", "fit.epochs=2"]) == 0
    assert cli.main(["evaluate", str(run), "--samples", "50"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((run / "evaluation.json").read_text())
    nothing_missing(result)
    names = {"reconstruction_error", "information", "gap", "rate_distortion", "imputation", "marginals"}
    assert set(result["measures"]) == names
    assert set(result["left_out"]) == {"disentanglement", "samples", "probes"}
    columns = result["measures"]["imputation"]["columns"]
    assert list(columns["sex"]) == ["cells", "accuracy", "mean_or_mode"] and len(columns) == 8
    assert "numbers filled in" in printed and "marginal distance" in printed
    assert cli.main(["plot", str(run)]) == 0
    drawn = (
        "associations latent_space learning_curves marginals odd_columns rate_distortion reconstructions scores units"
    )
    assert sorted(os.listdir(run / "figures")) == [f"{name}.png" for name in drawn.split()]
    assert "left out: samples, interpolations, traversals, manifold (x is a row of a table" in capsys.readouterr().out
