"""Tables as data sets: `data.load` gives what the schema encodes, in splits that are drawn alike; yaml files."""

import os
import re
import subprocess
import sys
import types
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf

from tests import models
from tfvae import config, data, preprocessing, tables
from tfvae.cli import errors
from tfvae.data import messages, sources, table_reading
from tfvae.data.arguments import check_table_arguments
from tfvae.data.protocol import Part
from tfvae.tables import Schema, TableError
from tfvae.training import finished_run

IGNORE = {"id": "ignore"}
SPLITS = {"train": "80%", "validation": "10%", "test": "10%"}


def people(count=100):
    number = np.arange(count)
    return pd.DataFrame(
        {
            "id": number,
            "age": 20 + number % 50,
            "job": np.array(["nurse", "baker", None], object)[number % 3],
            "born": pd.Timestamp("2000-01-01") + pd.to_timedelta(number, "D"),
            "income": np.where(number % 4 == 0, "high", "low"),
        }
    )


@pytest.fixture
def path(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    return str(tmp_path / "people.csv")


def rows(dataset):
    """All x of a data set `[N, D]`, and its conditions `[N, k]`, if it has such."""
    batches = list(dataset)
    if not isinstance(batches[0], tuple):
        return np.concatenate(batches)
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def load(name, split="train", **arguments):
    return rows(data.load(name, split, **{"shuffle": False, "columns": IGNORE} | arguments))


def read(name, split="train", columns=IGNORE, **arguments):
    """x of a split, without `tf.data`, which takes most of the time of small ones."""
    source = sources.find_source(name, table=check_table_arguments(columns, None, **arguments))
    ((x,),) = source.blocks(Part(split, 0, source.counts[split]), 1000)
    return x


@pytest.fixture
def said(monkeypatch):
    """The lines that are said, with their levels."""
    lines = []
    monkeypatch.setattr(messages, "_log_once", lambda level, line: lines.append(line))
    return lines


# ---- what is loaded


def test_load_gives_what_the_schema_encodes(path, tmp_path):
    frame = tables.read(path)
    schema = Schema.infer(frame, kinds=IGNORE)
    expected = schema.encode(frame)
    assert expected.dtype == np.float32 and expected.shape == (100, 4) and np.isnan(expected).any()
    np.testing.assert_array_equal(load(path), expected)
    np.testing.assert_array_equal(load(path, in_memory=False), expected)
    np.testing.assert_array_equal(load(path, "train[90:]"), expected[90:])
    np.testing.assert_array_equal(load(path, "train[:10%]+train[90%:]"), expected[[*range(10), *range(90, 100)]])
    assert data.table_schema(path, IGNORE) == schema
    assert data.table_schema(f"{path}") is data.table_schema(path)
    (spec,) = tf.nest.flatten(data.load(path, columns=IGNORE, batch_size=25).element_spec)
    assert spec.shape[1:] == (4,) and spec.dtype == tf.float32


def test_all_that_a_table_can_be(path, tmp_path):
    frame = people()
    expected = read(frame)
    parts = tmp_path / "parts"
    parts.mkdir()
    frame[:40].to_parquet(parts / "a.parquet")
    frame[40:].to_parquet(parts / "b.parquet")
    (parts / "notes.md").write_text("of some kind")
    frame.to_csv(tmp_path / "people.tsv.gz", sep="\t", index=False)
    named = [f"{parts}", parts, f"{parts}/", f"{parts}/*.parquet", f"{parts}/[ab]*", tmp_path / "people.tsv.gz", path]
    named.append(types.SimpleNamespace(__arrow_c_stream__=frame.__arrow_c_stream__))
    for name in named:
        np.testing.assert_array_equal(read(name), expected)
    sparse = scipy.sparse.random(30, 4, 0.5, "csr", rng=np.random.default_rng(0))
    dense = sparse.toarray().astype(np.float32)
    np.testing.assert_array_equal(load(sparse, columns=None), dense)
    np.testing.assert_array_equal(read(sparse.toarray(), columns=None), dense)


def test_a_folder_with_images_is_one_of_images(path, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(tf.io.encode_png(tf.zeros((8, 8, 1), tf.uint8)).numpy())
    assert not data.is_table(str(tmp_path)) and data.is_table(path)
    assert load(f"{tmp_path}/", columns=None).shape == (1, 8, 8, 1)


def test_what_is_no_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "a.csv").write_text("a\n1\n2\n")
    for name in ("digits", "x.npz", ".", "none/", "none/*", 3, None, b"x", pd.Series([1])):
        assert not data.is_table(name)
    assert data.is_table("./digits") and data.is_table("none.csv")


# ---- conditions and labels


def test_classes_become_one_hot(path):
    x, condition = load(path, condition="income")
    assert x.shape == (100, 3) and condition.shape == (100, 2)
    assert data.class_names(path, "income") == ("high", "low") and data.class_names(path, "age") is None
    np.testing.assert_array_equal(condition[:, 0], np.arange(100) % 4 == 0)
    np.testing.assert_array_equal(condition.sum(axis=1), 1)


def test_numbers_are_conditions_as_they_are(path):
    x, condition = load(path, condition=["age", "income"])
    assert x.shape == (100, 2) and condition.shape == (100, 3)
    np.testing.assert_array_equal(condition[:, 0], 20 + np.arange(100) % 50)
    _, classes = load(path, condition="age", columns=IGNORE | {"age": "category"})
    assert classes.shape == (100, 50)
    assert data.class_names(path, "age", columns=IGNORE | {"age": "category"})[:2] == ("20", "21")


def test_the_order_of_an_ordinal_is_that_of_its_classes(path):
    kinds = IGNORE | {"income": "ordinal: low < high"}
    _, condition = load(path, condition="income", columns=kinds)
    np.testing.assert_array_equal(condition[:, 1], np.arange(100) % 4 == 0)
    assert data.class_names(path, "income", columns=kinds) == ("low", "high")


def test_labels_are_kept_aside(path):
    assert load(path, labels="income").shape == load(path, labels=["income"]).shape == (100, 3)
    schema = data.table_schema(path, IGNORE, labels="income", condition="job")
    assert schema.labels == ("income",) and [column.name for column in schema.conditions] == ["job"]
    assert schema.names == ("age", "born")
    assert Schema.from_json(schema.to_json()) == schema


# ---- a schema that is given


def test_a_schema_that_is_given_decides(path, tmp_path):
    """Categories, kinds and the order of columns are those of the schema, whatever another file has."""
    schema = data.table_schema(path, IGNORE, condition="income")
    other = pd.DataFrame({"income": ["low", "low"], "born": ["2000-01-02"] * 2, "age": [3, 4], "job": ["nurse", None]})
    other.to_csv(tmp_path / "other.csv", index=False)
    x, condition = load(str(tmp_path / "other.csv"), schema=schema, columns=None, condition="income")
    np.testing.assert_array_equal(x[:, :2], [[3, 1], [4, np.nan]])
    np.testing.assert_array_equal(condition, [[0, 1], [0, 1]])
    assert data.class_names(str(tmp_path / "other.csv"), "income", schema=schema) == ("high", "low")
    x = load(str(tmp_path / "other.csv"), schema=schema, columns=None)  # without conditions
    assert x.shape == (2, 3)


def test_text_of_a_schema_stays_text(tmp_path):
    """A file in which all codes look like numbers."""
    (tmp_path / "train.csv").write_text("code,a\nx1,1.5\n7,2.5\n07,3.5\n")
    (tmp_path / "new.csv").write_text("code,a\n7,1.5\n07,2.5\n")
    schema = data.table_schema(str(tmp_path / "train.csv"))
    assert schema.columns[0].categories == ("07", "7", "x1")
    x = load(str(tmp_path / "new.csv"), schema=schema, columns=None)
    np.testing.assert_array_equal(x[:, 0], [1, 0])


def test_a_column_of_the_schema_is_a_condition_too(path):
    """What a trained model has in x stays there, if the values are asked for as labels."""
    schema = data.table_schema(path, IGNORE)
    x, condition = load(path, schema=schema, columns=None, condition="income")
    assert x.shape == (100, 4) and condition.shape == (100, 2)
    schema = data.table_schema(path, IGNORE, labels=["income"])
    x, condition = load(path, schema=schema, columns=None, condition="income")
    assert x.shape == (100, 3) and condition.shape == (100, 2)
    frame = people().assign(more=1.5)
    x, condition = load(frame, schema=schema, columns=None, condition="more", labels=["income"])
    assert x.shape == (100, 3) and (condition == 1.5).all()


# ---- splits


def test_splits_are_those_of_tables_split(path):
    whole = read(path)
    found = tables.split(people(), SPLITS, 3, "income")
    parts = {name: read(path, name, splits=SPLITS, split_seed=3, stratify="income") for name in SPLITS}
    for name, part in parts.items():
        np.testing.assert_array_equal(part, whole[found[name]])
    together = np.concatenate(list(parts.values()))[:, 2]  # born: each another day
    assert [len(part) for part in parts.values()] == [80, 10, 10] and len(set(together)) == 100
    assert [int((part[:, 3] == 0).sum()) for part in parts.values()] == [20, 3, 2]  # of 25
    again = load(path, "test", splits=SPLITS, split_seed=3, stratify="income")
    np.testing.assert_array_equal(again, parts["test"])
    assert (read(path, "test", splits=SPLITS, split_seed=4) != read(path, "test", splits=SPLITS)).any()
    np.testing.assert_array_equal(load(path, "train[:25%]", splits=SPLITS), read(path, splits=SPLITS)[:20])


def test_conditions_go_with_their_rows(path):
    x, condition = load(path, "test", splits=SPLITS, condition="age")
    born = np.float32(x[:, -2])
    np.testing.assert_array_equal(condition[:, 0], 20 + (born - load(path)[0, 2]) % 50)


# ---- reading once


def test_a_file_is_read_once_until_it_changes(path, monkeypatch):
    calls = []
    read = tables.read
    monkeypatch.setattr(tables, "read", lambda *args, **kwargs: calls.append(args) or read(*args, **kwargs))
    for split in ("train", "test"):
        load(path, split, splits=SPLITS)
    data.table_schema(path, IGNORE)
    data.class_names(path, "income")
    assert len(calls) == 1
    people(50).to_csv(path, index=False)
    assert len(load(path)) == 50 and len(calls) == 2
    monkeypatch.setattr(table_reading, "LARGE", 0)
    table_reading._frames.clear()
    load(path)
    load(path)
    assert len(calls) == 4


def test_what_is_loaded_is_kept(path):
    kept = {}
    first = load(path, kept=kept, splits=SPLITS)
    assert len(kept) == 1
    os.remove(path)
    np.testing.assert_array_equal(load(path, kept=kept, splits=SPLITS), first)
    load(people(), kept=kept)
    assert len(kept) == 1  # what is in memory has no name by which it could be found again


# ---- what is said


def test_kinds_and_what_is_odd_are_said(path, said):
    load(path, columns=None)
    assert said[1] == f"{path}: age: number, 20 to 69, int64"
    assert said[-1].startswith(f"{path}: column 'id': holds whole numbers that are all different")
    assert said[-1].endswith("columns={'id': 'ignore'} leaves it out") and len(said) == 6
    said.clear()
    load(path, columns=None, schema=data.table_schema(path))
    assert said == []


def test_of_many_columns_one_line_is_said(said):
    load(pd.DataFrame(np.ones((20, 50)), columns=[f"c{i}" for i in range(50)]), columns=None, condition="c3")
    assert said[0] == "the DataFrame: 50 columns: 49 number, 1 kept aside as condition"
    assert len(said) == 1 + 11 and said[-1].startswith("the DataFrame: 40 more lines")


# ---- mistakes

MISTAKES = {
    "no such file": ({"name": "{folder}/pepole.csv"}, r"pepole.csv: no such file: did you mean 'people.csv'\?"),
    "another format": ({"name": "{folder}/a.json"}, r"a.json: .*not known: read it by pandas.read_json"),
    "without anndata": ({"name": "{folder}/a.h5ad"}, "a.h5ad: .h5ad files need anndata: pip install anndata$"),
    "unknown ending": ({"name": "{folder}/a.txt"}, r"is neither a folder of images nor an .npz file, nor a table"),
    "size": ({"size": [8, 8]}, "size is for images, not for the table .*people.csv"),
    "channels": ({"channels": 1}, "channels is for images, not for the table"),
    "binarize": ({"binarize": "static"}, "binarize is for images, not for the table"),
    "no such column": ({"columns": {"agee": "number"}}, r"people.csv: columns: no such column 'agee'; .*'age'\?"),
    "no such kind": ({"columns": {"age": "nmber"}}, r"columns: column 'age': no such kind 'nmber'; .*'number'\?"),
    "columns as a list": ({"columns": ["age"]}, "columns must be kinds by the names of columns"),
    "no such label": ({"labels": ["incme"]}, r"people.csv: labels: no such column 'incme'; did you mean 'income'\?"),
    "a label twice": ({"labels": ["age", "age"]}, "labels must be the name of a column, or several that differ"),
    "no such condition": ({"condition": "incme"}, r"condition: no such column 'incme'; did you mean 'income'\?"),
    "a missing condition": ({"condition": "job"}, "people.csv: row 4, column 'job': nan is a missing cell, and a cond"),
    "an ignored condition": ({"condition": "id"}, "column 'id' is a condition, and is ignored or has no values"),
    "wrong kind": ({"columns": {"job": "number"}}, "people.csv: row 2, column 'job': 'nurse' is no number"),
    "no schema": ({"schema": {}}, "schema must be a tfvae.tables.Schema, not dict"),
    "columns and schema": ({"schema": Schema.infer(people())}, "columns and schema both say"),
    "another schema": (
        {"columns": None, "schema": Schema.infer(people()[["id", "age"]])},
        "people.csv: column 'job' is",
    ),
    "too much": ({"splits": {"train": "80%", "test": "30%"}}, "people.csv: splits: must be shares that sum to 1"),
    "no share": ({"splits": {"train": "most"}}, "splits: 'train': must be a share such as 0.8 or '80%', not 'most'"),
    "no rows": ({"splits": {"train": "0.1%"}}, "splits: 'train' gets no rows: 100 are too few"),
    "no splits": ({"splits": {}}, "splits must be shares by the names of splits"),
    "a split's name": ({"splits": {"a b": "80%"}}, "splits: 'a b' is no name of a split"),
    "no such split": (
        {"split": "test"},
        "split 'test' of .*people.csv, which has {'train': 100}.*give splits={'train'",
    ),
    "stratify alone": ({"stratify": "job"}, "stratify is for random splits: give splits"),
    "seed alone": ({"split_seed": 3}, "split_seed is for random splits: give splits"),
    "a bad seed": ({"splits": SPLITS, "split_seed": -1}, "split_seed must be 0 or more"),
    "stratify by none": ({"splits": SPLITS, "stratify": "jb"}, r"stratify: no such column 'jb'; did you mean 'job'\?"),
    "for digits": (
        {"name": "digits", "columns": None, "labels": ["a"]},
        "labels is for tables, not for the TFDS data set digits",
    ),
    "shares of digits": (
        {"name": "digits", "columns": None, "splits": SPLITS},
        "splits is for tables, not for the TFDS",
    ),
    "an array of images": ({"name": np.zeros((3, 4, 4))}, r"the ndarray: an array must be \[N, D\], not \[3, 4, 4\]"),
    "a DataFrame": ({"name": people(), "condition": "job"}, "the DataFrame: row 2, column 'job': nan is a missing"),
    "of a DataFrame": ({"name": people(), "split": "test"}, "split 'test' of the DataFrame, which has"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_line(case, path, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)  # as where it is not installed
    arguments, line = MISTAKES[case]
    for name in ("a.json", "a.txt", "a.h5ad"):
        (tmp_path / name).write_text("{}")
    name = arguments.get("name", path)
    name = name.replace("{folder}", str(tmp_path)) if isinstance(name, str) else name
    with pytest.raises((ValueError, OSError, ImportError)) as caught:
        data.load(**{"columns": IGNORE} | arguments | {"name": name})
    assert re.search(line, str(caught.value)) and "\n" not in str(caught.value)
    assert errors.report(caught.value) == 2 and capsys.readouterr().err.startswith("error: ")


def test_a_value_that_the_schema_does_not_know(path, tmp_path):
    frame = people(4).assign(job="pilot")
    frame.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(TableError, match=r"new.csv: row 2, column 'job': 'pilot' is no category .*: mend it$"):
        load(str(tmp_path / "new.csv"), schema=data.table_schema(path, IGNORE), columns=None)
    frame.drop(columns="job").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(TableError, match=r"new.csv: there is no column 'job'"):
        load(str(tmp_path / "new.csv"), schema=data.table_schema(path, IGNORE), columns=None)


def test_a_schema_is_of_tables_alone():
    with pytest.raises(ValueError, match="digits is no table, and has no schema"):
        data.table_schema("digits")


@pytest.mark.slow
def test_data_needs_no_pandas_unless_it_is_a_table():
    """Keras imports pandas where there is one."""
    program = "import sys; sys.modules.update(pandas=None, pyarrow=None); from tfvae import data; data.load('digits')"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# ---- yaml


class Knowing(preprocessing.Preprocessor):
    """Fills missing cells with 0, knows its schema, and shows the encoder each number twice."""

    def __init__(self, schema=None, **kwargs):
        super().__init__(**kwargs)
        self.schema = Schema.from_json(schema) if isinstance(schema, dict) else schema

    def call(self, data):
        return tf.where(tf.math.is_nan(data), 0.0, data)

    def seen_shape(self, event_shape):
        return (2 * event_shape[0],)

    def seen(self, x):
        return tf.concat([x, x], axis=-1)

    def get_config(self):
        return super().get_config() | {"schema": self.schema.to_json()}


class Told(models.FixedNormal):
    """A likelihood that knows the schema."""

    def __init__(self, event_shape, schema=None, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.schema = schema


def experiment(path, parts=None, **keys):
    raw = {
        "data": {"name": str(path), "columns": IGNORE, **SPLITS} | keys,
        "latent_size": 2,
        "encoder": {"mlp": {"units": [4]}},
        "decoder": {"mlp": {"units": [4]}},
        "likelihood": {"Normal": None},
    }
    return config.from_keys(raw | (parts or {}))


def test_a_yaml_takes_a_table(path):
    found = experiment(path, labels=["income"], stratify="income", split_seed=5, batch_size=30)
    train, validation = config.training_data(found)
    same = {"splits": SPLITS, "split_seed": 5, "stratify": "income", "labels": "income"}
    schema = data.table_schema(path, IGNORE, same.pop("labels"))
    same |= {"schema": schema, "columns": None}
    np.testing.assert_array_equal(rows(validation), read(path, "validation", **same))
    assert sorted(map(bytes, rows(train))) == sorted(map(bytes, read(path, **same)))
    np.testing.assert_array_equal(rows(config.evaluation_data(found, "test")), read(path, "test", **same))
    assert len(rows(config.evaluation_data(found, "train[:50%]"))) == 40
    assert config.table_schema(found) == schema
    assert config.class_names(found, "income") == config.class_names(found, "label") == ("high", "low")
    assert config.class_names(found, "factors") is None
    _, label = rows(config.evaluation_data(found, "test", condition="label"))
    assert label.sum(axis=0).tolist() == [2, 8]


def test_what_a_yaml_says_of_a_table_is_read_again(path, tmp_path):
    for keys in ({"labels": ["income"], "stratify": "job"}, {"test": None}, {"name": f"{tmp_path}/*.csv"}):
        found = experiment(path, **keys)
        config.write(found, tmp_path / "again.yaml")
        assert config.read(tmp_path / "again.yaml") == found
        assert config.difference(found, tmp_path / "again.yaml") is None


def test_a_table_without_shares(path):
    keys = dict.fromkeys(SPLITS) | {"train": "train[:80]", "test": "train[80:]"}
    found = experiment(path, **keys)
    np.testing.assert_array_equal(rows(config.evaluation_data(found, "test")), load(path)[80:])
    assert config.training_data(found)[1] is None and found.data.shares == {}


def test_a_pattern_outlives_the_working_directory(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert experiment("*.csv").data.name == f"{tmp_path}/*.csv"


def test_without_a_share_for_test_there_is_no_test_data(path):
    raw = experiment(path).as_keys()
    raw["data"] = {"name": path, "train": "80%"}
    found = config.from_keys(raw)
    with pytest.raises(config.ConfigError, match=r"data.test: is not set"):
        config.evaluation_data(found, "test")
    assert config.table_schema(config.from_keys(raw | {"data": {"name": "digits"}})) is None


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"test": "test"}, r"data.test: 'test' is no share, as data.train 80% is: write all splits as shares"),
        ({"train": "train[:80%]"}, r"data.train: 'train\[:80%\]' is no share, as data.validation 10% is"),
        ({"train": "90%"}, r"data: train 90% \+ validation 10% \+ test 10% are 110% of the rows: 100% at most"),
        ({"train": "train", "validation": None, "test": "test", "stratify": "job"}, r"data.stratify: is for random"),
        ({"train": "train", "validation": None, "test": "test", "split_seed": 1}, r"data.split_seed: is for random"),
        ({"columns": {"age": 3}}, r"data.columns.age: Input should be a valid string, not 3"),
        ({"split_seed": -1}, r"data.split_seed: Input should be greater than or equal to 0"),
        ({"evaluation": {"labels": ["job"]}}, r"data.evaluation.labels: only how data is loaded can differ"),
    ],
)
def test_mistakes_in_a_yaml(path, keys, line):
    with pytest.raises(config.ConfigError, match=line):
        experiment(path, **keys)


def test_parts_are_offered_the_schema(path, monkeypatch):
    """And the encoder takes what the preprocessor shows it."""
    made = {}
    monkeypatch.setattr(config.objects.model, "VAE", lambda **parts: made.update(parts) or mock.Mock())
    parts = {"preprocessor": {f"{__name__}.Knowing": None}, "likelihood": {f"{__name__}.Told": None}}
    found = experiment(path, parts, condition="income")
    schema = config.table_schema(found)
    config.compiled_vae(found, (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 2])), schema=schema)
    assert made["preprocessor"].schema is schema and made["likelihood"].schema is schema
    assert [tuple(each.shape) for each in made["encoder"].inputs] == [(None, 6), (None, 2)]
    assert made["decoder"].output_shape == (None, 4) and made["condition_size"] == 2


def test_a_finished_run_reads_by_the_schema_of_its_model(path):
    """Also where the file has come to have other categories, in another order."""
    found = experiment(path, {"preprocessor": {f"{__name__}.Knowing": None}}, condition="income")
    schema = config.table_schema(found)
    vae = types.SimpleNamespace(preprocessor_view=types.SimpleNamespace(schema=schema))
    before, classes = rows(finished_run.read_data(vae, found, "test"))
    frame = people()[["income", "job", "id", "born", "age"]]
    frame.assign(job=frame["job"].replace({"baker": "nurse"})).to_csv(path, index=False)
    after, same = rows(finished_run.read_data(vae, found, "test"))
    np.testing.assert_array_equal(same, classes)
    np.testing.assert_array_equal(after[:, 1], np.where(np.isnan(before[:, 1]), np.nan, 1))
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    inferred, _ = rows(config.evaluation_data(found, "test"))
    assert (np.nan_to_num(inferred[:, -1]) == 0).all() or inferred.shape == after.shape
