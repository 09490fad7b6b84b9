"""How a CSV file is written: its bytes are text, its separator is unambiguous, and its header names the columns."""

import codecs
import csv
import io
import itertools
import re
import warnings

from tfvae.tables.errors import TableError, quote
from tfvae.tables.options import SEPARATORS, Dialect, Options, default_separator
from tfvae.tables.places import open_bytes, records

__all__ = ["check_bytes", "explain", "find_dialect"]

BLOCK = 2**20  # bytes read at once
SAMPLE = 200  # rows by which a separator is found
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def find_dialect(path: str, options: Options, say: bool = True) -> Dialect:
    """Return how a CSV file is written.

    Args:
        path: The file.
        options: What the user says.
        say: Whether to warn that the separator was found to be other than the ending has it.

    Raises:
        TableError: The file is empty, no text, of an ambiguous separator, or has no proper header.
    """
    encoding = check_bytes(path, options.encoding)
    separator = options.separator or _find_separator(path, encoding)
    if separator != default_separator(path) and options.separator is None and say:
        found = f"{SEPARATORS[separator]}s separate the columns, as it seems"
        warnings.warn(f"{path}: {found}: say separator={separator!r} to be sure", stacklevel=2)
    try:
        row, _, names = next(records(path, separator, encoding))
    except StopIteration:
        raise TableError(f"{path}: is empty: a table has a row of names, and rows below it") from None
    except csv.Error as error:
        raise TableError(f"{path}: row 1: cannot be read: {error}") from None
    _check_header(path, row, names, separator)
    if len(names) == 1 and options.separator is None:
        _check_spaces(path, encoding)
    return Dialect(path, separator, encoding, names)


def check_bytes(path: str, encoding: str | None) -> str:
    """Check that a file is text, and return its encoding.

    Args:
        path: The file.
        encoding: What the user says; None for UTF-8, with a byte order mark or not.

    Raises:
        TableError: The file is empty, holds NUL bytes, is written in another encoding, or ends within quotes.
    """
    try:
        decoder = codecs.getincrementaldecoder(encoding or "utf-8-sig")()
    except LookupError:
        raise TableError(f"{path}: encoding: there is no encoding {encoding!r}: say 'utf-8' or 'latin-1'") from None
    quotes = size = 0
    try:
        with open_bytes(path) as file:
            while block := file.read(BLOCK):
                if not size and encoding is None and block[:2] in _MARKS:
                    raise TableError(f"{path}: is written in UTF-16: say encoding='utf-16', or save it as UTF-8")
                if not size and block[:4] == b"PAR1":
                    raise TableError(f"{path}: is a parquet file: name it .parquet")
                size += len(block)
                text = decoder.decode(block)
                quotes += text.count('"')
                if "\0" in text:
                    raise TableError(
                        f"{_place(path, encoding, chr(0))}holds a NUL byte: the file is no text, or damaged"
                    )
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        found = f"holds the byte 0x{error.object[error.start]:02x}, which is no {encoding or 'UTF-8'}"
        other = "'latin-1'" if encoding != "latin-1" else "'utf-8'"
        raise TableError(
            f"{_place(path, encoding, chr(0xFFFD))}{found}: save the file as UTF-8, or say encoding={other}"
        ) from None
    except (EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise TableError(f"{path}: cannot be read: {error}") from None
    if not size:
        raise TableError(f"{path}: is empty: a table has a row of names, and rows below it")
    if quotes % 2:
        _check_quotes(path, encoding or "utf-8-sig")
    return encoding or "utf-8-sig"


def _check_quotes(path: str, encoding: str) -> None:
    """Refuse a file that ends within quotes: all from there to its end would be one cell."""
    row = 0
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=_find_separator(path, encoding, strict=False), strict=True)
        try:
            for _ in reader:
                row += 1
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                found = 'opens a quote " that is never closed: close it, or write it twice'
                raise TableError(f"{path}: row {row + 1}: {found}") from None


def _place(path: str, encoding: str | None, character: str) -> str:
    """Return "FILE: row R, column 'C': " of the first cell with a character, or "FILE: "."""
    encoding = encoding or "utf-8-sig"
    separator = _find_separator(path, encoding, strict=False)
    names: list[str] = []
    try:
        for row, _, fields in records(path, separator, encoding):
            names = names or fields
            for place, field in enumerate(fields):
                if character in field:
                    column = f", column {names[place]!r}" if place < len(names) and row > 1 else ""
                    return f"{path}: row {row}{column}: "
    except (csv.Error, OSError, EOFError):
        pass
    return f"{path}: "


def _find_separator(path: str, encoding: str, strict: bool = True) -> str:
    """Return the one separator that splits the header, and all of the first rows alike.

    Raises:
        TableError: There are several, and `strict`.
    """
    default = default_separator(path)
    if default == "\t":
        return default
    splits = {}
    try:
        for separator in SEPARATORS:
            lengths = [len(fields) for _, _, fields in itertools.islice(records(path, separator, encoding), SAMPLE)]
            if lengths and lengths[0] > 1:
                splits[separator] = lengths
    except csv.Error:
        return default
    if len(splits) > 1:
        splits = {separator: lengths for separator, lengths in splits.items() if len(set(lengths)) == 1} or splits
    if len(splits) > 1 and strict:
        found = " or ".join(f"{SEPARATORS[separator]}s ({separator!r})" for separator in splits)
        raise TableError(f"{path}: columns may be separated by {found}: say which, as separator={next(iter(splits))!r}")
    return next(iter(splits), default)


def _check_header(path: str, row: int, names: list[str], separator: str) -> None:
    """Check that a header names each column, once, and is no row of data."""
    if not names[-1].strip() and len(names) > 1 and all(name.strip() for name in names[:-1]):
        raise TableError(f"{path}: row {row}: ends with a separator {separator!r}: remove it, or name the last column")
    for number, name in enumerate(names):
        if not name.strip():
            mend = "name it, or leave it out (of a DataFrame's index, by to_csv(index=False))"
            raise TableError(f"{path}: row {row}: column {number + 1} has no name: {mend}")
        if name in names[:number]:
            raise TableError(f"{path}: row {row}: column {name!r} is there twice: name columns differently")
    numbers = all(_NUMBER.fullmatch(name.strip()) for name in names)
    if numbers and [name.strip() for name in names] != [str(number) for number in range(len(names))]:
        raise TableError(
            f"{path}: row {row}: {quote(names[0])} and the like are no names: add a row of names at the top"
        )


def _check_spaces(path: str, encoding: str) -> None:
    """Refuse a file of one column whose cells are rows of as many words each, with numbers among them."""
    rows = [fields[0].split() for _, _, fields in itertools.islice(records(path, ",", encoding), SAMPLE)]
    alike = len({len(words) for words in rows}) == 1 and len(rows[0]) > 1 and len(rows) > 1
    if alike and all(any(_NUMBER.fullmatch(word) for word in words) for words in rows[1:]):
        raise TableError(
            f"{path}: columns may be separated by spaces: say separator=' ', or ',' if there is one column"
        )


def explain(dialect: Dialect, error: Exception) -> TableError:
    """Return the error about a file that cannot be read: where its first row is that has too many or too few fields."""
    path, separator, encoding, names = dialect
    try:
        for row, line, fields in records(path, separator, encoding):
            if len(fields) != len(names):
                where = f"row {row}" if row == line else f"row {row} (line {line})"
                what = f"has {len(fields)} field{'s' * (len(fields) != 1)}, and the header {len(names)}"
                if len(fields) == len(names) + 1 and not fields[-1]:
                    return TableError(
                        f"{path}: {where}: ends with a separator {separator!r}, and the header does not: remove it"
                    )
                mend = f"mend the row; a cell with {separator!r} in it stands in quotes"
                return TableError(f"{path}: {where}: {what}: {mend}")
    except csv.Error as other:
        error = other
    return TableError(f"{path}: cannot be read as CSV: {' '.join(str(error).split())}")
