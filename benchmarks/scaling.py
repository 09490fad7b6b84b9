"""How the time of tfvae's epoch grows: which points are measured, and their figure."""

import os
from collections.abc import Iterator
from typing import Any

__all__ = ["draw", "points"]

# the setting's name: its title, and its values, whose third is everyone else's
AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "count": ("images", (1 / 8, 1 / 4, 1 / 2, 1)),  # as parts of all
    "batch_size": ("images in a batch", (25, 50, 100, 200, 400)),
    "samples": ("latent samples of an image", (1, 2, 5, 10, 20)),
    "width": ("width of the layers", (100, 200, 400, 800)),
}


def points(settings: dict[str, Any]) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Give (row, axis, value, settings) of each point: one setting varies, the others stay; a quarter of the images."""
    for axis, (title, values) in AXES.items():
        for value in (int(value * settings["count"] if axis == "count" else value) for value in values):
            base = settings | {"count": settings["count"] // 4}
            yield f"{title}: {value:,}", axis, value, base | {axis: value}


def draw(rows: dict[str, dict[str, Any]], settings: dict[str, Any], path: str | os.PathLike) -> None:
    """Draw the medians of `rows`, row -> figures, into a PNG file: four plots, seconds over each axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    for axes, (axis, (title, _)) in zip(figure.subplots(2, 2).flat, AXES.items(), strict=True):
        found = [
            (value, rows[row]["figures"]["seconds of an epoch"])
            for row, its_axis, value, _ in points(settings)
            if its_axis == axis and rows[row]["figures"]
        ]
        axes.plot(*zip(*found, strict=True), marker="o") if found else None
        axes.set(xlabel=title, ylabel="seconds of an epoch", ylim=(0, None), xlim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
