"""Servables of tables: columns by name go in and come out, as the schema encodes and decodes them."""

import datetime
import functools
import importlib.util
import json
import pathlib

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfvae
from tests import processes
from tests.models import begin
from tests.test_columns import gaussian_with_gaps, people, table_vae
from tfvae import evaluation, exporting, imputation, likelihoods, networks, posteriors, preprocessing, priors
from tfvae.exporting import saved_model, signatures, table_columns
from tfvae.exporting.table_columns import name_columns, read_columns, write_columns
from tfvae.server import json_tensors
from tfvae.server.request_errors import RequestError
from tfvae.server.request_queue import Batching
from tfvae.server.signature import Signature
from tfvae.tables import Schema

pytestmark = processes.GROUP  # what is exported once serves many tests
CHECK = pathlib.Path(__file__).parent.parent / "export" / "check.py"
KINDS = {"visits": "count", "height": "number", "income": "positive"}
NORMAL = {"number": likelihoods.Normal(1, scale_shape=[1], standardize=True)}  # whose programs are made soonest
SEEDS = np.array([[0, 1], [7, 3], [5, 5]], np.int32)


@functools.cache
def everything(rows=40, seed=0):
    """A table of every kind of column, with gaps, and its schema."""
    rng = np.random.default_rng(seed)

    def moments(start, unit, span):
        return pd.Timestamp(start) + pd.to_timedelta(rng.integers(0, span, rows), unit=unit)

    frame = pd.DataFrame(
        {
            "serial": 3_000_000_000 + rng.integers(0, 9_000, rows),
            "price": np.round(rng.normal(0, 50, rows), 2),
            "large": np.round(rng.uniform(-1e6, 1e6, rows), 2),
            "small": rng.normal(size=rows).astype(np.float32),
            "code": rng.choice([3, 5, 70], rows),
            "level": pd.Categorical(rng.choice([0.1, 0.2, 0.7], rows), [0.1, 0.2, 0.7], ordered=True),
            "account": rng.choice([2**53, 2**53 + 1], rows),
            "answer": rng.choice(["yes", "no"], rows),
            "bought": moments("2015-03-01 10:00", "min", 2_000_000),
            "seen": moments("2020-01-01", "s", 1_000_000),
            "measured": moments("2020-01-01", "ms", 4_000),
            "met": moments("1890-02-27", "h", 5_000).strftime("%Y-%m-%d %H:%M:%S+02:00"),
            "logged": moments("2024-02-28", "us", 3_000_000).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "written": moments("1960-01-01", "D", 40_000).strftime("%Y-%m-%d"),
            "called": moments("2020-03-28 23:00", "min", 3_000).tz_localize("UTC").tz_convert("Europe/Berlin"),
            "day": moments("2000-02-28", "D", 400).date,
        }
    )
    frame = frame.astype({"serial": "Int64", "code": "Int64", "account": "Int64", "answer": object, "met": object})
    frame = pd.concat([people(rows, seed), frame.mask(rng.uniform(size=frame.shape) < 0.2)], axis=1)
    kinds = {"code": "category", "account": "category", "price": "number", "serial": "number", "large": "number"}
    return frame, Schema.infer(frame, kinds=KINDS | kinds)


def text_of(value):
    if pd.isna(value):
        return ""
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def raw(schema, frame):
    """The rows of a data frame as a request has them: name -> array."""
    found = {}
    for spec, column in zip(table_columns.column_specs(schema), schema.encoded, strict=True):
        values = frame[column.name]
        if spec.dtype == tf.string:
            found[spec.name] = np.array([text_of(value) for value in values], object)
        else:
            found[spec.name] = (
                values.astype("Float64").to_numpy(np.float64, na_value=np.nan).astype(spec.dtype.as_numpy_dtype)
            )
    return found


def tensors(rows):
    return [tf.constant(values) for values in rows.values()]


@pytest.mark.parametrize("seed", range(3))
def test_columns_are_read_as_the_schema_encodes_them(seed):
    frame, schema = everything(seed=seed)
    read = read_columns(schema, tensors(raw(schema, frame)))
    np.testing.assert_array_equal(read, schema.encode(frame))
    assert {column.kind for column in schema.encoded} == {
        *("number", "positive", "count", "category", "boolean", "ordinal", "date")
    }


@pytest.mark.parametrize("seed", range(3))
def test_columns_are_written_as_the_schema_decodes_them(seed):
    frame, schema = everything(seed=seed)
    x = schema.encode(frame)
    free = [place for place, column in enumerate(schema.encoded) if not column.categories]
    x[:, free] += (np.random.default_rng(seed).normal(size=x.shape) * np.nanstd(x, axis=0))[:, free]  # also outside
    written = write_columns(schema, tf.constant(x), gaps=True)
    expected = raw(schema, schema.decode(x, within=True))
    for (name, column), spec in zip(name_columns(schema).items(), table_columns.column_specs(schema), strict=True):
        assert written[name].dtype == spec.dtype
        found = written[name].numpy()
        if spec.dtype == tf.string:
            found = np.array([text.decode() for text in found], object)
        if (
            column.kind == "date" and column.format is None
        ):  # the same instants: text says them as the column's step needs
            found, given = (
                pd.to_datetime(pd.Series(text), utc=True, format="ISO8601") for text in (found, expected[name])
            )
            assert found.equals(given), name
        else:
            np.testing.assert_array_equal(found, expected[name], err_msg=name)
    np.testing.assert_array_equal(read_columns(schema, list(written.values())), schema.encode(schema.decode(x, True)))


def test_types_are_those_that_lose_nothing():
    _, schema = everything()
    types = {spec.name: spec.dtype.name for spec in table_columns.column_specs(schema)}
    doubles = {"serial", "large", "level"}
    text = {"job", "grade", "born", "answer", "account", "bought", "seen", "measured", "met", "logged", "written"}
    assert {name for name, dtype in types.items() if dtype == "float64"} == doubles
    assert {name for name, dtype in types.items() if dtype == "string"} == text | {"called", "day"}
    x = tf.zeros([1, len(types)])
    assert write_columns(schema, x)["smokes"].dtype == tf.bool
    written = {
        name: write_columns(schema, x)[name].numpy()[0].decode() for name in ("bought", "seen", "measured", "called")
    }
    assert [len(written[name]) for name in written] == [16, 19, 23, 17] and written["called"].endswith("Z")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("job", "king", r"job must be one of cook, judge, nurse, not[\Wb]+king"),
        ("answer", "maybe", r"answer must be one of no, yes, not\W"),
        ("code", 4.0, r"code must be one of 3, 5, 70, not\W+4"),
        ("smokes", 2.0, r"smokes must be one of False, True, not\W+2"),
        ("visits", 1.5, r"visits must be 0, 1, 2, ..., not\W+1.5"),
        ("visits", -1.0, r"visits must be 0, 1, 2, ..., not\W"),
        ("income", 0.0, r"income must be above 0, not\W"),
        ("income", 1e-50, r"income must be above 0, not\W"),
        ("large", 1e300, r"large is too large or too small for the model:"),
        ("born", "2001-02-29", r"born must be dates such as 2020-01-31, not[\Wb]+2001-02-29"),
        ("born", "2001-13-01", r"born must be dates"),
        ("born", "0000-01-01", r"born must be dates"),
        ("born", "yesterday", r"born must be dates"),
        ("born", "2001-02-28\n", r"born must be dates"),
        ("bought", "2001-02-28T24:00", r"bought must be dates such as 2020-01-31T13:45, not\W"),
        ("bought", "2001-02-28T13:45Z", r"bought must be dates"),
        ("called", "2001-02-28T13:45", r"called must be dates such as 2020-01-31T13:45Z, not\W"),
        ("met", "2001-02-28T13:45Z", r"met must be dates such as 2020-01-31T13:45\+02:00, not\W"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_by_its_columns_name(column, value, message):
    _, schema = everything()
    place = schema.names.index(column)
    lone = Schema(schema.columns[place : place + 1])
    (spec,) = table_columns.column_specs(lone)
    missing = "" if spec.dtype == tf.string else np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read_columns(lone, [tf.constant([missing, value], spec.dtype)])


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("called", "2020-03-29T12:30+02:00", "2020-03-29T10:30Z"),
        ("called", "2020-03-29 08:00:00-0230", "2020-03-29T10:30:00.000Z"),
        ("seen", "2020-01-02", "2020-01-02 00:00:00.0"),
        ("measured", "2020-01-01T00:00:02.5", "2020-01-01T00:00:02.500"),
    ],
)  # fmt: skip
def test_the_same_date_in_other_words(column, one, other):
    _, schema = everything()
    place = schema.names.index(column)
    lone = Schema(schema.columns[place : place + 1])
    found = read_columns(lone, [tf.constant([one, other])]).numpy()
    assert found[0] == found[1] and np.isfinite(found).all()


def test_names_of_inputs():
    names = ["age", "Age", "monthly income", "monthly_income", "class", "seed", "2x", "größe", "größe?", "__", "a-b"]
    frame = pd.DataFrame({name: ["a", "b"] for name in names})
    found = name_columns(Schema.infer(frame))
    assert [column.name for column in found.values()] == names
    assert list(found) == [
        *("age", "Age", "monthly_income_2", "monthly_income", "column_class", "column_seed", "column_2x"),
        *("gr_e", "gr_e_2", "column", "a_b"),
    ]


def test_empty_text_may_be_a_category():
    schema = Schema.infer(pd.DataFrame({"note": ["", "b", ""]}), kinds={"note": "category"})
    np.testing.assert_array_equal(read_columns(schema, [tf.constant(["b", ""])]), [[1], [0]])


def small_frame():
    """A table of a few columns, of which one is of no name that an input may have."""
    frame = people()[["job", "visits", "smokes", "born"]]
    return frame.assign(**{"salary, €": (people()["income"] * 100).round() + 1e9})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The table, its schema, a VAE, the folder of its servables, and the signatures of each, loaded."""
    frame = small_frame()
    schema = Schema.infer(frame, kinds={"visits": "number"})
    vae = table_vae(schema, **NORMAL)
    vae.adapt(frame)
    folder = tmp_path_factory.mktemp("tables")
    paths = exporting.export(vae, folder, elbo_samples=2, samples=50)
    loaded = {name: tf.saved_model.load(str(path)) for name, path in paths.items()}
    return frame, schema, vae, paths, {name: its.signatures for name, its in loaded.items()}, loaded


def ask(exported, servable, signature, frame=None, **more):
    rows = {} if frame is None else raw(exported[1], frame)
    outputs = exported[4][servable][signature](**{name: tf.constant(its) for name, its in (rows | more).items()})
    return {name: value.numpy() for name, value in outputs.items()}


def assert_rows(schema, outputs, x):
    """Asserts that outputs are the rows of x."""
    for name, values in write_columns(schema, tf.constant(x)).items():
        if values.dtype.is_floating:
            np.testing.assert_allclose(outputs[name], values, rtol=1e-6)
        else:
            np.testing.assert_array_equal(outputs[name], values)


@pytest.mark.slow
def test_what_is_served_is_the_models(exported):
    """Long: it is the first, for which servables are exported."""
    frame, schema, vae = exported[:3]
    rows = frame.head(3)
    mean = ask(exported, "encoder", "serving_default", rows)["mean"]
    np.testing.assert_allclose(mean, vae.encode(rows).mean(), atol=1e-5)
    scores = ask(exported, "scorer", "score", rows, seed=SEEDS)
    assert all(np.isfinite(values).all() and values.shape == (3,) for values in scores.values())
    np.testing.assert_allclose(scores["elbo"], scores["reconstruction"] - scores["kl"], rtol=1e-4)
    decoded = vae.decode(mean)
    x = vae.likelihood.value_of(vae.likelihood.summary(decoded)).numpy()
    assert_rows(schema, ask(exported, "decoder", "decode", z=mean), x)
    assert_rows(schema, ask(exported, "scorer", "reconstruct", rows), x)
    drawn = np.concatenate([vae.sample(1, seed=seed, mean=False) for seed in SEEDS])
    assert_rows(schema, ask(exported, "decoder", "generate", seed=SEEDS), drawn)


@pytest.mark.slow
def test_gaps_are_filled_and_what_is_there_stays(exported):
    frame, schema, vae = exported[:3]
    rows = frame.head(8).copy()
    rows.loc[0, "salary, €"] = 5e9  # beyond the column's range
    given, filled = raw(schema, rows), ask(exported, "scorer", "impute", rows)
    x = imputation.impute_batch(vae, tf.constant(schema.encode(rows)), 50).numpy()
    expected = write_columns(schema, tf.constant(x))
    assert frame.head(8).isna().to_numpy().any()
    for name, values in given.items():
        there = values != "" if values.dtype == object else ~np.isnan(values)
        own = [value.encode() for value in values[there]] if values.dtype == object else values[there]
        np.testing.assert_array_equal(filled[name][there], own)
        np.testing.assert_array_equal(filled[name][~there], expected[name][~there])
    alone = ask(exported, "scorer", "impute", rows.iloc[3:4])
    assert all(values[0] == filled[name][3] for name, values in alone.items())


def test_gaps_are_filled_with_the_conditional_mean(monkeypatch):
    vae, x, _, means, _ = gaussian_with_gaps()
    gaps = np.isnan(x)
    monkeypatch.setattr(imputation, "NUMBERS_AT_ONCE", 2**21)  # some chunks of samples
    filled = imputation.impute_batch(vae, tf.constant(x), 20_000).numpy()
    np.testing.assert_array_equal(filled[~gaps], x[~gaps])
    np.testing.assert_allclose(filled[gaps], means[gaps], atol=0.08)


def test_gaps_are_filled_where_the_posterior_is_a_point():
    vae, x, _, _, _ = gaussian_with_gaps()
    point = tfvae.VAE(
        vae.encoder, posteriors.Deterministic(2), vae.prior, vae.decoder, vae.likelihood, preprocessor=vae.preprocessor
    )
    filled = imputation.impute_batch(point, tf.constant(x), 5).numpy()
    np.testing.assert_allclose(filled, np.where(np.isnan(x), point(x), x), rtol=1e-5)
    np.testing.assert_allclose(point.impute(x, samples=5), filled, rtol=1e-5)


@pytest.mark.slow
def test_odd_rows_are_told_with_their_columns(exported):
    frame, schema, vae = exported[:3]
    medians = tuple(float(place) for place in range(len(schema.names)))
    scorer = evaluation.Scorer("log_marginal", threshold=20.0, medians=medians, samples=5)
    answer = signatures.make_signatures(vae, 2, 5, False, scorer)["scorer"]["anomaly"].function
    found = answer(*tensors(raw(schema, frame.head(6))))
    expected = scorer(vae, schema.encode(frame.head(6)))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-4)
    np.testing.assert_allclose(found["terms"], expected["columns"], rtol=1e-4, atol=1e-4)
    for terms, odd in zip(found["terms"].numpy(), found["odd_columns"].numpy(), strict=True):
        names = [schema.names[place] for place in np.argsort(-terms, kind="stable")[:3] if terms[place] > 0]
        assert odd.decode() == ", ".join(names)


@pytest.mark.slow
def test_the_session_loader_gives_the_models_answers(exported):
    """Of the two servables whose programs are made soonest."""
    location = importlib.util.spec_from_file_location("check", CHECK)
    check = importlib.util.module_from_spec(location)
    location.loader.exec_module(check)
    found = [row for name in ("encoder", "decoder") for row in check.differences(exported[3][name])]
    assert {"born", "job", "salary", "mean", "z"} <= {output for _, output, _, _ in found}
    assert all(difference <= check.TOLERANCE for *_, difference in found)
    for one, other in ((["2020-01-01", "", "cook"], ["2020-01-01", "", "judge"]), (["2020-01-01"], ["2020-01-02"])):
        arrays = [np.array(words, np.bytes_) for words in (one, other)]
        assert check._difference(*arrays) > check.TOLERANCE and check._difference(arrays[0], arrays[0]) == 0
    with np.load(exported[3]["scorer"] / "assets.extra" / "check.npz") as file:  # no pickles
        assert file["impute/inputs/job"].dtype.kind == "S" and b"" in file["impute/inputs/job"]
        assert np.isnan(file["impute/inputs/smokes"]).any() and not np.isnan(file["impute/inputs/visits"]).any()


@pytest.mark.slow
def test_the_session_loader_gives_all_of_the_models_answers(exported):
    done = processes.run(CHECK, exported[3]["scorer"].parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " impute " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"jit_compile": True}])
def test_other_ways_to_export(exported, tmp_path, settings):
    _, _, vae, paths, *_ = exported
    made = exporting.export(vae, tmp_path, elbo_samples=2, samples=50, **settings)
    given = saved_model.make_request(vae, signatures.make_signatures(vae, 2, 50, False)["scorer"]["impute"].specs)
    one, other = (
        tf.saved_model.load(str(path["scorer"])).signatures["impute"](**tf.nest.map_structure(tf.constant, given))
        for path in (paths, made)
    )
    for name, values in one.items():
        np.testing.assert_array_equal(other[name][:3], values[:3])  # what is there; the last row has gaps
    record = json.loads((made["scorer"] / "model.json").read_text())
    assert set(record["parity"]) == (set() if "jit_compile" in settings else set(record["signatures"]))


@pytest.mark.slow
def test_model_json_has_the_table(exported):
    record = json.loads((exported[3]["decoder"] / "model.json").read_text())
    assert Schema.from_json(record["schema"]) == exported[1]
    assert record["columns"] == {
        **{name: name for name in ("job", "visits", "smokes", "born")},
        "salary": "salary, €",
    }
    record = json.loads((exported[3]["scorer"] / "model.json").read_text())
    assert record["signatures"]["impute"]["salary"] == {"dtype": "float64", "shape": [None]}


@pytest.mark.parametrize("batching", [None, Batching(max_batch_size=8, allowed_batch_sizes=(8,))])
@pytest.mark.slow
def test_the_server_takes_null_for_what_is_missing(exported, batching):
    signature = Signature("impute", exported[4]["scorer"]["impute"], batching)
    row = {"job": "nurse", "visits": 3, "smokes": True, "born": "2001-05-06", "salary": 1e9}
    rows = [row, row | {"job": None, "smokes": None}, row | {"born": None, "salary": None, "visits": None}]
    for body in ({"instances": rows}, {"inputs": {name: [one[name] for one in rows] for name in row}}):
        inputs, by_row = json_tensors.read_inputs(json_tensors.parse_object(json.dumps(body).encode()), signature.specs)
        answer = json.loads(json_tensors.write_outputs(signature(inputs), by_row))
        found = answer["predictions"] if by_row else answer["outputs"]
        found = (
            found if by_row else [dict(zip(found, cells, strict=True)) for cells in zip(*found.values(), strict=True)]
        )
        assert found[0] == row
        assert found[1]["visits"] == 3 and found[1]["job"] in ("nurse", "cook", "judge")
        assert found[1]["smokes"] in (True, False) and found[2]["job"] == "nurse"
        assert datetime.date.fromisoformat(found[2]["born"]) and 1e9 <= found[2]["salary"] < 2e9
    inputs, _ = json_tensors.read_inputs({"instances": [row | {"job": "king"}]}, signature.specs)
    with pytest.raises(RequestError, match=r"^job must be one of cook, judge, nurse, not \W*king"):
        signature(inputs)
    inputs, _ = json_tensors.read_inputs({"instances": [row | {"visits": float("inf")}]}, signature.specs)
    with pytest.raises(RequestError, match=r"^visits must be finite numbers, or NaN where missing"):
        signature(inputs)


@pytest.mark.slow
def test_null_is_refused_where_nothing_may_be_missing(exported):
    signature = Signature("generate", exported[4]["decoder"]["generate"], None)
    with pytest.raises(RequestError, match="seed must be int32, not objects"):
        json_tensors.read_inputs({"instances": [[0, None]]}, signature.specs)
    signature = Signature("decode", exported[4]["decoder"]["decode"], None)
    inputs, _ = json_tensors.read_inputs({"instances": [[0, None]]}, signature.specs)
    with pytest.raises(RequestError, match="z must be finite numbers"):
        signature(inputs)
    with pytest.raises(RequestError, match="z must be float32, not objects"):
        json_tensors.read_inputs({"instances": [["0", None]]}, signature.specs)


def test_other_data_may_have_gaps_where_its_likelihood_knows_them():
    vae, x, _, _, _ = gaussian_with_gaps()
    made = signatures.make_signatures(vae, 2, 5, False)
    encode = made["encoder"]["encode"].function
    np.testing.assert_allclose(encode(tf.constant(x))["mean"], vae.encode(x).mean(), atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="x must be finite numbers, or NaN where missing"):
        encode(tf.constant(np.full_like(x, np.inf)))
    assert "impute" not in made["scorer"]


@pytest.mark.slow
def test_conditional_tables_and_gaps_that_are_drawn():
    begin()
    frame = small_frame()
    schema = Schema.infer(frame, kinds={"visits": "number"})
    preprocessor = preprocessing.Table(schema)
    vae = tfvae.VAE(
        encoder=networks.mlp(preprocessor.seen_shape(()), [4], condition_size=3),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [4], condition_size=3),
        likelihood=likelihoods.table(len(schema.names), schema, missing=True, **NORMAL),
        preprocessor=preprocessor,
        condition_size=3,
    )
    made = signatures.make_signatures(vae, 2, 5, False)
    assert set(made["scorer"]) >= {"impute", "impute_label", "reconstruct_label", "score_label"}
    seeds, labels = np.array([[i, i] for i in range(30)], np.int32), np.arange(30, dtype=np.int32) % 3
    drawn = made["decoder"]["generate_label"].function(tf.constant(seeds), tf.constant(labels))
    assert b"" in drawn["job"].numpy() and np.isnan(drawn["visits"]).any()
    assert drawn["smokes"].dtype == tf.float32  # which may be NaN
    given = saved_model.make_request(vae, made["scorer"]["impute_label"].specs)
    filled = made["scorer"]["impute_label"].function(*(tf.constant(value) for value in given.values()))
    assert b"" not in filled["job"].numpy() and filled["smokes"].dtype == tf.bool
