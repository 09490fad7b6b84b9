"""What a search found, drawn: figures, and TensorBoard's HParams."""

import math
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfvae import files
from tfvae.extras import require_extra
from tfvae.tuning.results import Row, parameters, short

with require_extra("plot"):
    import matplotlib.pyplot as plt
    from matplotlib import ticker
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "write_hparams"]

COLOURS = "cividis"  # which the colour-blind can read


def write_hparams(rows: Sequence[Row], objective: str, folder: pathlib.Path) -> None:
    """Write a TensorBoard folder in which the page HParams shows the trials."""
    from tensorboard.plugins.hparams import api

    with files.beside(folder) as partial:
        partial.mkdir()
        for row in (row for row in rows if row["score"] is not None):
            writer = tf.summary.create_file_writer(str(partial / row["trial"]))
            with writer.as_default():
                api.hparams({name: row[name] for name in parameters([row])}, trial_id=row["trial"])
                tf.summary.scalar(objective, row["score"], step=row["epochs"] or 0)
            writer.close()


def draw(rows: Sequence[Row], objective: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """Draw trials.png, parameters.png and parallel.png, of completed trials; return their paths."""
    done = [row for row in rows if row["score"] is not None]
    folder.mkdir(exist_ok=True)
    drawn = {"trials": _over_trials, "parameters": _against_parameters, "parallel": _parallel}
    for name, function in drawn.items():
        figure = function(done, objective)
        with files.beside(folder / f"{name}.png") as partial:
            figure.savefig(partial, dpi=120)
        plt.close(figure)
    return [folder / f"{name}.png" for name in drawn]


def _over_trials(rows: Sequence[Row], objective: str) -> Figure:
    scores = [row["score"] for row in rows]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(range(1, len(rows) + 1), scores, "o", color="#0072b2", label="a trial")
    axes.step(
        range(1, len(rows) + 1), np.maximum.accumulate(scores), where="post", color="#d55e00", label="best so far"
    )
    axes.set(title="The objective, trial by trial", xlabel="completed trial", ylabel=f"{objective}, nats per example")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.legend()
    _show_the_best(axes, scores)
    return figure


def _show_the_best(axes: Axes, scores: Sequence[float]) -> None:
    """Leave out what lies far below the rest, where trials differ much: the best tell most."""
    low, middle, high = np.percentile(scores, [0, 50, 100])
    if high - middle < (high - low) / 4:
        axes.set_ylim(high - 4 * (high - middle) - 0.01, high + 0.2 * (high - middle) + 0.01)


def _positions(rows: Sequence[Row], name: str) -> tuple[list[float], list[str] | None]:
    """Return where the values of a parameter lie on an axis, nan for rows without it; words, where it has them."""
    values = [row.get(name) for row in rows]
    given = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given):
        return [math.nan if value is None else float(value) for value in values], None
    words = sorted({str(value) for value in given})
    return [math.nan if value is None else float(words.index(str(value))) for value in values], words


def _logarithmic(numbers: Sequence[float]) -> bool:
    """Return whether an axis of these numbers is better logarithmic."""
    finite = [number for number in numbers if not math.isnan(number)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) >= 20


def _against_parameters(rows: Sequence[Row], objective: str) -> Figure:
    names = parameters(rows)
    across = min(3, len(names))
    down = -(-len(names) // across)
    figure, grid = plt.subplots(
        down, across, figsize=(4 * across, 3.2 * down), sharey=True, squeeze=False, layout="constrained"
    )
    scores = [row["score"] for row in rows]
    for axes, name in zip(grid.flat, names, strict=False):
        numbers, words = _positions(rows, name)
        axes.plot(numbers, scores, "o", color="#0072b2")
        axes.set_xlabel(name)
        if words:
            axes.set_xticks(range(len(words)), [word[:24] for word in words])
        elif _logarithmic(numbers):
            axes.set_xscale("log")
        elif all(isinstance(row.get(name, 0), int) for row in rows):
            axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    _show_the_best(grid[0, 0], scores)
    figure.suptitle("The objective against each parameter")
    figure.supylabel(f"{objective}, nats per example")
    return figure


def _parallel(rows: Sequence[Row], objective: str) -> Figure:
    """Draw a line for each trial, from axis to axis; the brighter, the better."""
    names = [*parameters(rows), "score"]
    figure, axes = plt.subplots(figsize=(1.8 * len(names) + 2, 4.5), layout="constrained")
    heights, scores = [], np.array([row["score"] for row in rows])
    for index, name in enumerate(names):
        numbers, words = _positions(rows, name)
        places = np.log(numbers) if not words and _logarithmic(numbers) else np.array(numbers)
        low, high = np.nanmin(places), np.nanmax(places)
        heights.append((places - low) / (high - low) if high > low else np.where(np.isnan(places), np.nan, 0.5))
        axes.axvline(index, color="#999999", linewidth=0.8)
        given = [row[name] for row in rows if row.get(name) is not None]
        said = "{:.2f}".format if name == "score" else short
        ends = (words[0], words[-1]) if words else (said(min(given)), said(max(given)))
        axes.text(index, -0.04, ends[0][:16], ha="center", va="top", fontsize=8)
        axes.text(index, 1.04, ends[1][:16], ha="center", va="bottom", fontsize=8)
    ranks = np.argsort(np.argsort(scores)) / max(1, len(rows) - 1)
    for place in np.argsort(scores):
        points = [(index, height[place]) for index, height in enumerate(heights) if not math.isnan(height[place])]
        axes.plot(*zip(*points, strict=True), color=plt.get_cmap(COLOURS)(ranks[place]), linewidth=1.2)
    axes.set_xticks(range(len(names)), [*names[:-1], f"{objective}, nats"], rotation=20, ha="right", fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.12, 1.12)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title("Trials: the brighter a line, the better")
    return figure
