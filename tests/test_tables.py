"""Tables: what is read is what was written, what is decoded is what was encoded, and each mistake is one line."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import types
import warnings
from fractions import Fraction

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import strategies

from tests import bad_tables
from tfvae import tables
from tfvae.tables import Schema, TableError, Writer, chunks, read, split

DATE = datetime.date


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def infer(values, **arguments):
    """The column that the values are."""
    return Schema.infer(pd.DataFrame({"c": values}), **arguments).columns[0]


def resolution(schema, frame):
    """How far from a table's numbers those that come back may be: half a unit of float32, at the distance of origin."""
    return {
        column.name: np.abs(frame[column.name].to_numpy(float, na_value=0) - column.origin) * 2.0**-24 + 2.0**-149
        for column in schema.encoded
        if column.kind in ("number", "positive") and column.decimals is None
    }


def assert_comes_back(schema, frame):
    """decode(encode(frame)) is the frame, in values and dtypes, up to what float32 resolves."""
    back = schema.decode(schema.encode(frame))
    expected = frame[list(schema.names)].reset_index(drop=True)
    for name, near in resolution(schema, frame).items():
        difference = back[name].to_numpy(float, na_value=np.nan) - expected[name].to_numpy(float, na_value=np.nan)
        assert (np.isnan(difference) == expected[name].isna()).all()
        spacing = np.spacing(np.abs(expected[name].to_numpy(float, na_value=0)))  # of the sum with the origin
        assert (np.nan_to_num(np.abs(difference)) <= near + spacing).all()
        assert back[name].dtype == expected[name].dtype
        back[name] = expected[name]
    pd.testing.assert_frame_equal(back, expected)


# ---- mistakes


def refused(call):
    """The line of the mistake that a call is."""
    with pytest.raises((ValueError, OSError, ImportError)) as caught:
        call()
    assert isinstance(caught.value, (TableError, OSError, ImportError))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:.*as it seems")
@pytest.mark.parametrize("case", bad_tables.FILES)
def test_bad_files(case, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)  # as where it is not installed
    file = bad_tables.FILES[case]
    path = write(tmp_path / file.name, file.content)
    assert re.search(file.line, refused(lambda: read(path, **file.arguments)))
    if not path.endswith(".h5ad"):
        assert re.search(file.line, refused(lambda: list(chunks(path, **file.arguments))))


@pytest.mark.parametrize("case", bad_tables.CALLS)
def test_bad_calls(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, line = bad_tables.CALLS[case]
    assert re.search(line, refused(call))
    assert os.listdir(tmp_path) == []


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=re.escape('pandas is not installed: pip install "tfvae[tables]" brings it')):
        read(np.zeros((2, 2)))


def test_neither_pandas_nor_tensorflow_are_imported_before_they_are_used():
    code = "import sys, tfvae.tables; print({'pandas', 'pyarrow', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent.parent
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


# ---- kinds

KINDS = {
    "bools": ([True, False, True], "boolean", "bool"),
    "bools with gaps": ([True, None, False], "boolean", "boolean"),
    "zeros and ones": ([0, 1, 1], "boolean", "int64"),
    "zeros and ones with gaps": ([0.0, 1.0, np.nan], "boolean", "Int64"),
    "yes and no": (["Yes", "no", None], "boolean", "str"),
    "two words": (["red", "green", "red"], "category", "str"),
    "one word of a pair": (["yes", "yes"], "category", "str"),
    "objects": (pd.Series(["a", "b"], dtype=object), "category", "object"),
    "a Categorical": (pd.Categorical(["b", "a"], ["b", "a", "c"]), "category", "category[str]"),
    "an ordered Categorical": (pd.Categorical([2, 1], [2, 1], ordered=True), "ordinal", "ordered[int64]"),
    "counts": ([0, 3, 17], "count", "int64"),
    "few small counts": ([3, 4, 5, 5], "count", "int64"),
    "years": ([1990, 2005, 2020], "number", "int64"),
    "negative": ([-1, 5, 3], "number", "int64"),
    "one value": ([7, 7], "number", "int64"),
    "ids": ([1_600_000_000, 1_600_000_010], "number", "int64"),
    "integers with gaps": ([1.0, np.nan, 3.0], "count", "Int64"),
    "nullable integers": (pd.array([1, None, 3], dtype="Int16"), "count", "Int16"),
    "whole floats": ([1.0, 2.0, 5.0], "count", "float64"),
    "floats": ([-0.5, 0.25, 1.0], "number", "float64"),
    "skewed": (np.exp(np.linspace(-3, 3, 50)), "positive", "float64"),
    "symmetric": (np.linspace(1.5, 2.5, 50), "number", "float64"),
    "exponential of the other side": (10 - np.exp(np.linspace(-3, 2, 50)), "number", "float64"),
    "datetimes": (pd.to_datetime(["2020-01-31", None]), "date", "datetime64[us]"),
    "text of dates": (["2020-01-31", "2020-02-29"], "date", "str"),
    "text of instants": (["2020-01-31T10:00:00Z", None], "date", "str"),
    "dates and not": (["2020-01-31", "2020-02-30"], "category", "str"),
    "dates of several formats": (["2020-01-31", "2020-01-31T10:00"], "category", "str"),
    "datetime.date": ([DATE(2020, 1, 31), None], "date", "date"),
    "Arrow's": (pd.Series([1, None, 3], dtype=pd.ArrowDtype(pa.int32())), "count", "Int32"),
    "sparse": (pd.arrays.SparseArray([0, 0, 5]), "count", "int64"),
    "decimals": ([__import__("decimal").Decimal("1.5"), None], "number", "float64"),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds(case):
    values, kind, dtype = KINDS[case]
    found = infer(values)
    assert (found.kind, found.dtype) == (kind, dtype)


def test_nothing_but_missing_is_ignored():
    frame = pd.DataFrame({"a": [1, 2], "b": [None, None], "c": [np.nan, np.nan]})
    schema = Schema.infer(frame)
    assert schema.names == ("a",) and [column.kind for column in schema.columns] == ["count", "ignore", "ignore"]
    assert schema.odd() == [f"column {name!r}: has no values, and is ignored" for name in "bc"]


def test_kinds_that_are_said():
    frame = pd.DataFrame(
        {"zip": [10, 20, 10], "size": ["s", "l", "m"], "rank": [3, 1, 2], "id": [7, 8, 9], "y": [1, 0, 1]}
    )
    kinds = {"zip": "category", "size": "ordinal: s < m < l", "rank": "ordinal", "id": "ignore", "y": "number"}
    schema = Schema.infer(frame, kinds)
    assert [column.kind for column in schema.columns] == ["category", "ordinal", "ordinal", "ignore", "number"]
    assert [column.categories for column in schema.columns[:3]] == [(10, 20), ("s", "m", "l"), (1, 2, 3)]
    np.testing.assert_array_equal(schema.encode(frame), [[0, 0, 2, 1], [1, 2, 0, 0], [0, 1, 1, 1]])
    assert_comes_back(schema, frame)


def test_categoricals_may_be_of_other_kinds():
    frame = pd.DataFrame({"n": pd.Categorical([3, 1, 20]), "d": pd.Categorical(["2020-01-31", "2020-02-01", None])})
    schema = Schema.infer(frame, {"n": "count", "d": "date"})
    back = schema.decode(schema.encode(frame))
    assert back["n"].tolist() == [3, 1, 20] and back["d"].tolist()[:2] == ["2020-01-31", "2020-02-01"]
    assert [str(dtype) for dtype in back.dtypes] == ["int64", "str"]
    order = Schema.infer(pd.DataFrame({"n": [3, 1, 2]}), {"n": "ordinal: 3 < 2 < 1"})
    assert order.columns[0].categories == (3, 2, 1)


def test_what_is_odd_is_said_once():
    rows = 200
    frame = pd.DataFrame(
        {
            "same": np.ones(rows, int),
            "gone": [1.5] + [None] * (rows - 1),
            "name": [f"n{row}" for row in range(rows)],
            "id": np.arange(rows) + 5,
            "fine": np.arange(rows) % 7,
        }
    )
    lines = Schema.infer(pd.concat([frame, frame[:50]]), kinds={"id": "number"}).odd()
    assert [line.split(":")[0] for line in lines[:2]] == ["column 'same'", "column 'gone'"] and len(lines) == 3
    assert lines[2] == "20 % of rows repeat one before: if that is a mistake, frame.drop_duplicates()"
    lines = Schema.infer(frame).odd()
    assert lines[2].startswith("column 'name': has 200 categories in 200 rows, as an id has: kinds={'name': 'ignore'}")
    assert lines[3].startswith("column 'id': holds whole numbers that are all different") and len(lines) == 4


def test_description():
    frame = pd.DataFrame(
        {"n": [1, 20, 3], "x": [0.25, None, -1.5], "d": ["2020-01-31", "2021-01-31", None], "y": [1, 2, 3]}
    )
    frame["c"] = ["a", "b", "a"]
    assert Schema.infer(frame, labels=["y"]).describe() == [
        "n: count, 1 to 20, int64",
        "x: number, -1.50 to 0.25, 33 % missing, float64",
        "d: date, 2020-01-31 to 2021-01-31, 33 % missing, str",
        "c: category, a, b, str",
        "y: a label, kept aside",
    ]


# ---- encoding, by hand


def test_encoding_by_hand():
    frame = pd.DataFrame(
        {
            "x": [0.5, None, 2.25],
            "c": ["b", "a", None],
            "b": [True, False, True],
            "d": [DATE(2020, 1, 2), DATE(2020, 1, 1), DATE(2020, 3, 1)],
            "t": pd.to_datetime(["2020-01-01 00:00:30", "2020-01-01 00:00:00", None]),
            "id": [1_600_000_000, 1_600_000_010, 1_600_000_003],
        }
    )
    encoded = Schema.infer(frame).encode(frame)
    assert encoded.dtype == np.float32
    nan = np.nan
    expected = [[0.5, 1, 1, 0, 30, -3], [nan, 0, 0, -1, 0, 7], [2.25, nan, 1, 59, nan, 0]]
    np.testing.assert_array_equal(encoded, np.array(expected, np.float32))


def test_large_numbers_keep_their_differences():
    frame = pd.DataFrame(
        {"id": 1_600_000_000 + np.arange(-10, 11), "big": 2**62 + np.arange(-10, 11), "far": 1e9 + 1 / np.arange(1, 22)}
    )
    schema = Schema.infer(frame, kinds={"id": "number"})
    assert len(np.unique(schema.encode(frame)[:, 0])) == 21
    back = schema.decode(schema.encode(frame))
    pd.testing.assert_frame_equal(back[["id", "big"]], frame[["id", "big"]])
    np.testing.assert_allclose(back["far"], frame["far"], rtol=0, atol=2e-7)
    outside = pd.DataFrame({"id": [0], "big": [-(2**63)], "far": [0.0]})
    np.testing.assert_allclose(
        schema.decode(schema.encode(outside)).to_numpy(float), outside.to_numpy(float), atol=1e12
    )


def test_resolution():
    """Seconds within 2^24 of the origin, and days, come back exactly; beyond, to within 2^-24 of the distance."""
    start = pd.Timestamp("2020-01-01 00:00:01")
    seconds = [-(2**24), 2**24, 0, 1, -1]  # the median is the origin
    frame = pd.DataFrame(
        {
            "t": [start + pd.Timedelta(s, "s") for s in seconds],
            "d": [DATE(2020, 1, 1), DATE(1, 1, 1), DATE(9999, 12, 31)] + [None] * 2,
        }
    )
    schema = Schema.infer(frame)
    assert_comes_back(schema, frame)
    later = pd.DataFrame({"t": [start + pd.Timedelta(20 * 366, "D")], "d": [None]})
    error = abs(schema.decode(schema.encode(later))["t"][0] - later["t"][0]).total_seconds()
    assert error <= 20 * 366 * 86400 * 2**-24 + 0.5


def test_decoded_numbers_stay_within_what_their_columns_hold():
    frame = pd.DataFrame(
        {
            "u": np.array([2, 200], np.uint8),
            "n": [1, 5],
            "x": [0.25, 0.5],
            "d": pd.to_datetime(["2020-01-01", "2020-01-03"]),
        }
    )
    schema = Schema.infer(frame)
    wild = np.array([[-1e30, -3.2, 0.7512, -1e30], [1e30, 7.4, -0.3, 1e30]])
    back = schema.decode(wild)
    assert back["u"].tolist() == [0, 255] and back["n"].tolist() == [0, 7] and back["x"].tolist() == [0.75, -0.3]
    assert back["d"].dt.year.tolist() == [1, 9999]
    back = schema.decode(wild, within=True)
    assert back["u"].tolist() == [2, 200] and back["n"].tolist() == [1, 5] and back["x"].tolist() == [0.5, 0.25]
    assert back["d"].tolist() == frame["d"].tolist()


def test_missing_cells_make_dtypes_nullable():
    frame = pd.DataFrame(
        {"n": [1, 5], "b": [True, False], "u": np.array([1, 200], np.uint8), "c": ["a", "b"], "z": [0, 1]}
    )
    back = Schema.infer(frame).decode(np.full((2, 5), np.nan, np.float32))
    assert [str(dtype) for dtype in back.dtypes] == ["Int64", "boolean", "UInt8", "str", "Int64"]
    assert back.isna().all(axis=None)


def test_no_rows_decode_to_no_rows():
    back = bad_tables.SCHEMA.decode(bad_tables.SCHEMA.encode(bad_tables.TABLE[:0]))
    pd.testing.assert_frame_equal(back, bad_tables.TABLE[:0])


def test_unknown_categories_may_be_missing():
    frame = pd.DataFrame({"n": [1], "s": ["blue"], "d": ["2020-01-31"]})
    assert np.isnan(bad_tables.SCHEMA.encode(frame, unknown="allow")[0, 1])


def test_numbers_are_categories_of_text_where_a_file_has_no_other():
    schema = Schema.infer(pd.DataFrame({"code": ["07", "12", "x"]}))
    assert schema.encode(pd.DataFrame({"code": [12]})).tolist() == [[1]]
    assert schema.text == ("code",)


def test_labels_and_ignored_columns_may_be_missing():
    frame = pd.DataFrame({"a": [1, 2, 30], "id": [4, 5, 6], "y": [0, 1, 0]})
    schema = Schema.infer(frame, kinds={"id": "ignore"}, labels=["y"])
    np.testing.assert_array_equal(schema.encode(frame), schema.encode(frame[["a"]]))


# ---- properties

WORDS = strategies.text(strategies.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5)
FLOATS = strategies.floats(-1e30, 1e30, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-30)
DATES = strategies.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1))


def series(dtype, elements, gaps):
    """Strategy: a list -> a Series of that dtype, of elements, and gaps where it may have such."""
    return (lambda values: pd.Series(values, dtype=dtype)), strategies.one_of(
        strategies.none(), elements
    ) if gaps else elements


SERIES = {
    "int64": series("int64", strategies.integers(-(2**24), 2**24), False),
    "ids": series("int64", strategies.integers(2**61, 2**61 + 2**24), False),
    "uint8": series("uint8", strategies.integers(0, 255), False),
    "Int64": series("Int64", strategies.integers(0, 2**20), True),
    "float64": series("float64", FLOATS, False),
    "cents": series("float64", strategies.integers(-(10**5), 10**5).map(lambda n: n / 100 + 0.005), True),
    "float32": series("float32", strategies.floats(-1000, 1000, width=32, allow_subnormal=False), False),
    "Float64": series("Float64", strategies.integers(-9, 9).map(lambda n: n / 4), True),
    "string": series("string", WORDS, True),
    "seconds": series(
        "datetime64[s]",
        strategies.datetimes(datetime.datetime(2020, 1, 1), datetime.datetime(2020, 3, 1)).map(
            lambda d: d.replace(microsecond=0)
        ),
        True,
    ),
    "bool": series("bool", strategies.booleans(), False),
    "boolean": series("boolean", strategies.booleans(), True),
    "str": series("str", WORDS, True),
    "object": series("object", WORDS, True),
    "category": series("category", WORDS, True),
    "ordered": series(pd.CategoricalDtype(["s", "m", "l"], ordered=True), strategies.sampled_from("sml"), True),
    "days": series("datetime64[us]", DATES.map(lambda d: d.replace(hour=0, minute=0, second=0, microsecond=0)), True),
    "hours": series(
        "datetime64[ns, Europe/Berlin]",
        DATES.map(lambda d: d.replace(minute=0, second=0, microsecond=0, tzinfo=datetime.UTC)),
        True,
    ),
    "iso": series("str", strategies.dates(DATE(1000, 1, 1)).map(str), True),
    "date": series("object", strategies.dates(), True),
}


@strategies.composite
def frames(draw):
    """Tables of 1 to 8 rows and 1 to 6 columns, of all dtypes, in which each column has a value."""
    rows = draw(strategies.integers(1, 8))
    chosen = draw(strategies.lists(strategies.sampled_from(sorted(SERIES)), min_size=1, max_size=6, unique=True))
    columns = {}
    for name in chosen:
        make, elements = SERIES[name]
        values = draw(
            strategies.lists(elements, min_size=rows, max_size=rows).filter(lambda v: any(x is not None for x in v))
        )
        columns[name] = make(values)
    return pd.DataFrame(columns)


def whole_with_gaps(frame):
    """Columns of floats that come back as Int64."""
    return [
        n for n in frame if frame[n].dtype == "float64" and frame[n].isna().any() and (frame[n].dropna() % 1 == 0).all()
    ]


@hypothesis.settings(max_examples=80, deadline=None, derandomize=True)
@hypothesis.given(frames(), strategies.randoms())
def test_what_is_decoded_is_what_was_encoded(frame, random):
    frame = frame.drop(columns=whole_with_gaps(frame))
    hypothesis.assume(len(frame.columns))
    schema = Schema.infer(frame)
    assert_comes_back(schema, frame)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False))) == schema
    names = list(frame.columns)
    random.shuffle(names)
    np.testing.assert_array_equal(schema.encode(frame[names]), schema.encode(frame))
    assert len(schema.describe()) == len(names) and len(set(schema.odd())) == len(schema.odd())


@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
@hypothesis.given(
    strategies.lists(
        strategies.tuples(strategies.integers(-9, 9), WORDS, strategies.booleans()), min_size=1, max_size=9
    ),
    strategies.integers(1, 4),
)
def test_what_is_read_is_what_was_written(tmp_path_factory, rows, piece):
    frame = pd.DataFrame(rows, columns=["n", "s", "b"]).assign(s=lambda frame: "w" + frame["s"])
    folder = tmp_path_factory.mktemp("written")
    for name in ("x.csv", "x.tsv", "x.CSV.GZ", "x.parquet"):
        path = folder / name
        with Writer(path, ["n", "s", "b"]) as writer:
            for start in range(0, len(frame), piece):
                writer.write(frame[start : start + piece][["s", "b", "n"]])
        pd.testing.assert_frame_equal(read(path), frame)
        pieces = list(chunks(path, piece))
        assert [len(part) for part in pieces] == [
            min(piece, len(frame) - start) for start in range(0, len(frame), piece)
        ]
        pd.testing.assert_frame_equal(pd.concat(pieces), frame)
        path.unlink()


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(
    strategies.sampled_from(
        ["name", "kind", "dtype", "categories", "decimals", "origin", "step", "format", "minimum", "missing"]
    ),
    strategies.integers(0, 2),
    strategies.one_of(
        strategies.none(),
        strategies.integers(),
        strategies.floats(),
        WORDS,
        strategies.lists(WORDS, max_size=2),
        strategies.sampled_from(
            [
                *tables.column.KINDS,
                "date",
                "Int8",
                "datetime64[us, Mars]",
                "datetime64[s]",
                "category[int64]",
                "float16",
            ]
        ),
    ),
)
def test_whatever_json_says_is_a_schema_or_a_mistake(key, place, value):
    content = bad_tables.SCHEMA.to_json()
    content["columns"][place][key] = value
    try:
        schema = Schema.from_json(content)
    except TableError as error:
        assert "\n" not in str(error)
        return
    assert (
        len(schema.decode(np.zeros((2, len(schema.names))))) == 2
        and schema.describe()
        and isinstance(schema.odd(), list)
    )


# ---- real tables


def real_tables():
    from sklearn import datasets

    yield "breast cancer", datasets.load_breast_cancer(as_frame=True).frame
    yield "wine", datasets.load_wine(as_frame=True).frame
    yield "diabetes", datasets.load_diabetes(as_frame=True).frame
    from palmerpenguins import load_penguins

    yield "penguins", load_penguins()
    import statsmodels.api as sm

    yield "fair", sm.datasets.fair.load_pandas().data
    yield "anes96", sm.datasets.anes96.load_pandas().data


@pytest.fixture(scope="module")
def real():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(real_tables())


@pytest.mark.parametrize("name", ["breast cancer", "wine", "diabetes", "penguins", "fair", "anes96"])
def test_real_tables_come_back(name, real, tmp_path):
    frame = real[name]
    schema = Schema.infer(frame)
    whole = {column: "Int64" for column in whole_with_gaps(frame)}
    assert_comes_back(schema, frame.astype(whole))
    for ending in (".csv", ".parquet"):
        with Writer(tmp_path / f"x{ending}", schema) as writer:
            writer.write(schema.decode(schema.encode(frame)))
        assert_comes_back(
            schema,
            read(tmp_path / f"x{ending}").astype({c.name: c.dtype for c in schema.columns if "[" not in c.dtype}),
        )


def test_a_kind_may_be_that_of_all_columns_not_named():
    frame = pd.DataFrame({"a": [0, 1, 1], "b": [0, 5, 2], "c": [1.5, 2.5, 3.5], "d": ["x", "y", "x"]})
    schema = Schema.infer(frame, {"*": "count", "c": "number"}, labels=["d"])
    assert [column.kind for column in schema.columns] == ["count", "count", "number"]
    with pytest.raises(TableError, match="column 'd'"):
        Schema.infer(frame, {"*": "count", "c": "number"})


def test_penguins(real):
    schema = Schema.infer(real["penguins"], kinds={"year": "category"}, labels=["species"])
    assert {column.name: column.kind for column in schema.columns} == {
        "island": "category",
        "bill_length_mm": "number",
        "bill_depth_mm": "number",
        "flipper_length_mm": "number",
        "body_mass_g": "number",
        "sex": "category",
        "year": "category",
    }
    lengths = schema.columns[1]
    assert (lengths.decimals, lengths.minimum, lengths.maximum) == (1, 32.1, 59.6)
    assert schema.columns[3].dtype == "Int64" and schema.columns[0].categories == ("Biscoe", "Dream", "Torgersen")


def test_breast_cancer(real):
    kinds = {column.name: column.kind for column in Schema.infer(real["breast cancer"]).columns}
    assert (kinds["mean texture"], kinds["area error"], kinds["target"]) == ("number", "positive", "boolean")


# ---- files


def test_csv_by_hand(tmp_path):
    path = write(
        tmp_path / "x.csv",
        '\ufeffn,x,s,b,e,z\r\n1,.5,a,True,,007\r\n\r\n+2,-1e3,"b, ""c""\nd",false,NA,12\r\n,nan,null,N/A,None,\r\n',
    )
    frame = read(path)
    expected = pd.DataFrame(
        {
            "n": pd.array([1, 2, None], "Int64"),
            "x": [0.5, -1000.0, np.nan],
            "s": ["a", 'b, "c"\nd', None],
            "b": pd.array([True, False, None], "boolean"),
            "e": [np.nan] * 3,
            "z": ["007", "12", None],
        }
    )
    pd.testing.assert_frame_equal(frame, expected)
    pd.testing.assert_frame_equal(read(path, text=["n"])[["n"]], pd.DataFrame({"n": ["1", "+2", None]}))


SAID = {
    "semicolons": ("a;b\n1;x\n", {}, "semicolons separate the columns, as it seems: say separator=';'"),
    "commas": (
        "a;b\n1,5;x\n1,250;y\n",
        {"separator": ";"},
        "column 'a': numbers have decimal commas, .* say decimal=','",
    ),
    "quoted commas": ('a,b\n"1,5",x\n2,y\n', {}, "column 'a': numbers have decimal commas"),
    "question marks": ("a,b\n?,x\n1,?\n2,?\n", {}, "cells '\\?' are read as missing: 1 of column 'a', 2 of column 'b'"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_found_is_said_once(case, tmp_path):
    text, arguments, line = SAID[case]
    path = write(tmp_path / "x.csv", text)
    for reading in (read, lambda *a, **k: pd.concat(chunks(*a, **k))):
        with pytest.warns(UserWarning, match=line) as caught:
            frame = reading(path, **arguments)
        assert len(caught) == 1
        assert pd.api.types.is_numeric_dtype(frame["a"]) and frame["b"].dtype == "str"


def test_what_is_said_is_not_found(tmp_path):
    path = write(tmp_path / "x.csv", "a;b\n1,500;-\n;2\n")
    frame = read(path, separator=";", decimal=",", missing=["-"])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1.5, None], "b": pd.array([None, 2], "Int64")}))
    assert read(
        write(tmp_path / "y.csv", "a,b\n?,é\n".encode("latin-1")), encoding="latin-1", missing=[]
    ).values.tolist() == [["?", "é"]]


def test_a_folder_is_one_table(tmp_path):
    write(tmp_path / "b.csv", "x,y\n3,c\n")
    write(tmp_path / "a.csv", "y,x\na,1\nb,\n")
    write(tmp_path / "_part.csv", "z\n1\n")
    write(tmp_path / "README.md", "words")
    expected = pd.DataFrame({"y": ["a", "b", "c"], "x": pd.array([1, None, 3], "Int64")})
    for source in (tmp_path, str(tmp_path / "[ab].csv")):
        pd.testing.assert_frame_equal(read(source), expected)
        pieces = list(chunks(source, 2))
        pd.testing.assert_frame_equal(pd.concat(pieces), expected)
    schema = Schema.infer(pieces[0])
    with pytest.raises(TableError, match=r"b.csv: row 2, column 'y': 'c' is no category"):
        schema.encode(pieces[1])
    write(tmp_path / "b.csv", "x,y\n3,c\nd,d\n")
    with pytest.raises(TableError, match=r"b.csv: row 3, column 'x': 'd' is no number"):
        read(tmp_path)
    write(tmp_path / "c.csv", "x,Y\n3,c\n")
    with pytest.raises(TableError, match=r"c.csv: has no column 'y', as .*a.csv has; did you mean 'Y'"):
        read(tmp_path)
    expected.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(TableError, match=r"of another format than"):
        read(tmp_path)


def test_parquet_of_several_files(tmp_path):
    frame = pd.DataFrame(
        {"n": [1, 2, 3], "b": [True, False, True], "c": pd.Categorical(["x", "y", "x"]), "d": [DATE(2020, 1, 1)] * 3}
    )
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=2)
    gaps = pd.DataFrame(
        {"b": pd.array([None], "boolean"), "n": pd.array([None], "Int64"), "c": pd.Categorical(["x"]), "d": [None]}
    )
    table = pa.Table.from_pandas(gaps).cast(
        pa.schema(
            [("b", pa.bool_()), ("n", pa.int64()), ("c", pa.dictionary(pa.int8(), pa.string())), ("d", pa.date32())]
        )
    )
    pa.parquet.write_table(table, tmp_path / "b.parquet")
    whole = read(tmp_path)
    assert [str(dtype) for dtype in whole.dtypes] == ["Int64", "boolean", "category", "object"] and len(whole) == 4
    assert [len(piece) for piece in chunks(tmp_path, 3)] == [3, 1]
    pd.testing.assert_frame_equal(pd.concat(chunks(tmp_path, 3)).astype({"c": "category"}), whole)
    pa.parquet.write_table(table.select(["b", "n"]), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=r"b.parquet: has no column 'c', as .*a.parquet has"):
        read(tmp_path)


def test_folders_that_are_no_table(tmp_path):
    with pytest.raises(TableError, match=r"is a folder without \.csv, \.tsv or \.parquet files"):
        read(tmp_path)
    pd.DataFrame({"a": [1], "b": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"a": [1.5], "b": [1]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(TableError, match=r"b.parquet: column 'a': is of double, and in .*a.parquet of int64"):
        read(tmp_path)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:40] = bytes(36)
    (tmp_path / "b.parquet").unlink()
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(TableError, match=r"a.parquet: is (damaged|no parquet file)"):
        read(tmp_path)
    for name in ("a.h5ad", "b.h5ad"):
        write(tmp_path / name, "")
    with pytest.raises(TableError, match="read one at a time"):
        read(tmp_path / "*.h5ad")
    write(tmp_path / "penguins.csv", "a\n1\n")
    with pytest.raises(FileNotFoundError, match=r"penguin.csv: no such file: did you mean 'penguins.csv'\?"):
        read(tmp_path / "penguin.csv")


def test_whole_numbers_that_do_not_fit_stay_text(tmp_path):
    largest = 2**63 - 1
    assert read(write(tmp_path / "x.csv", f"a\n{largest}\n-5\n"))["a"].tolist() == [largest, -5]
    assert read(write(tmp_path / "x.csv", f"a\n{largest + 1}\n5\n"))["a"].tolist() == [str(largest + 1), "5"]
    assert infer([10**30, 1]).dtype == "float64"


def test_rows_of_parquet_files_are_named(tmp_path):
    pd.DataFrame({"s": ["x", "y", "z"]}).to_parquet(tmp_path / "x.parquet")
    frame = read(tmp_path / "x.parquet")
    with pytest.raises(TableError, match=r"x.parquet: row 3, column 's': 'z' is no category"):
        Schema.infer(frame[:2]).encode(frame)


def test_rows_of_files_are_named_as_the_file_has_them(tmp_path):
    path = write(tmp_path / "x.csv", 'a,s\n1,x\n\n2,"p\nq"\n5,r\n')
    frame = read(path)
    schema = Schema.infer(frame[:2])
    for rows in (frame, frame[1:], frame[::-1]):
        with pytest.raises(TableError, match=r"x.csv: row 5 \(line 6\), column 's': 'r' is no category"):
            schema.encode(rows)
    with pytest.raises(
        TableError, match=r"^row 0, column 's'"
    ):  # numbered anew: the file's rows are not known any more
        schema.encode(frame[::-1].reset_index(drop=True))


def test_pieces_take_memory_that_does_not_grow(tmp_path, monkeypatch):
    monkeypatch.setattr("tfvae.tables.csv_files.BLOCK", 2**15)
    path = write(tmp_path / "x.csv", "a,b\n" + "1.25,some words of text\n" * 300_000)
    taken, most = pa.total_allocated_bytes(), 0
    for piece in chunks(path, 10_000):
        assert len(piece) == 10_000
        most = max(most, pa.total_allocated_bytes() - taken)
    assert most < os.path.getsize(path) / 3


# ---- what is in memory


class Interchange:
    """What has `__dataframe__` alone."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, **arguments):
        return self.table.__dataframe__(**arguments)


class Stream:
    """What has `__arrow_c_stream__` alone, as polars' frames."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.filterwarnings("ignore:.*[Ii]nterchange")
def test_tables_in_memory():
    frame = pd.DataFrame({"n": [1, 2], "s": ["a", "b"]})
    assert read(frame) is frame
    table = pa.table({"n": [1, 2], "s": ["a", "b"]})
    for source in (table, Stream(table), Interchange(table), np.rec.fromarrays([[1, 2], ["a", "b"]], names="n,s")):
        assert read(source).astype({"s": "str"}).equals(frame)
    wide = pa.table({"d": pa.array([1, None]).cast(pa.decimal128(22, 2)), "i": [1, None], "b": [True, None]})
    assert [str(dtype) for dtype in read(wide).dtypes] == ["float64", "Int64", "boolean"]


def test_arrays_and_sparse_matrices():
    array = np.array([[0.0, 1.5], [2.0, 0.0], [4.0, 0.0]])
    for source in (array, scipy.sparse.csr_matrix(array), scipy.sparse.coo_array(array)):
        frame = read(source)
        assert list(frame.columns) == ["x0", "x1"]
        np.testing.assert_array_equal(Schema.infer(frame).encode(frame), array)
    masked = read(np.ma.masked_greater(array, 3))
    assert masked.isna().to_numpy().tolist() == [[False, False], [False, False], [True, False]]


def test_anndata(monkeypatch, tmp_path):
    module = types.ModuleType("anndata")

    class AnnData:
        __module__ = "anndata"
        X = scipy.sparse.csr_matrix(np.array([[0, 3], [1, 0]], np.float32))
        var_names = pd.Index(["g1", "g2"])
        obs = pd.DataFrame({"cell": ["a", "b"]}, index=["c1", "c2"])

    module.read_h5ad = lambda path: AnnData()
    monkeypatch.setitem(sys.modules, "anndata", module)
    for source in (AnnData(), write(tmp_path / "x.h5ad", "")):
        frame = read(source)
        assert list(frame.columns) == ["g1", "g2", "cell"] and frame["g2"].tolist() == [3, 0]
    monkeypatch.setattr(AnnData, "X", np.array([[0, 3], [1, 0]]))
    assert read(AnnData())["g1"].tolist() == [0, 1]
    monkeypatch.setattr(AnnData, "obs", pd.DataFrame({"g1": [1, 2]}))
    with pytest.raises(TableError, match="AnnData: column 'g1' is there twice"):
        read(AnnData())


# ---- writing


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_a_file_is_written_whole_or_not_at_all(name, tmp_path):
    path = tmp_path / name
    with pytest.raises(KeyError), Writer(path, ["a"]) as writer:
        writer.write(pd.DataFrame({"a": [1]}))
        raise KeyError
    assert os.listdir(tmp_path) == []
    with Writer(path, ["a"]) as writer:
        writer.write(pd.DataFrame({"a": [1]}))
        assert not path.exists()
    with pytest.raises(TableError, match="column 'a' is missing; there are 'b'"), Writer(path, ["a"]) as writer:
        writer.write(pd.DataFrame({"b": [2]}))
    with pytest.raises(TableError, match="there is no column 'b' to write"), Writer(path, ["a"]) as writer:
        writer.write(pd.DataFrame({"a": [2], "b": [2]}))
    assert read(path)["a"].tolist() == [1] and os.listdir(tmp_path) == [name]


def test_pieces_of_a_parquet_file_have_the_dtypes_of_the_schema(tmp_path):
    frame = pd.DataFrame(
        {"n": [1, 2, 30], "s": ["a", "b", "a"], "d": ["2020-01-31"] * 3, "c": pd.Categorical(["u", "v", "u"])}
    )
    schema = Schema.infer(frame)
    path = tmp_path / "x.parquet"
    with Writer(path, schema) as writer:
        writer.write(schema.decode(np.full((1, 4), np.nan)))
        writer.write(schema.decode(schema.encode(frame)))
    back = read(path)
    assert [str(dtype) for dtype in back.dtypes] == ["Int64", "str", "str", "category"]
    assert back["n"].tolist() == [pd.NA, 1, 2, 30]
    with pytest.raises(TableError, match=r"x\.parquet: a piece is of other dtypes"), Writer(path, schema) as writer:
        writer.write(frame.assign(n=["x", "y", "z"]))
    assert len(read(path)) == 4


def test_a_file_without_rows_has_names(tmp_path):
    for name in ("x.csv", "x.parquet"):
        with Writer(tmp_path / name, ["a", "b"]):
            pass
        with pytest.raises(TableError, match="no rows"):
            read(tmp_path / name)


# ---- splits


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(
    strategies.lists(strategies.sampled_from(["a", "b", "c", None]), min_size=20, max_size=60),
    strategies.sampled_from([(0.8, 0.1, 0.1), ("50%", "25 %", 0.25), (0.7, 0.2), (Fraction(1, 3).__float__(), 0.5)]),
    strategies.integers(0, 2**64 - 1),
)
def test_splits_are_disjoint_and_each_class_has_its_share(classes, shares, seed):
    frame = pd.DataFrame({"y": classes})
    parts = dict(zip(["train", "validation", "test"], shares, strict=False))
    numbers = [float(share.rstrip("% ")) / 100 if isinstance(share, str) else share for share in shares]
    for stratify in (None, "y"):
        found = split(frame, parts, seed, stratify)
        assert list(found) == list(parts)
        together = np.concatenate(list(found.values()))
        assert len(np.unique(together)) == len(together) and together.min() >= 0 and together.max() < len(frame)
        assert sum(numbers) < 1 or len(together) == len(frame)
        for rows, share in zip(found.values(), numbers, strict=True):
            assert (np.diff(rows) > 0).all()
            if stratify is None:
                assert abs(len(rows) - share * len(frame)) < 1 + 1e-9
            for value in {"a", "b", "c", None} if stratify else ():
                of_class = frame["y"].isna() if value is None else frame["y"] == value
                assert abs(of_class.iloc[rows].sum() - share * of_class.sum()) < 1 + 1e-9


def test_splits_are_the_same_everywhere():
    """These numbers were written down once: neither NumPy's nor pandas' version may change them."""
    parts = {"train": 0.5, "test": "25%"}
    assert {name: rows.tolist() for name, rows in split(12, parts, seed=3).items()} == SPLIT
    frame = pd.DataFrame({"y": list("abcabcabcabc")})
    assert split(frame, parts, 3)["test"].tolist() == SPLIT["test"]
    assert split(frame, parts, 3, "y")["test"].tolist() == STRATIFIED
    assert split(12, parts, seed=4)["train"].tolist() != SPLIT["train"]


SPLIT = {"train": [1, 2, 5, 8, 10, 11], "test": [0, 3, 9]}
STRATIFIED = [3, 4, 5]


def test_small_classes_are_shared_out():
    """With a row of each class, rounding each for itself would give all to one part."""
    frame = pd.DataFrame({"y": np.arange(100)})
    found = split(frame, {"train": 0.8, "validation": 0.1, "test": 0.1}, stratify="y")
    assert [len(rows) for rows in found.values()] == [80, 10, 10]


def test_the_example_of_the_page_on_data_runs(tmp_path, monkeypatch, capsys):
    page = (pathlib.Path(__file__).parent.parent / "docs" / "data.md").read_text().partition("## Tables")[2]
    rows = [f"{i},{20 + i % 50},{('nurse', 'baker')[i % 2] if i % 10 else ''}" for i in range(100)]
    (tmp_path / "people.csv").write_text("\n".join(["id,age,job", *rows]))
    monkeypatch.chdir(tmp_path)
    exec(page.partition("```python\n")[2].partition("```")[0], {})
    assert "job" in capsys.readouterr().out
    written = read("train.parquet")
    assert list(written.columns) == ["age", "job"] and len(written) == 80
    assert set(written["job"].dropna()) == {"nurse", "baker"} and written["age"].dtype == "int64"
