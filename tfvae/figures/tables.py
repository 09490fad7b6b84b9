"""Tables: columns of data, of draws and of reconstructions, each in its own units and names.

Rows are x as a schema encodes them, `[N, D]`, NaN where a cell is missing.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfvae.compatibility import NotApplicable
from tfvae.evaluation import associations as associate
from tfvae.evaluation import column_deviations, column_quality, marginal_distances
from tfvae.extras import require_extra
from tfvae.figures.style import COLOURS, GREY, new
from tfvae.tables import Column, Schema
from tfvae.tables.column import DAY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["associations", "column_reconstructions", "marginals"]

PANELS, ACROSS = 24, 4  # most columns that have a panel each; and in a row of them
CATEGORIES = 12  # that are named, the most frequent; the rest is "other"
ASSOCIATED = 40  # most columns of a matrix
BINS = 30
LONGEST = 18  # characters of a name
NAMED_CELLS = 6  # classes of a matrix whose cells have numbers


def marginals(schema: Schema, x: np.ndarray, drawn: np.ndarray) -> "Figure":
    """Draw the distribution of each column, of data and of draws: histograms of numbers and dates, bars of categories.

    Gaps are left out. Above each panel is how far the two are apart (`evaluation.marginal_distances`).

    Args:
        schema: of the table.
        x: rows of the data, `[N, D]`.
        drawn: rows drawn from the model, `[M, D]`, as `evaluation.draw_rows` gives them.
    """
    distances = marginal_distances(schema, x, drawn)
    places, note = _choose(distances, "differ most")
    figure, panels = _grid(len(places), f"Marginals: data, and draws from the model{note}")
    for axes, place in zip(panels, places, strict=True):
        column = schema.encoded[place]
        pair = [_there(rows[:, place]) for rows in (x, drawn)]
        if not len(pair[0]) or not len(pair[1]):
            axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes)
        elif column.categories:
            _bars(axes, column, *pair)
        else:
            _histograms(axes, column, *pair)
        measure = "total variation" if column.categories else "Kolmogorov-Smirnov"
        axes.set_title(f"{measure} {distances[place]:.2f}" if np.isfinite(distances[place]) else "", fontsize=8)
        _label(axes, "" if column.categories else column.name, column.name if column.categories else "share")
    _legend(figure, [(COLOURS[0], f"data, {len(x)} rows"), (COLOURS[1], f"draws, {len(drawn)} rows")])
    return figure


def column_reconstructions(schema: Schema, x: np.ndarray, reconstructed: np.ndarray) -> "Figure":
    """Draw each column's reconstructed values over the true ones; of categories, as what each is reconstructed.

    Of categories, numbers are rows, and shades shares of a true category.

    Args:
        schema: of the table.
        x: rows, `[N, D]`.
        reconstructed: what stands for them, `[N, D]`, as `evaluation.reconstruct_rows` gives it.
    """
    quality = column_quality(schema, x, reconstructed, column_deviations(schema, x)).values
    coded = np.array([bool(column.categories) for column in schema.encoded])
    places, note = _choose(np.where(coded, 1 - quality, quality), "are reconstructed worst")
    figure, panels = _grid(len(places), f"Reconstructed over true values{note}", height=2.4)
    for axes, place in zip(panels, places, strict=True):
        column = schema.encoded[place]
        there = ~(np.isnan(x[:, place]) | np.isnan(reconstructed[:, place]))
        pair = x[there, place].astype(np.float64), reconstructed[there, place].astype(np.float64)
        if column.categories and there.any():
            _confusions(axes, column, *pair)
        elif there.any():
            _scatter(axes, column, *pair)
        _label(axes, column.name, "reconstructed")
        score = f"accuracy {quality[place]:.2f}" if coded[place] else f"RMSE {quality[place]:.2f} deviations"
        axes.set_title(score if there.any() else "no values", fontsize=8)
    return figure


def associations(schema: Schema, x: np.ndarray, drawn: np.ndarray) -> "Figure":
    """Draw how strongly each two columns are associated (`evaluation.associations`), in data and in draws.

    Args:
        schema: of the table.
        x: rows of the data, `[N, D]`.
        drawn: rows drawn from the model, `[M, D]`; best as many, as chance makes some association of few.
    """
    names = [_shorten(name) for name in schema.names[:ASSOCIATED]]
    if len(names) < 2:
        raise NotApplicable("the table has one column, and associations are of two")
    pair = [associate(schema, rows, ASSOCIATED) for rows in (x, drawn)]
    left_out = len(schema.names) - len(names)
    note = f", the first {len(names)} of {len(schema.names)} columns" if left_out else ""
    size = 2.2 + 0.22 * len(names)
    figure = new(2 * size + 2.6, size + 2.0, f"Associations of pairs of columns{note}")
    panels = figure.subplots(1, 2, sharey=True)
    between = np.triu(np.isfinite(pair[0]) & np.isfinite(pair[1]), k=1)
    error = f": {np.abs(pair[0] - pair[1])[between].mean():.3f} apart on average" if between.any() else ""
    with require_extra("plot"):
        from matplotlib import colormaps

    colours = colormaps["viridis"].with_extremes(bad=GREY)
    for axes, values, title in zip(panels, pair, (f"data, {len(x)} rows", f"draws{error}"), strict=True):
        image = axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=0, vmax=1, interpolation="none")
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
    bar = figure.colorbar(image, ax=panels, shrink=0.8)
    grey = "" if np.isfinite(pair).all() else "\ngrey: a column without spread"
    bar.set_label(f"|correlation|, Cramer's V, or correlation ratio{grey}", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def _choose(badness: np.ndarray, what: str) -> tuple[list[int], str]:
    """Choose which columns have a panel, those of the largest numbers `[D]`, and say so."""
    if len(badness) <= PANELS:
        return list(range(len(badness))), ""
    order = np.argsort(-np.nan_to_num(badness, nan=-1.0), kind="stable")[:PANELS]
    return sorted(order.tolist()), f": the {PANELS} of {len(badness)} columns that {what}"


def _grid(count: int, title: str, height: float = 1.9):
    """Make a figure of so many panels."""
    across = min(ACROSS, count)
    down = -(-count // across)
    figure = new(max(6.0, 3.0 * across), 0.9 + height * down, title)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _label(axes, xlabel, ylabel):
    axes.set_xlabel(_shorten(xlabel, 2 * LONGEST), fontsize=9)
    axes.set_ylabel(_shorten(ylabel, 2 * LONGEST), fontsize=9)
    axes.tick_params(labelsize=7)


def _legend(figure, entries):
    with require_extra("plot"):
        from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=label, alpha=0.6) for colour, label in entries]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=False)


def _shorten(name: str, longest: int = LONGEST) -> str:
    name = " ".join(str(name).split()).replace("$", r"\$")  # which would begin a formula
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _there(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)].astype(np.float64)


def _units(column: Column, values: np.ndarray) -> np.ndarray:
    """Give encoded numbers in the column's units; dates in days since 1970, as matplotlib counts them."""
    found = values + column.origin
    return found * (column.unit / DAY) if column.kind == "date" else found


def _scale(axes, which, column):
    """Have the axis "x" or "y" show a column's units."""
    if column.kind == "positive":
        axes.set(**{f"{which}scale": "log"})
    elif column.kind == "date":
        with require_extra("plot"):
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        axis, locator = getattr(axes, f"{which}axis"), AutoDateLocator(minticks=2, maxticks=5)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))
    elif column.decimals == 0:
        with require_extra("plot"):
            from matplotlib.ticker import MaxNLocator

        getattr(axes, f"{which}axis").set_major_locator(MaxNLocator(5, integer=True))


def _histograms(axes, column, *encoded):
    values = [_units(column, of) for of in encoded]
    low, high = min(of.min() for of in values), max(of.max() for of in values)
    bins = int(np.clip(2 * math.sqrt(len(values[0])), 8, BINS))
    if low == high:
        edges = np.array([low - 0.5, low + 0.5])
    elif column.kind == "positive":
        edges = np.geomspace(low, high, bins + 1)
    elif column.decimals == 0 and column.kind != "date" and high - low <= 2 * bins:
        edges = np.arange(np.floor(low) - 0.5, high + 1)
    else:
        edges = np.linspace(low, high, bins + 1)
    edges[-1] = max(edges[-1], high)  # as powers are rounded
    for of, colour in zip(values, COLOURS, strict=False):
        axes.hist(of, edges, weights=np.full(len(of), 1 / len(of)), color=colour, alpha=0.5)
    _scale(axes, "x", column)


class _Classes(NamedTuple):
    """The categories that are shown: their names, and for each code its place among them."""

    names: list[str]
    places: np.ndarray

    def of(self, codes: np.ndarray) -> np.ndarray:
        return self.places[codes.astype(np.int64)]


def _classes(column: Column, codes: np.ndarray) -> _Classes:
    """Choose the categories that are most frequent among codes; all, in the column's order, where they are few."""
    count = len(column.categories)
    order = np.arange(count)
    if count > CATEGORIES:
        order = np.argsort(-np.bincount(codes.astype(np.int64), minlength=count), kind="stable")[:CATEGORIES]
    places = np.full(count, len(order))
    places[order] = np.arange(len(order))
    other = [f"other ({count - len(order)})"] if count > len(order) else []
    return _Classes([_shorten(str(column.categories[code])) for code in order] + other, places)


def _bars(axes, column, *values):
    classes = _classes(column, values[0])
    at = np.arange(len(classes.names))
    for shift, of, colour in zip((-0.2, 0.2), values, COLOURS, strict=False):
        shares = np.bincount(classes.of(of), minlength=len(at)) / len(of)
        axes.barh(at + shift, shares, 0.4, color=colour, alpha=0.6)
    axes.set_yticks(at, classes.names)
    axes.invert_yaxis()


def _confusions(axes, column, true, found):
    classes = _classes(column, true)
    size = len(classes.names)
    joint = np.bincount(classes.of(found) * size + classes.of(true), minlength=size**2).reshape(size, size)
    share = joint / np.maximum(joint.sum(axis=0), 1)  # of a true category, whose rows are a column
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="none", aspect="auto", origin="lower")
    if size <= NAMED_CELLS:
        for up, right in np.ndindex(size, size):
            colour = "white" if share[up, right] > 0.5 else "black"
            axes.text(right, up, joint[up, right], ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(size), classes.names, rotation=90 if size > 3 else 0)
    axes.set_yticks(range(size), classes.names)


def _scatter(axes, column, true, found):
    true, found = _units(column, true), _units(column, found)
    axes.scatter(true, found, s=6, c=COLOURS[0], alpha=0.5, linewidths=0)
    ends = [min(true.min(), found.min()), max(true.max(), found.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    _scale(axes, "x", column)
    _scale(axes, "y", column)
