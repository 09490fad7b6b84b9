"""How figures look: one palette, one size of type, one way to lay out images."""

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae import files
from tfvae.compatibility import NotApplicable
from tfvae.extras import require_extra
from tfvae.model import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GREY", "MARKERS", "event_of_images", "new", "sheet", "write"]

# Okabe and Ito 2008, "Color universal design": told apart with any colour vision; grey for their yellow, faint on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#9A9A9A")
MARKERS = ("o", "P", "^")  # of classes beyond the number of colours
GREY = "#9A9A9A"
DPI = 120


def new(width: float = 8.0, height: float = 5.0, title: str | None = None) -> "Figure":
    """Make an empty figure of this size in inches."""
    with require_extra("plot"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def write(figure: "Figure", path: str | os.PathLike) -> pathlib.Path:
    """Draw a figure to the file `path`, beside first and then renamed; return the path."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(path) as partial:
        figure.savefig(partial)
    return path


def event_of_images(vae: VAE) -> tuple[int, ...]:
    """Give the shape (height, width, channels) of x; raise NotApplicable where x is no image."""
    shape = tuple(vae.likelihood.event_shape)
    if vae.preprocessor_view.schema is not None:
        raise NotApplicable("x is a row of a table, which is no image")
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotApplicable(f"x has shape {shape}, which is no image [height, width, 1 or 3]")
    return shape


def sheet(
    images: np.ndarray,
    title: str,
    xlabel: str,
    ylabel: str,
    columns: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    width: float = 8.0,
) -> "Figure":
    """Lay out images in rows and columns.

    Args:
        images: `[R, C, height, width, channels]`; all have one scale, black at 0 (or their least value, if that is
            lower), white at 1 (or their greatest, if that is higher), grey where missing.
        title, xlabel, ylabel: what it shows, and what goes on along columns and rows.
        columns, rows: their names, C and R of them.
        width: of the figure, inches.
    """
    tiles, (left, top) = _tile(images)
    lines = 0.75 + 0.2 * (columns is not None) + 0.2 * title.count("\n")  # inches of type above and below
    figure = new(width, lines + (width - (0.3 if rows is None else 1.1)) * tiles.shape[0] / tiles.shape[1])
    axes = figure.add_subplot()
    axes.imshow(tiles if tiles.shape[-1] == 3 else tiles[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="none")
    axes.set_title(title, fontsize=11, loc="left", wrap=True)
    axes.set_xlabel(xlabel, fontsize=10)
    axes.set_ylabel(ylabel, fontsize=10)
    axes.set_xticks(left if columns is not None else [], columns)
    axes.set_yticks(top if rows is not None else [], rows)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    return figure


def _tile(images):
    """Tile images [R, C, H, W, channels]: one image of values 0 to 1, and the middles of its columns and rows."""
    rows, columns, height, width, channels = images.shape
    low, high = min(0.0, np.nanmin(images)), max(1.0, np.nanmax(images))
    images = np.where(np.isnan(images), images.dtype.type((low + high) / 2), images)
    gap = max(1, height // 14)
    tiles = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), high, images.dtype)
    for r in range(rows):
        for c in range(columns):
            top, left = gap + r * (height + gap), gap + c * (width + gap)
            tiles[top : top + height, left : left + width] = images[r, c]
    middles = (
        gap + np.arange(columns) * (width + gap) + width / 2,
        gap + np.arange(rows) * (height + gap) + height / 2,
    )
    return (tiles - low) / (high - low), middles
