"""Tables that cannot be read, encoded or decoded: what is given, and what the one line about it says."""

import datetime
import gzip
from collections.abc import Callable
from typing import Any, NamedTuple

import dateutil.tz
import numpy as np
import pandas as pd
import pyarrow as pa

from tfvae import tables


class File(NamedTuple):
    """A file that cannot be read: its content, the regex of the line, arguments of `read`, and its name."""

    content: str | bytes
    line: str
    arguments: dict[str, Any] = {}
    name: str = "x.csv"


FILES = {
    "empty": File("", "x.csv: is empty: a table has a row of names"),
    "a mark and no more": File("\ufeff", "x.csv: is empty"),
    "header only": File("a,b\n", "x.csv: has a row of names and no rows below it"),
    "blank lines only": File("\n\n", "x.csv: is empty"),
    "no header": File("1.5,2\n3,4\n", "x.csv: row 1: '1.5' and the like are no names: add a row of names"),
    "duplicate names": File("a,b,a\n1,2,3\n", "x.csv: row 1: column 'a' is there twice: name columns differently"),
    "an index without a name": File(",a\n0,1\n", r"x.csv: row 1: column 1 has no name: .*to_csv\(index=False\)"),
    "a column without a name": File("a,,b\n1,2,3\n", "x.csv: row 1: column 2 has no name: name it"),
    "a trailing separator": File("a,b,\n1,2,\n", "x.csv: row 1: ends with a separator ',': remove it"),
    "a trailing separator below": File(
        "a,b\n1,2,\n", "x.csv: row 2: ends with a separator ',', and the header does not"
    ),
    "a short row": File("a,b\n1,2\n3\n", "x.csv: row 3: has 1 field, and the header 2: mend the row"),
    "a long row": File("a,b\n1,2\n3,4,5\n", "x.csv: row 3: has 3 fields, and the header 2: .* stands in quotes"),
    "a short row after a quoted newline": File('a,b\n1,"x\ny"\n3\n', r"x.csv: row 3 \(line 4\): has 1 field"),
    "text among numbers": File("a,b\n1,2\n3,x\n5,6\n", "x.csv: row 3, column 'b': 'x' is no number, .*: mend it"),
    "text after a quoted newline": File(
        'a,b\n"x\ny",2\n\nz,q\nz,3\n', r"row 4 \(line 5\), column 'b': 'q' is no number"
    ),
    "thousands": File(
        'a\n"1,234"\n"5,678"\n', "x.csv: column 'a': .* may be of thousands or of decimals: .*decimal=','"
    ),
    "points and commas": File("a;b\n1,5;2.5\n", "x.csv: column 'a' has commas in its numbers, and column 'b' points"),
    "points where commas are said": File("a;b\n1,5;2.5\n", "column 'b': '2.5' is no number", {"decimal": ","}),
    "thousands and decimals": File("a;b\n1.234,5;x\n2.345,67;y\n", "x.csv: row 2, column 'a': '1.234,5' is no number"),
    "two separators": File(
        "a,b;c\n1,2;3\n", r"x.csv: columns may be separated by commas \(','\) or semicolons \(';'\)"
    ),
    "spaces": File("a b\n1 2\n3 4\n", "x.csv: columns may be separated by spaces: say separator=' '"),
    "latin-1": File(
        "a,b\n1,é\n".encode("latin-1"), "x.csv: row 2, column 'b': holds the byte 0xe9, .* encoding='latin-1'"
    ),
    "a name in latin-1": File("é,b\n1,2\n".encode("latin-1"), "x.csv: row 1: holds the byte 0xe9, which is no UTF-8"),
    "utf-16": File("a,b\n1,2\n".encode("utf-16"), "x.csv: is written in UTF-16: say encoding='utf-16'"),
    "not ascii": File("a\né\n", "holds the byte 0xc3, which is no ascii", {"encoding": "ascii"}),
    "an unknown encoding": File("a\n1\n", "x.csv: encoding: there is no encoding 'utf-9'", {"encoding": "utf-9"}),
    "a NUL": File("a,b\n1,x\n2,y\0\n", "x.csv: row 3, column 'b': holds a NUL byte"),
    "an open quote": File('a,b\n1,x\n2,"y\n3,z\n', "x.csv: row 3: opens a quote"),
    "parquet by another name": File(b"PAR1 and so on", "x.csv: is a parquet file: name it .parquet"),
    "half a gzip": File(gzip.compress(b"a,b\n1,2\n")[:-9], "x.csv.gz: cannot be read: Compressed", {}, "x.csv.gz"),
    "no gzip": File("a,b\n1,2\n", "x.csv.gz: cannot be read: Not a gzipped file", {}, "x.csv.gz"),
    "no parquet": File("a,b\n", "x.parquet: is no parquet file", {}, "x.parquet"),
    "excel": File("", "x.xlsx: is of a format that is not known: read it by pandas.read_excel", {}, "x.xlsx"),
    "no ending": File("a\n1\n", "table: is of a format that is not known: name it by one of .csv", {}, "table"),
    "h5ad": File("", "x.h5ad: .h5ad files need anndata: pip install anndata", {}, "x.h5ad"),
    "a long separator": File("a\n1\n", "separator: must be one character, such as ';', not ';;'", {"separator": ";;"}),
    "a strange decimal": File("a\n1\n", "decimal: must be '.' or ',', not 'x'", {"decimal": "x"}),
    "one for two": File("a\n1\n", "decimal: must differ from the separator", {"separator": ",", "decimal": ","}),
    "missing as text": File("a\n1\n", "missing: must be a list of text, not '-'", {"missing": "-"}),
    "an unknown text column": File("age\n1\n", "text: no such column 'Age'; did you mean 'age'", {"text": ["Age"]}),
}


def infer(column: Any, **arguments: Any) -> Callable[[], object]:
    """Infers the schema of a table with that column, c."""
    return lambda: tables.Schema.infer(pd.DataFrame({"c": column}), **arguments)


TABLE = pd.DataFrame({"n": [1, 2, 300], "s": ["red", "green", "red"], "d": ["2020-01-31", "2020-02-01", None]})
ZONED = pd.Series(pd.date_range("2020-01-01", periods=2, tz="Europe/Berlin"))
SCHEMA = tables.Schema.infer(TABLE)


def encode(**columns: Any) -> Callable[[], object]:
    """Encodes `TABLE` with other columns."""
    return lambda: SCHEMA.encode(TABLE.assign(**columns))


def load(**changes: Any) -> Callable[[], object]:
    """Reads the JSON of `SCHEMA` with changes."""
    return lambda: tables.Schema.from_json(SCHEMA.to_json() | changes)


def column(**changes: Any) -> Callable[[], object]:
    """Reads the JSON of `SCHEMA` with changes of its second column, of categories."""
    return lambda: load(columns=[SCHEMA.to_json()["columns"][1] | changes])()


CALLS = {
    "no rows": (infer([]), "the table has no rows"),
    "no columns": (lambda: tables.Schema.infer(pd.DataFrame(index=[0])), "the table has no columns"),
    "names of numbers": (
        lambda: tables.Schema.infer(pd.DataFrame([[1]])),
        r"column 0 has no name .*rename\(columns=str\)",
    ),
    "names twice": (
        lambda: tables.Schema.infer(pd.DataFrame([[1, 2]], columns=["a", "a"])),
        "column 'a' is there twice",
    ),
    "levels": (
        lambda: tables.Schema.infer(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))),
        "several levels: join them",
    ),
    "an array": (lambda: tables.Schema.infer(np.zeros((2, 2))), "must be a pandas.DataFrame, not ndarray: read it by"),
    "lists": (infer([[1], [2]]), "row 0, column 'c': .* is of type list, which no column can hold"),
    "a mixture": (infer([1, None, "x"]), "row 2, column 'c': 'x' is text in a column of numbers"),
    "infinite": (infer([1.0, np.inf]), "row 1, column 'c': inf is infinite: mend it, or leave the cell empty"),
    "complex": (infer([1j, 2j]), "column 'c': holds complex numbers"),
    "durations": (infer(pd.to_timedelta([1, 2])), r"column 'c': holds durations: .*total_seconds"),
    "periods": (infer(pd.period_range("2020", periods=2)), "column 'c': holds periods: make them dates"),
    "intervals": (infer(pd.cut([1, 2], 2)), "column 'c': has categories that are not text, numbers or booleans"),
    "huge": (infer(np.array([2**64 - 1, 0], np.uint64)), "row 0, column 'c': 18446744073709551615 is beyond int64"),
    "no values": (infer([None, None]), "no column is left to model"),
    "no values for a kind": (infer([None, None], kinds={"c": "count"}), "has no values, and cannot be of kind count"),
    "an unknown kind": (
        infer([1], kinds={"c": "numbr"}),
        "kinds: column 'c': no such kind 'numbr'; did you mean 'number'",
    ),
    "kind of no column": (infer([1], kinds={"C": "number"}), "kinds: no such column 'C'; did you mean 'c'?"),
    "label of no column": (infer([1], labels=["d"]), "labels: no such column 'd'; there are 'c'"),
    "no count": (infer([1.0, 2.5], kinds={"c": "count"}), "row 1, column 'c': 2.5 is not 0, 1, 2, .*use kind 'number'"),
    "a negative count": (infer([1, -2], kinds={"c": "count"}), "row 1, column 'c': -2.0 is not 0, 1, 2"),
    "not positive": (infer([0.5, 0.0], kinds={"c": "positive"}), "row 1, column 'c': 0.0 is not above 0"),
    "text as number": (infer(["1", "x"], kinds={"c": "number"}), "row 0, column 'c': '1' is no number"),
    "a third boolean": (infer(["a", "b", "c"], kinds={"c": "boolean"}), "row 2, column 'c': 'c' is a third value"),
    "no order": (
        infer(["a", "b"], kinds={"c": "ordinal"}),
        "is text, whose order is not known: .*'ordinal: low < middle",
    ),
    "not in the order": (
        infer(["low", "hi"], kinds={"c": "ordinal: low < high"}),
        "row 1, column 'c': 'hi' is not in the order given; did you mean 'high'?",
    ),
    "an order twice": (infer(["a"], kinds={"c": "ordinal: a < a"}), "write an order as 'ordinal: low < middle < high'"),
    "no dates": (
        infer(["2020-01-31", "x"], kinds={"c": "date"}),
        "row 1, column 'c': 'x' is no date: write it as 2020",
    ),
    "numbers as dates": (infer([5, 6], kinds={"c": "date"}), "row 0, column 'c': 5 is no date"),
    "dates as categories": (
        infer([datetime.date(2020, 1, 1)], kinds={"c": "category"}),
        "holds dates, and cannot be of kind",
    ),
    "an order of words for numbers": (
        infer([1, 2], kinds={"c": "ordinal: 1 < two"}),
        "its order has 'two': name numbers",
    ),
    "dates among booleans": (
        infer([True, datetime.date(2020, 1, 1)]),
        "row 1, column 'c': .* is dates in a column of booleans",
    ),
    "dates of several formats": (
        infer(["2020-01-31", "2020-01-31T10:00"], kinds={"c": "date"}),
        "written in several ways",
    ),
    "a zone of a file": (
        infer(pd.date_range("2020", periods=2, tz=dateutil.tz.gettz("Europe/Berlin"))),
        r"column 'c': has a time zone that cannot be stored: .*dt.tz_convert\('UTC'\)",
    ),
    "a zone too many": (
        lambda: tables.Schema.infer(pd.DataFrame({"c": ZONED.dt.tz_localize(None)})).encode(pd.DataFrame({"c": ZONED})),
        "row 0, column 'c': .* has a time zone, and must have none",
    ),
    "a zone missing": (
        lambda: tables.Schema.infer(pd.DataFrame({"c": ZONED})).encode(pd.DataFrame({"c": ZONED.dt.tz_localize(None)})),
        "row 0, column 'c': .* has no time zone, and must have one",
    ),
    "infinity in a file": (infer(["inf", "1"], kinds={"c": "number"}), "row 0, column 'c': 'inf' is no number"),
    "the 30th of February": (
        encode(d=["2020-01-31", "2020-02-30", None]),
        "row 1, column 'd': '2020-02-30' is no date",
    ),
    "an unknown category": (
        encode(s=["red", "greem", None]),
        r"row 1, column 's': 'greem' is no category \(did you mean 'g",
    ),
    "text in a number": (encode(n=[1, None, "x"]), "row 2, column 'n': 'x' is text in a column of numbers"),
    "all text in a number": (
        encode(n=["1", "2", "3"]),
        "row 0, column 'n': '1' is no number, and the column holds numbers",
    ),
    "beyond float32": (
        lambda: tables.Schema.infer(pd.DataFrame({"c": [1.5, 2.0]})).encode(pd.DataFrame({"c": [1.5, 1e39]})),
        "row 1, column 'c': 1e\\+39 is too large or too small for float32: scale",
    ),
    "a missing column": (
        lambda: SCHEMA.encode(TABLE.rename(columns={"n": "N"})),
        "column 'n' is missing; did you mean 'N'?",
    ),
    "an additional column": (encode(extra=1), "column 'extra' is not in the schema: drop it; there are 'n', 's', 'd'"),
    "how unknown": (lambda: SCHEMA.encode(TABLE, "drop"), "unknown: must be 'refuse' or 'allow', not 'drop'"),
    "a strange shape": (lambda: SCHEMA.decode(np.zeros((2, 2))), r"of floats \[N, 3\], .*, not float64 \[2, 2\]"),
    "no code": (
        lambda: SCHEMA.decode(np.array([[1, 2.0, 3]])),
        "row 0 of the array, column 's': 2.0 is no code from 0 to 1",
    ),
    "half a code": (lambda: SCHEMA.decode(np.array([[1, 0.5, 3]])), "column 's': 0.5 is no code"),
    "an infinite number": (lambda: SCHEMA.decode(np.array([[np.inf, 0, 0]])), "column 'n': inf is infinite"),
    "json of text": (lambda: tables.Schema.from_json("x"), "schema: must be a dict, not str"),
    "another format": (load(format=2), "schema: is of format 2, and this tfvae reads 1"),
    "an unknown key": (load(colums=[]), "schema: no such key 'colums'; did you mean 'columns'?"),
    "columns of text": (load(columns="abc"), "schema: columns: must be a list of dict"),
    "a share of duplicates": (load(duplicates=2), "schema: duplicates: must be a number from 0 to 1, not 2"),
    "no kind": (load(columns=[{"name": "a"}]), "schema: column 'a': has no 'kind', which it must have"),
    "no origin": (
        column(kind="count", dtype="int64", categories=[], origin=1.0),
        "origin: must be 0 for kind count, not 1.0",
    ),
    "half a value": (column(distinct=0.5), "schema: column 's': distinct: must be a whole number, not 0.5"),
    "categories of another type": (column(categories="ab"), "schema: column 's': categories: must be a list, not 'ab'"),
    "rows of text": (load(rows="3"), "schema: rows: must be a whole number, not '3'"),
    "labels twice": (load(labels=["n"]), "column 'n' is there twice"),
    "an unknown column key": (column(knd="x"), "schema: column 's': no such key 'knd'; did you mean 'kind'?"),
    "a stored kind": (column(kind="x"), "schema: column 's': kind: no such kind 'x'"),
    "a stored dtype": (column(dtype="int65"), "schema: column 's': dtype: no such dtype 'int65'"),
    "mixed categories": (
        column(categories=["a", 1]),
        "schema: column 's': categories: must all be text, all numbers or all",
    ),
    "categories twice": (column(categories=["a", "a"]), "schema: column 's': categories: one is there twice"),
    "no categories": (column(categories=[]), "schema: column 's': categories: must be a list with a value"),
    "categories of a number": (
        column(kind="number"),
        "schema: column 's': categories: a column of kind number has none",
    ),
    "NaN": (column(origin=float("nan")), "schema: column 's': origin: must be a finite number, not nan"),
    "a share of text": (column(missing="0"), "schema: column 's': missing: must be a finite number, not '0'"),
    "a zone of none": (
        column(kind="date", categories=[], step=1, dtype="datetime64[us, No/Where]"),
        "schema: column 's': dtype: there is no time zone 'No/Where'",
    ),
    "a dtype that does not fit": (
        column(dtype="int64"),
        "schema: column 's': dtype: 'int64' cannot hold the values of kind",
    ),
    "a date without step": (column(kind="date", categories=[]), "schema: column 's': step: a date needs one"),
    "a vector": (lambda: tables.read(np.zeros(3)), r"an array must be \[N, D\], not \[3\]: use array\[:, None\]"),
    "a cube": (
        lambda: tables.read(np.zeros((1, 2, 3))),
        r"an array must be \[N, D\], not \[1, 2, 3\]: use array.reshape",
    ),
    "a list": (lambda: tables.read([1, 2]), "a table must be a path, .*, not list"),
    "nested arrow": (lambda: tables.read(pa.table({"a": [[1]]})), "Table: column 'a': holds list<.*>, which no column"),
    "arrow names twice": (lambda: tables.read(pa.table([[1], [2]], ["a", "a"])), "Table: column 'a' is there twice"),
    "no file": (lambda: tables.read("nothing.csv"), "nothing.csv: no such file"),
    "no match": (lambda: tables.read("nothing*.csv"), r"nothing\*.csv: no file is named so"),
    "rows of none": (lambda: tables.chunks("x.csv", 0), "rows: must be a whole number above 0, not 0"),
    "an unknown ending": (lambda: tables.Writer("x.xlsx", ["a"]), "x.xlsx: is of a format that is not known"),
    "names of text": (lambda: tables.Writer("x.csv", "ab"), "columns: must be a Schema or a list of names, not 'ab'"),
    "no names": (lambda: tables.Writer("x.csv", []), "columns: there are none"),
    "not open": (lambda: tables.Writer("x.csv", ["a"]).write(TABLE), "x.csv: is not open: write within"),
    "too many parts": (lambda: tables.split(10, {"a": 0.8, "b": 0.3}), "parts: must be shares that sum to 1 at most"),
    "no share": (
        lambda: tables.split(10, {"a": "most"}),
        "parts: 'a': must be a share such as 0.8 or '80%', not 'most'",
    ),
    "a negative share": (lambda: tables.split(10, {"a": -0.5}), "parts: 'a': must be from 0 to 1, not -0.5"),
    "too few rows": (
        lambda: tables.split(3, {"a": 0.9, "b": 0.1}),
        "parts: 'b' gets no rows: 3 are too few for a share of 0.1",
    ),
    "a strange seed": (
        lambda: tables.split(3, {"a": 1.0}, seed=-1),
        "seed: must be a whole number of 0 or above, not -1",
    ),
    "no rows to split": (lambda: tables.split(0, {"a": 1.0}), "there must be a row at least to split, not 0"),
    "strata of no table": (lambda: tables.split(3, {"a": 1.0}, stratify="c"), "stratify: needs the table"),
    "unknown strata": (
        lambda: tables.split(TABLE, {"a": 1.0}, stratify="S"),
        "stratify: no such column 'S'; did you mean 's'",
    ),
    "zones": (
        infer([datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]),
        "column 'c': holds instants that do not go together: .*use one time zone",
    ),
}
