"""Dates as text, ISO 8601, in a graph: read to microseconds since 1970-01-01, and written."""

import re
from typing import NamedTuple

import tensorflow as tf

from tfvae.tables import Column
from tfvae.tables.column import DAY

__all__ = ["read_dates", "write_dates"]

MICRO = 1_000_000  # microseconds in a second
DATE = r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
CLOCK = r"[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6}))?)?"
ZONE = r"(?:Z|([+-])(\d\d):?(\d\d))"
YEARS = (-62_135_596_800 * MICRO, 253_402_300_799 * MICRO)  # 1 to 9999
_FORMAT = re.compile(r"%Y-%m-%d(?:([T ])%H:%M(?:(:%S)(\.%f)?)?(.*))?")


class _Style(NamedTuple):
    """How a column writes dates.

    Attributes:
        separator: between date and time of day; "" where there is no time.
        seconds: whether there are seconds.
        digits: of the second's fraction.
        zone: what stands behind the time.
    """

    separator: str
    seconds: bool = False
    digits: int = 0
    zone: str = ""


def _has_zone(column: Column) -> bool:
    """Say whether dates are instants, which text gives with a time zone."""
    return ", " in column.dtype and column.format is None


def _style(column: Column) -> _Style:
    """Find how a column writes dates: text as it was, others as their step needs; instants in UTC."""
    found = _FORMAT.fullmatch(column.format or "")
    if found:
        return _Style(found[1] or "", bool(found[2]), 6 if found[3] else 0, found[4] or "")
    assert column.step is not None
    step, zone = round(column.step * MICRO), "Z" if _has_zone(column) else ""
    if column.dtype == "date" or (column.step == DAY and not zone):
        return _Style("")
    return _Style("T", step % (60 * MICRO) > 0, 0 if step % MICRO == 0 else 3 if step % 1000 == 0 else 6, zone)


def _pattern(column: Column) -> tuple[str, str]:
    """Give the regular expression of dates that a column takes, and an example."""
    zone = _style(column).zone
    if _has_zone(column):
        return f"^{DATE}{CLOCK}{ZONE}$", "2020-01-31T13:45Z"
    if zone:
        return f"^{DATE}{CLOCK}{re.escape(zone)}$", f"2020-01-31T13:45{zone}"
    return f"^{DATE}(?:{CLOCK})?$", "2020-01-31" if column.unit == DAY else "2020-01-31T13:45"


def read_dates(column: Column, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, str]:
    """Read dates `[B]` that text gives, with a time of day or without.

    Returns:
        days or seconds since the column's origin, float64 `[B]`; whether each is a date; and an example of one.
    """
    pattern, example = _pattern(column)
    good = tf.strings.regex_full_match(text, pattern)
    text = tf.where(good, text, example)  # numbers are read of each

    def part(group, ending="", pattern=pattern):
        digits = tf.strings.join(["0", _group(text, pattern, group), ending])
        return tf.strings.to_number(tf.strings.substr(digits, 0, 7) if ending else digits, tf.int64)

    year, month, day = part(1), part(2), part(3)
    days = _days(year, month, day)
    good &= (_civil(days)[1] == month) & (year > 0)  # there is no 31st of April
    minutes = part(4) * 60 + part(5)
    if _has_zone(column):
        zone = f"^.*?{ZONE}$"  # there are nine groups at most
        offset = part(2, pattern=zone) * 60 + part(3, pattern=zone)
        minutes -= tf.where(_group(text, zone, 1) == "-", -offset, offset)
    instants = ((days * 24 * 60 + minutes) * 60 + part(6)) * MICRO + part(7, "000000")
    size = round(column.unit * MICRO)
    return tf.cast(instants - round(column.origin) * size, tf.float64) / size, good, example


def _group(text: tf.Tensor, pattern: str, group: int) -> tf.Tensor:
    """Give what a group of the pattern, which all of the text is, has matched; "" where nothing has."""
    return tf.strings.regex_replace(text, pattern, rf"\{group}", replace_global=False)


def write_dates(column: Column, numbers: tf.Tensor) -> tf.Tensor:
    """Write days or seconds since the column's origin, float64 `[B]`, none missing: strings `[B]`, as `_style` says.

    They are rounded to the column's step.
    """
    assert column.step is not None
    size, step = round(column.unit * MICRO), round(column.step * MICRO)
    start, (low, high) = round(column.origin) * size, YEARS
    steps = tf.clip_by_value(tf.round(numbers * (size / step)), -(-(low - start) // step), (high - start) // step)
    instants = start + tf.cast(steps, tf.int64) * step
    seconds, style = instants // MICRO, _style(column)
    year, month, day = _civil(seconds // (24 * 60 * 60))
    parts = [_digits(year, 4), "-", _digits(month), "-", _digits(day)]
    if style.separator:
        minutes = seconds // 60
        parts += [style.separator, _digits(minutes // 60 % 24), ":", _digits(minutes % 60)]
    if style.seconds or style.digits:
        parts += [":", _digits(seconds % 60)]
    if style.digits:
        parts += [".", _digits(instants % MICRO // 10 ** (6 - style.digits), style.digits)]
    return tf.strings.join([*parts, style.zone])


def _digits(number: tf.Tensor, width: int = 2) -> tf.Tensor:
    return tf.strings.as_string(number, width=width, fill="0")


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Count days since 1970-01-01 of the Gregorian calendar; years begin in March, so that they end with 29 February.

    Hinnant 2013, "chrono-compatible low-level date algorithms".
    """
    year = year - tf.cast(month <= 2, tf.int64)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719_468


def _civil(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Give year, month and day of days since 1970-01-01: the inverse of `_days`."""
    days = days + 719_468
    era = days // 146_097  # 400 years
    day = days - era * 146_097
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day = day - (365 * year + year // 4 - year // 100)
    month = (5 * day + 2) // 153  # since March
    day = day - (153 * month + 2) // 5 + 1
    return year + era * 400 + tf.cast(month >= 10, tf.int64), (month + 2) % 12 + 1, day
