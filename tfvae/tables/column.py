"""`Column`: what a schema knows of one column of a table."""

import dataclasses
import functools
import math
import re
import zoneinfo

from tfvae.tables.errors import TableError, nearest

__all__ = ["CODED", "KINDS", "NUMERIC", "Category", "Column"]

Category = str | int | float | bool

NUMERIC = ("number", "positive", "count")  # encoded as they are, in the column's units
CODED = ("category", "boolean", "ordinal")  # encoded as codes 0, ..., K - 1
KINDS = (*NUMERIC, *CODED, "date", "ignore")
DAY = 86_400.0  # seconds
MAX_SECONDS = 1e12  # of an origin since 1970, some 30,000 years
MAX_ORIGIN = 2.0**63 - 1024  # of whole numbers: the largest that int64 holds
MAX_CATEGORIES = 2**24  # codes that float32 tells apart
_PLAIN = re.compile(
    r"u?int(8|16|32|64)|U?Int(8|16|32|64)|float(16|32|64)|Float(32|64)|bool|boolean|str|string|object|date"
    r"|datetime64\[(s|ms|us|ns)(, .+)?\]"
)
_NUMBERS = re.compile(r"u?int\d+|U?Int\d+|float\d+|Float\d+|bool|boolean")
_DTYPES = {
    str: ("str", "string", "object"),
    bool: ("bool", "boolean"),
    int: ("int", "uint"),
    float: ("float",),
}  # of categories -> dtypes, without their bits
_CATEGORICAL = re.compile(r"(category|ordered)\[(.+)\]")


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: its kind, how its values become numbers, and how numbers become values again.

    Attributes:
        name: The column's name.
        kind: One of `KINDS`.
        dtype: What is given back: pandas' name of a dtype; "date" for `datetime.date`; "category[str]" and
            "ordered[str]" for a Categorical, without order and with it, of categories of that dtype.
        categories: Of a category, boolean or ordinal: the values, in the order of their codes.
        decimals: Of a numeric column: the digits after the point that all of its values keep to, to which values are
            rounded when they are given back; 0 for whole numbers; None when there is no such limit.
        origin: What is subtracted before values become float32: in the column's units; of dates, days or seconds since
            1970-01-01 (UTC when there is a time zone).
        step: Of a date: the seconds of which all of its values are multiples; 86400 when they are whole days. Values
            are rounded to it when they are given back.
        format: Of dates written as text: how.
        minimum, maximum: Of numeric columns and dates: the range seen, in the units of `origin`.
        missing: The share of cells that are missing, 0 to 1.
        distinct: How many different values there are.
    """

    name: str
    kind: str
    dtype: str
    categories: tuple[Category, ...] = ()
    decimals: int | None = None
    origin: float = 0.0
    step: float | None = None
    format: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    missing: float = 0.0
    distinct: int = 0

    def __post_init__(self) -> None:
        checks = (self._wrong_kind, self._wrong_categories, self._wrong_numbers, self._wrong_dtype)
        for what in filter(None, (check() for check in checks)):
            raise TableError(f"column {self.name!r}: {what}")

    @property
    def unit(self) -> float:
        """Seconds in a unit of an encoded date: a day when dates are whole days, else 1."""
        return DAY if self.step == DAY else 1.0

    @property
    def category_dtype(self) -> tuple[str, bool] | None:
        """The dtype of a Categorical's categories, and whether they have an order; None for other dtypes."""
        found = _CATEGORICAL.fullmatch(self.dtype)
        return (found[2], found[1] == "ordered") if found else None

    @functools.cached_property
    def codes(self) -> dict[Category, int]:
        """Category -> code."""
        return {category: code for code, category in enumerate(self.categories)}

    def _wrong_kind(self) -> str | None:
        if not isinstance(self.name, str) or not self.name:
            return "its name must be a text"
        if self.kind not in KINDS:
            return f"kind: no such kind {self.kind!r}; {nearest(self.kind, KINDS)}"
        if not isinstance(self.dtype, str):
            return f"dtype: must be a text, not {self.dtype!r}"
        found = _CATEGORICAL.fullmatch(self.dtype)
        if self.kind != "ignore" and not _PLAIN.fullmatch(found[2] if found else self.dtype):
            return f"dtype: no such dtype {self.dtype!r}"
        if self.format is not None and not isinstance(self.format, str):
            return f"format: must be a text, not {self.format!r}"
        return None

    def _wrong_categories(self) -> str | None:
        if self.kind not in CODED:
            return f"categories: a column of kind {self.kind} has none" if self.categories else None
        if not self.categories:
            return "categories: must be a list with a value at least"
        kinds = {type(category) for category in self.categories}
        if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
            return "categories: must all be text, all numbers or all booleans"
        if len(set(self.categories)) != len(self.categories):
            return "categories: one is there twice"
        if len(self.categories) > MAX_CATEGORIES:
            return (
                f"has {len(self.categories)} categories, of {MAX_CATEGORIES} at most: kinds={{{self.name!r}: 'ignore'}}"
            )
        if self.kind == "boolean" and len(self.categories) > 2:
            return f"categories: a boolean has two, not {len(self.categories)}"
        return None

    def _wrong_numbers(self) -> str | None:
        for name in ("origin", "step", "minimum", "maximum", "missing"):
            value = getattr(self, name)
            optional = value is None and name not in ("origin", "missing")
            if not optional and not (type(value) in (int, float) and math.isfinite(value)):
                return f"{name}: must be a finite number, not {value!r}"
        if type(self.distinct) is not int or self.distinct < 0:
            return f"distinct: must be a whole number, not {self.distinct!r}"
        if self.decimals is not None and (type(self.decimals) is not int or not 0 <= self.decimals <= 15):
            return f"decimals: must be a whole number from 0 to 15, not {self.decimals!r}"
        if not 0 <= self.missing <= 1:
            return f"missing: must be from 0 to 1, not {self.missing!r}"
        if self.kind == "date" and (self.step is None or not 1e-6 <= self.step <= DAY):
            return f"step: a date needs one, of 0.000001 to 86400 seconds, not {self.step!r}"
        if self.kind in ("count", "positive") and self.origin:
            return f"origin: must be 0 for kind {self.kind}, not {self.origin!r}"
        return f"origin: is out of range: {self.origin!r}" if abs(self.origin) > self._max_origin() else None

    def _max_origin(self) -> float:
        if self.kind == "date":
            return MAX_SECONDS / self.unit
        return MAX_ORIGIN if "int" in self.dtype.lower() else math.inf

    def _wrong_dtype(self) -> str | None:
        """Return what is wrong when the dtype cannot hold what the kind decodes to."""
        dtype = self.category_dtype[0] if self.category_dtype else self.dtype
        fits = True
        if self.kind in CODED:
            fits = dtype.rstrip("0123456789").lower() in _DTYPES[type(self.categories[0])]
        elif self.kind in NUMERIC:
            fits = _NUMBERS.fullmatch(self.dtype) is not None
        elif self.kind == "date" and self.format:
            fits = self.dtype in _DTYPES[str]
        elif self.kind == "date":
            zone = self.dtype.partition(", ")[2].removesuffix("]")
            if not _is_zone(zone):
                return f"dtype: there is no time zone {zone!r}"
            fits = self.dtype.startswith("date")
        return None if fits else f"dtype: {self.dtype!r} cannot hold the values of kind {self.kind}"


def _is_zone(name: str) -> bool:
    """Return whether a time zone is known; no name is none at all."""
    if not name or re.fullmatch(r"UTC([+-]\d\d:\d\d)?", name):
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
