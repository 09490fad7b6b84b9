"""`table`: the likelihood of a table's columns, a block for each kind of column in its schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfvae.distributions import Conditional
from tfvae.likelihoods.classes import Categorical, Ordinal
from tfvae.likelihoods.columns import Columns
from tfvae.likelihoods.counts import NegativeBinomial
from tfvae.likelihoods.real import LogNormal, StudentT
from tfvae.tables import Column, Schema

__all__ = ["table"]

FLOOR = 0.05  # of a column's learned scale, in deviations of the column


def table(
    event_shape: int | Sequence[int],
    schema: Schema,
    number: Conditional | None = None,
    positive: Conditional | None = None,
    count: Conditional | None = None,
    date: Conditional | None = None,
    missing: bool = False,
    columns: dict[str, Conditional] | None = None,
) -> Columns:
    """Make the likelihood of a table's rows, as its schema encodes them, by the kinds of its columns or by their names.

    Columns of one kind are one block of `Columns`. What is given for a kind is the likelihood of one column of it,
    events `[1]`; each column has scales of its own where they are learned of shape `[1]`, and all share them where it
    is `[]`.

    Args:
        event_shape: how many columns are encoded, D.
        schema: of the table.
        number: for numbers; `StudentT` unless given, its scale and degrees of freedom learned per column.
        positive: for positive numbers; `LogNormal` unless given, its scale learned per column.
        count: for counts; `NegativeBinomial` unless given, its dispersion learned per column.
        date: for dates; as for numbers unless given.
        missing: whether to model which cells are missing too, as for `Columns`.
        columns: for single columns, by their names, in place of what their kinds have; not for those of categories.

    Raises:
        ValueError: when the schema has another number of columns, or `columns` names one that is not there, or one of
            categories.
    """
    encoded, named = schema.encoded, columns or {}
    size = event_shape if isinstance(event_shape, int) else next(iter(event_shape))
    if size != len(encoded):
        raise ValueError(f"the table has {len(encoded)} columns that are encoded, but events have {size} elements")
    _check_names(named, encoded)
    learned: dict[str, Any] = {"scale_shape": [1], "floor": FLOOR, "standardize": True}
    number = number or StudentT(1, df_shape=[1], **learned)
    kinds = {
        "number": number,
        "positive": positive or LogNormal(1, **learned),
        "count": count or NegativeBinomial(1, total_count_shape=[1]),
        "date": date or number,
    }
    groups: dict[str, list[int]] = {}
    for place, column in enumerate(encoded):
        own = f"column {column.name}" if column.name in named else _name_block(column)
        groups.setdefault(own, []).append(place)
    kinds |= {f"column {name}": likelihood for name, likelihood in named.items()}
    blocks = {name: _make_block(name, encoded[places[0]], len(places), kinds) for name, places in groups.items()}
    return Columns(blocks, [place for places in groups.values() for place in places], missing)


def _check_names(named: Mapping[str, Conditional], encoded: Sequence[Column]) -> None:
    """Refuse names of columns that are not there, and of columns of categories, whose likelihood follows from these."""
    there = {column.name: column for column in encoded}
    for name in named:
        if name not in there:
            raise ValueError(f"columns: there is no column {name!r}, only {', '.join(map(repr, there))}")
        if there[name].categories:
            raise ValueError(f"columns: {name!r} is of the kind {there[name].kind}, whose likelihood is not by choice")


def _name_block(column: Column) -> str:
    return f"{column.kind} of {_classes(column)}" if column.categories else column.kind


def _classes(column: Column) -> int:
    return max(2, len(column.categories))  # a column of one category is none the less a column


def _make_block(name: str, column: Column, size: int, kinds: dict[str, Conditional]) -> Conditional:
    """Make the likelihood of the columns of a block, which are like this one."""
    if column.kind == "ordinal":
        return Ordinal(size, _classes(column))
    return (
        Categorical(size, _classes(column))
        if column.categories
        else _resize(kinds.get(name) or kinds[column.kind], size)
    )


def _resize(likelihood: Conditional, size: int) -> Conditional:
    """Make the likelihood of `size` columns from that of one: weights of one column become those of each."""
    config = {key: value for key, value in likelihood.get_config().items() if key != "name"}
    per_column = {k: [size] for k, shape in config.items() if k.endswith("_shape") and list(shape or []) == [1]}
    return likelihood.from_config(config | per_column | {"event_shape": [size]})
