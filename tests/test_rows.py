"""The verbs on rows of tables: what goes in comes out, in names and units, whole, and alike in any pieces."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from tests.test_columns import people
from tfvae import cli, evaluation, exporting, tables, training
from tfvae.training import finished_run, rows_run

ROOT = pathlib.Path(__file__).parent.parent
SMALL = (
    "encoder={mlp: {units: [16]}}",
    "decoder={mlp: {units: [16]}}",
    "latent_size=2",
    "fit={epochs: 2}",
    "compile={jit_compile: false, run_eagerly: true}",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a table of all kinds of columns with gaps, in the file table.csv beside it; `name` is kept aside."""
    folder = tmp_path_factory.mktemp("rows")
    frame = people().assign(name=[f"row {index}" for index in range(60)])
    frame.to_csv(folder / "table.csv", index=False)
    settings = [f"data.name={folder / 'table.csv'}", "data.labels=[name]", *SMALL]
    training.train(ROOT / "configs" / "table.yaml", folder / "run", settings, verbose=0)
    return folder / "run"


def command(*words):
    return cli.main([*map(str, words), "--quiet"])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_gaps_are_filled_and_all_else_stays(run, tmp_path, ending):
    source, output = run.parent / "table.csv", tmp_path / f"whole{ending}"
    assert command("impute", run, source, output, "--samples", "5") == 0
    before, after = tables.read(source), tables.read(output)
    assert list(after.columns) == list(before.columns) and not after.isna().any().any()
    for name in before.columns:
        there = before[name].notna()
        assert (after[name][there].astype(str) == before[name][there].astype(str)).all(), name


@pytest.mark.slow
def test_rows_come_out_alike_in_any_pieces(run, tmp_path, monkeypatch):
    source = tmp_path / "long.csv"
    pd.concat([tables.read(run.parent / "table.csv")] * 5).to_csv(source, index=False)
    training.impute_table(run, source, tmp_path / "one.csv", samples=5, draw=True)
    monkeypatch.setattr(rows_run, "AT_ONCE", 128)
    training.impute_table(run, source, tmp_path / "two.csv", samples=5, draw=True)
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()


def test_fewer_drawn_rows_are_the_first_of_more(run, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_run, "DRAWN", 16)
    for rows in (20, 40):
        training.sample_rows(run, tmp_path / f"{rows}.csv", rows)
    few, more = ((tmp_path / f"{rows}.csv").read_text().splitlines() for rows in (20, 40))
    assert len(few) == 21 and more[:21] == few and len(set(more)) > 35


def test_odd_rows_are_flagged_and_their_columns_named(run, tmp_path):
    frame = tables.read(run.parent / "table.csv")
    frame.loc[3, "height"] = 900.0
    frame.to_csv(tmp_path / "odd.csv", index=False)
    assert command("score", run, tmp_path / "odd.csv", tmp_path / "scores.csv", "--samples", "10") == 0
    found = tables.read(tmp_path / "scores.csv")
    assert list(found.columns) == ["name", "score", "flag", "odd_columns"] and len(found) == 60
    assert found["flag"][3] and found["odd_columns"][3].split(", ")[0] == "height"
    assert found["score"][3] == found["score"].max() and found["flag"].mean() < 0.5


def test_rows_are_encoded_beside_what_names_them(run, tmp_path):
    source = run.parent / "table.csv"
    assert command("encode", run, source, tmp_path / "codes.csv") == 0
    found, frame = tables.read(tmp_path / "codes.csv"), tables.read(source)
    assert list(found.columns) == ["name", "mean_0", "mean_1", "stddev_0", "stddev_1"]
    assert (found["name"] == frame["name"]).all()
    vae, _ = training.load(run)
    posterior = vae.encode(frame.drop(columns="name"))
    np.testing.assert_allclose(found[["mean_0", "mean_1"]], posterior.mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[["stddev_0", "stddev_1"]], posterior.stddev(), rtol=1e-4)


@pytest.mark.parametrize("held_out", [True, False])
def test_an_export_tells_odd_rows_where_rows_were_held_out(run, tmp_path, monkeypatch, held_out):
    vae, experiment = finished_run.load(run)
    if not held_out:
        whole = experiment.data.model_copy(update={"train": "train", "validation": None, "test": None})
        experiment = experiment.model_copy(update={"data": whole})
    monkeypatch.setattr(finished_run, "load", lambda _: (vae, experiment))
    made = []
    monkeypatch.setattr(exporting, "export", lambda *_, anomaly, **more: made.append(anomaly) or {})
    training.export(run, tmp_path, contamination=0.3)
    (scorer,) = made
    assert (scorer is not None) == held_out
    if held_out:
        reference = finished_run.read_data(vae, experiment, "validation")
        scores = evaluation.score_rows(vae, reference, 100)["log_marginal"]
        assert 0 < np.mean(scores > scorer.threshold) <= 0.34


def test_drawn_rows_are_as_those_of_the_table(run, tmp_path):
    assert command("sample", run, tmp_path / "drawn.parquet", "--rows", "40") == 0
    drawn, frame = pd.read_parquet(tmp_path / "drawn.parquet"), tables.read(run.parent / "table.csv")
    assert len(drawn) == 40 and list(drawn.columns) == [name for name in frame.columns if name != "name"]
    assert set(drawn["job"]) <= set(frame["job"].dropna())
    assert drawn["visits"].dtype.kind in "iu" and drawn["visits"].between(0, frame["visits"].max()).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["impute", "{run}", "{folder}/nothing.csv", "{new}.csv"], "there is no table"),
        (["impute", "{run}", "{table}", "{new}.xlsx"], "of a format that is not known"),
        (["impute", "{run}", "{table}", "{table}"], "table.csv exists: choose another name"),
        (["encode", "{folder}", "{table}", "{new}.csv"], "is not the folder of a finished run"),
        (["encode", "{run}", "{less}", "{new}.csv"], "column 'height' is missing"),
        (["encode", "{run}", "{other}", "{new}.csv"], "'pilot'"),
        (["sample", "{run}", "{new}.csv", "--given", "job"], "--given must be column=value"),
        (["sample", "{run}", "{new}.csv", "--given", "job=cook"], "'job' is no condition of the model"),
        (["sample", "{run}", "{new}.csv", "--rows", "0"], "must be 1 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value[:1]),
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(run, tmp_path, capsys, words, message):
    table = run.parent / "table.csv"
    frame = tables.read(table)
    frame.drop(columns="height").to_csv(tmp_path / "less.csv", index=False)
    frame.assign(job="pilot").to_csv(tmp_path / "other.csv", index=False)
    before = sorted(tmp_path.iterdir())
    places = {"run": run, "folder": tmp_path, "table": table, "new": tmp_path / "new"}
    places |= {"less": tmp_path / "less.csv", "other": tmp_path / "other.csv"}
    try:
        status = command(*(word.format(**places) for word in words))
    except SystemExit as error:
        status = error.code
    line = capsys.readouterr().err
    assert status == 2 and message in line and line.startswith("error: ") and line.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
