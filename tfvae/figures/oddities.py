"""What is odd about rows: how their scores lie about a threshold, and which columns make the oddest ones so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.compatibility import NotApplicable
from tfvae.extras import require_extra
from tfvae.figures.style import COLOURS, GREY, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["odd_columns", "score_histogram"]

BINS = 50
ROWS, COLUMNS = 25, 24  # most rows, and columns, of a heat map
FAR = 5  # distances between median and the 95th of a hundred, beyond which scores are gathered in the last bar
LONGEST = 18  # characters of a name


def score_histogram(scores: np.ndarray, threshold: float, labels: np.ndarray | None = None) -> "Figure":
    """Draw how many rows have which score, and the threshold above which they are called odd.

    Bars are as high as the logarithm of counts, as odd rows are few.

    Args:
        scores: of rows, `[N]`, nats, the larger the odder. Those that are not finite are left out, and counted in the
            title.
        threshold: of the scores.
        labels: whether rows are known to be odd, bool or 0 and 1, `[N]`; then these have bars of their own.

    Raises:
        NotApplicable: when no score is finite.
        ValueError: when there are other numbers of labels than scores.
    """
    scores = np.asarray(scores, np.float64)
    known = None if labels is None else np.asarray(labels, bool)
    shapes = [scores.shape] if known is None else [scores.shape, known.shape]
    if scores.ndim != 1 or len(set(shapes)) > 1:
        raise ValueError(f"scores must be [N], and labels too; they are {' and '.join(map(str, shapes))}")
    finite = np.isfinite(scores)
    if not finite.any():
        raise NotApplicable("no score is finite")
    above = int((scores > threshold).sum())
    title = f"Scores of {len(scores)} rows: {above} ({above / len(scores):.1%}) are above the threshold {threshold:.4g}"
    if not finite.all():
        title += f"\n{int((~finite).sum())} are not finite, and left out"
    edges, last = _edges(scores[finite], threshold)
    figure = new(8, 4.5, title)
    axes = figure.add_subplot()
    groups = [("rows", finite, COLOURS[0])]
    if known is not None:
        groups = [("known to be usual", finite & ~known, COLOURS[0]), ("known to be odd", finite & known, COLOURS[1])]
    for label, of, colour in groups:
        axes.hist(
            np.minimum(scores[of], edges[-1]),
            edges.tolist(),
            color=colour,
            alpha=0.6,
            label=f"{label}: {int(of.sum())}",
        )
    axes.axvline(threshold, color=COLOURS[6], linestyle="--", label="threshold")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    beyond = "; the last bar has all that is beyond" if last else ""
    axes.set_xlabel(f"score, nats, the larger the odder{beyond}", fontsize=10)
    axes.set_ylabel("rows", fontsize=10)
    axes.legend(fontsize=9, frameon=False)
    return figure


def _edges(scores: np.ndarray, threshold: float) -> tuple[np.ndarray, bool]:
    """Give edges of bars, and whether some scores lie beyond."""
    middle, high = np.quantile(scores, (0.5, 0.95))
    end = max(middle + FAR * (high - middle), 1.2 * threshold - 0.2 * middle, high)
    low, beyond = min(scores.min(), threshold), bool(scores.max() > end)
    end = end if beyond else max(scores.max(), threshold)
    return (np.linspace(low, end, BINS + 1) if end > low else np.array([low - 0.5, low + 0.5])), beyond


def odd_columns(columns_terms: np.ndarray, names: Sequence[str], rows: Sequence[Any] | None = None) -> "Figure":
    """Draw what each column adds to the scores of the oddest rows, the oddest first.

    Args:
        columns_terms: terms `[N, D]`, the larger the odder, whose sum over the columns is a row's score; NaN where a
            cell is missing.
        names: of the columns, D.
        rows: names of the rows, N; their numbers unless given.

    Raises:
        NotApplicable: when there are no rows.
        ValueError: when there are other numbers of names.
    """
    terms = np.asarray(columns_terms, np.float64)
    rows = list(range(len(terms))) if rows is None else list(rows)
    if terms.ndim != 2 or terms.shape != (len(rows), len(names)):
        raise ValueError(f"terms must be [N, D]; they are {terms.shape}, of {len(rows)} rows and {len(names)} columns")
    if not terms.size:
        raise NotApplicable("there are no rows")
    order = np.argsort(-np.nansum(terms, axis=1), kind="stable")[:ROWS]
    shown = terms[order]
    places = list(range(len(names)))
    if len(names) > COLUMNS:
        places = sorted(np.argsort(-np.nan_to_num(shown, nan=0.0).max(axis=0), kind="stable")[:COLUMNS].tolist())
    shown = np.ma.masked_invalid(shown[:, places])
    title = f"What makes rows odd: the {len(order)} oddest of {len(terms)}"
    if len(places) < len(names):
        title += f", and the {len(places)} of {len(names)} columns that add most"
    with require_extra("plot"):
        from matplotlib import colormaps

    figure = new(2.8 + 0.34 * max(len(places), 10), 2.0 + 0.24 * len(order), title)
    axes = figure.add_subplot()
    most = max(float(np.abs(shown).max()) if shown.count() else 0.0, 1e-9)
    below = bool((shown < 0).any())
    colours = colormaps["RdBu_r" if below else "Reds"].with_extremes(bad=GREY)
    image = axes.imshow(shown, cmap=colours, vmin=-most if below else 0, vmax=most, aspect="auto", interpolation="none")
    axes.set_xticks(range(len(places)), [_shorten(names[place]) for place in places], rotation=90, fontsize=8)
    axes.set_yticks(range(len(order)), [_shorten(rows[row]) for row in order], fontsize=8)
    axes.set_xlabel("column; grey where its cell is missing" if np.isnan(terms).any() else "column", fontsize=9)
    axes.set_ylabel("row", fontsize=9)
    figure.colorbar(image, ax=axes).set_label("adds to the score", fontsize=9)
    return figure


def _shorten(name: Any) -> str:
    text = " ".join(str(name).split()).replace("$", r"\$")  # which would begin a formula
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
