"""Figures of tables, and of odd rows: what they show, and that all of it is named."""

import warnings

import numpy as np
import pandas as pd
import pytest

from tests.test_columns import people
from tests.test_figures import assert_labelled, pixels
from tfvae import evaluation, figures
from tfvae.figures import curves
from tfvae.tables import Schema

KINDS = {"visits": "count", "height": "number", "income": "positive"}


@pytest.fixture(scope="module")
def table():
    """A schema, rows of it, and other rows."""
    frame = people()
    schema = Schema.infer(frame, kinds=KINDS)
    rows = schema.encode(people(40, seed=1))
    places = [place for place, column in enumerate(schema.encoded) if not column.categories]
    rows[:, places] = np.clip(rows[:, places], *(bound(schema.encode(frame), axis=0)[places] for bound in BOUNDS))
    return schema, schema.encode(frame), rows


BOUNDS = (np.nanmin, np.nanmax)


def of_table(frame, **kinds):
    schema = Schema.infer(frame, kinds=kinds)
    return schema, schema.encode(frame)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def test_marginals_are_histograms_and_bars_in_units(table):
    schema, x, drawn = table
    figure = figures.marginals(schema, x, drawn)
    assert_labelled(figure)
    assert len(figure.axes) == 7
    panels = {axes.get_xlabel() or axes.get_ylabel(): axes for axes in figure.axes}
    low, high = panels["height"].get_xlim()
    assert low < np.nanmin(x[:, 0] + schema.encoded[0].origin) and high > np.nanmax(x[:, 0] + schema.encoded[0].origin)
    assert sum(bar.get_height() for bar in panels["height"].patches) == pytest.approx(2)  # shares of data and of draws
    assert panels["income"].get_xscale() == "log"
    assert {tick.get_text() for tick in panels["job"].get_yticklabels()} == {"nurse", "cook", "judge"}
    assert [tick.get_text() for tick in panels["grade"].get_yticklabels()] == ["low", "high"]
    first, last = (matplotlib_date(value) for value in panels["born"].get_xlim())
    assert first > pd.Timestamp("1985-01-01") and last < pd.Timestamp("2015-01-01")
    distances = evaluation.marginal_distances(schema, x, drawn)
    assert titles(figure)[0] == f"Kolmogorov-Smirnov {distances[0]:.2f}"


def matplotlib_date(days):
    return pd.Timestamp("1970-01-01") + pd.Timedelta(days=days)


def test_reconstructions_lie_over_true_values(table):
    schema, x, other = table
    figure = figures.column_reconstructions(schema, x[:40], np.where(np.isnan(other), x[:40], other))
    assert_labelled(figure)
    exact = figures.column_reconstructions(schema, x, np.nan_to_num(x, nan=1.0))
    assert set(titles(exact)) == {"RMSE 0.00 deviations", "accuracy 1.00"}
    panels = {axes.get_xlabel(): axes for axes in exact.axes}
    points = np.asarray(panels["height"].collections[0].get_offsets())
    assert len(points) == (~np.isnan(x[:, 0])).sum() and (points[:, 0] == points[:, 1]).all()
    matrix = np.asarray(panels["job"].images[0].get_array())
    np.testing.assert_array_equal(matrix, np.eye(3))


def test_associations_stand_side_by_side(table):
    schema, x, drawn = table
    figure = figures.associations(schema, x, drawn)
    assert pixels(figure)[..., :3].std() > 5
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), evaluation.associations(schema, x))
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == list(schema.names)
    with pytest.raises(figures.NotApplicable, match="one column"):
        figures.associations(*of_table(pd.DataFrame({"a": [1.0, 2.5]})), np.ones((2, 1)))


def test_many_columns_and_categories_are_cut_and_it_is_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.normal(size=30) for i in range(50)})
    frame["where"] = [f"a village with the long name {i % 20}$" for i in range(30)]
    schema, x = of_table(frame)
    other = x.copy()
    other[:, 37] += 9
    figure = figures.marginals(schema, x, other)
    assert len(figure.axes) == 24 and "the 24 of 51 columns that differ most" in figure.get_suptitle()
    assert "c37" in [axes.get_xlabel() for axes in figure.axes]
    other[:, 50] = (x[:, 50] + 1) % 20
    figure = figures.column_reconstructions(schema, x, other)
    assert len(figure.axes) == 24 and "reconstructed worst" in figure.get_suptitle()
    (panel,) = [axes for axes in figure.axes if "where" in axes.get_xlabel()]
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert len(names) == 13 and names[-1] == "other (8)" and max(map(len, names)) <= 18
    assert "the first 40 of 51 columns" in figures.associations(schema, x, other).get_suptitle()


def test_columns_without_values_or_spread_are_drawn():
    frame = pd.DataFrame({"a": [3.5, 3.5, np.nan], "b": [np.nan, 1.25, 2.5], "c": ["x", "x", None]})
    schema, x = of_table(frame, a="number", b="positive", c="category")
    empty = x.copy()
    empty[:, 1] = np.nan
    for figure in (
        figures.marginals(schema, x, empty),
        figures.column_reconstructions(schema, empty, np.nan_to_num(x, nan=1.0)),
        figures.associations(schema, x, empty),
    ):
        pixels(figure)
    assert "no values" in titles(figures.column_reconstructions(schema, empty, x))


def test_scores_are_counted_about_the_threshold():
    scores = np.concatenate([np.random.default_rng(0).normal(size=500), [8.0, 9.0, 1e6, np.inf]])
    figure = figures.score_histogram(scores, 4.0)
    assert_labelled(figure)
    assert "4 (0.8%) are above the threshold 4" in figure.get_suptitle() and "1 are not finite" in figure.get_suptitle()
    (axes,) = figure.axes
    assert sum(bar.get_height() for bar in axes.patches) == 503 and "the last bar has all" in axes.get_xlabel()
    labels = scores > 5
    known = figures.score_histogram(scores, 4.0, labels)
    words = [text.get_text() for text in known.axes[0].get_legend().get_texts()]
    assert words == ["known to be usual: 500", "known to be odd: 3", "threshold"]
    pixels(figures.score_histogram(np.full(3, 2.0), 2.0))
    with pytest.raises(figures.NotApplicable, match="no score is finite"):
        figures.score_histogram(np.array([np.inf]), 0.0)
    with pytest.raises(ValueError, match=r"scores must be \[N\]"):
        figures.score_histogram(scores, 0.0, labels[:3])


def test_the_oddest_rows_are_on_top():
    terms = np.random.default_rng(0).normal(size=(100, 30))
    terms[42, 7], terms[3, 28] = 50.0, 40.0
    terms[5, 7] = np.nan
    names = [f"column {i}" for i in range(30)]
    figure = figures.odd_columns(terms, names, [f"row {i}" for i in range(100)])
    assert_labelled(figure)
    assert figure.get_suptitle().endswith("the 25 oddest of 100, and the 24 of 30 columns that add most")
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["row 42", "row 3"]
    shown = np.asarray(axes.images[0].get_array())
    columns = [tick.get_text() for tick in axes.get_xticklabels()]
    assert shown[0, columns.index("column 7")] == 50 and shown[1, columns.index("column 28")] == 40
    numbered = figures.odd_columns(terms[:2], names).axes[0].get_yticklabels()
    assert {tick.get_text() for tick in numbered} == {"0", "1"}
    with pytest.raises(ValueError, match=r"terms must be \[N, D\]"):
        figures.odd_columns(terms, names[:3])
    with pytest.raises(figures.NotApplicable, match="no rows"):
        figures.odd_columns(np.zeros((0, 30)), names)


def test_distortions_of_densities_may_be_negative():
    distortions = np.array([-1.0, -3.0, -9.0])
    curve = evaluation.RateDistortion(np.linspace(0, 1, 3), np.arange(3.0), distortions, np.full(3, 0.1))
    axes = curves.rate_distortion(curve).axes[0]
    assert axes.get_ylim()[0] < -9 and axes.get_ylim()[1] > -1


def test_latents_are_coloured_by_a_column():
    units = evaluation.Units(np.random.default_rng(0).normal(size=(9, 3)), None)
    figure = figures.latent_space(units, np.arange(9) % 3, ["a", "b", "(missing)"], "species")
    assert_labelled(figure)
    assert figure.axes[0].get_title("left").startswith("The latent space: centers of q(z|x), coloured by species")
