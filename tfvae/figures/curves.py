"""Curves: what a run logged in each epoch, and what rate buys what distortion."""

import csv
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.information import RateDistortion
from tfvae.extras import require_extra
from tfvae.figures.style import COLOURS, GREY, new
from tfvae.objectives import Objective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["history", "learning_curves", "rate_distortion"]

PANELS = {  # logged name: its title, its unit
    "loss": ("Loss, which is minimised", "nats per example"),
    "elbo": ("ELBO = reconstruction - KL", "nats per example"),
    "reconstruction": ("Reconstruction E_q[log p(x|z)]", "nats per example"),
    "kl": ("KL(q(z|x) || p(z))", "nats per example"),
    "active_units": ("Active units", "units"),
    "gradient_norm": ("Norm of the gradient, of one batch", "norm (no unit)"),
}


def history(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read history.csv of a run: {name: values `[epochs]`}, not a number where none was logged."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([_number(row[key]) for row in rows]) for key in (rows[0] if rows else ())}


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):  # Keras' logger writes NA
        return np.nan


def learning_curves(
    logged: dict[str, np.ndarray],
    objective: Objective | None = None,
    steps_per_epoch: int | None = None,
    best_epoch: int | None = None,
) -> "Figure":
    """Draw loss, ELBO, reconstruction and KL over the epochs, of training and validation data, each in a panel.

    The KL's has a second axis for its weight beta, where the objective has a warm-up, or for the capacity C. What a
    `Watch` logged has separate panels. The first epochs may be cut off, where they would flatten the rest.

    Args:
        logged: what `history` gives.
        objective: of the VAE.
        steps_per_epoch: steps of the optimizer, for the second axis.
        best_epoch: marked, counted from 1.
    """
    names = [
        name for name in PANELS if any(np.isfinite(logged.get(key, np.nan)).any() for key in (name, f"val_{name}"))
    ]
    if not names:
        raise NotApplicable("no epoch logged a finite number")
    rows = -(-len(names) // 2)
    figure = new(10, 0.8 + 2.9 * rows, "Learning curves")
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, logged, name, best_epoch)
        if name == "kl" and steps_per_epoch:
            _second_axis(axes, objective, steps_per_epoch, len(logged[name]))
    handles, labels = _entries(panels[: len(names)])
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=10, frameon=False)
    return figure


def rate_distortion(curve: RateDistortion) -> "Figure":
    """Draw distortion -E[log p(x|z)] over rate KL(q(z|x) || p(z)), from the prior to the encoder's posterior.

    Args:
        curve: what `evaluation.rate_distortion` gives.
    """
    figure = new(7, 5, "Rate and distortion: what the latents cost, and what is lost without them")
    axes = figure.add_subplot()
    axes.errorbar(curve.rates, curve.distortions, curve.errors, color=COLOURS[0], marker="o", label="this model")
    names = {0.0: "t = 0, the prior", 1.0: "t = 1,\nthe posterior"}
    for t, rate, distortion in zip(curve.temperatures, curve.rates, curve.distortions, strict=True):
        name = names.get(t, f"{t:g}")
        axes.annotate(name, (rate, distortion), xytext=(5, 6), textcoords="offset points", fontsize=9)
    bound, end = curve.rates[-1] + curve.distortions[-1], 1.3 * max(curve.rates.max(), 1e-6)
    label = f"rate + distortion = {bound:.1f}, which is -ELBO"
    axes.plot([0, end], [bound, bound - end], "--", color=GREY, label=label)
    axes.set_xlim(0, end)
    low, high = curve.distortions.min(), curve.distortions.max()
    if low > 0:
        axes.set_ylim(0, 1.1 * high)
    else:  # log-densities may be positive
        axes.set_ylim(low - 0.1 * (high - low + 1e-6), high + 0.1 * (high - low + 1e-6))
    axes.set_xlabel("rate KL(q_t(z|x) || p(z)), nats per example", fontsize=10)
    axes.set_ylabel("distortion -E[log p(x|z)], nats per example", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper right", fontsize=10, frameon=False)
    return figure


def _panel(axes, logged, name, best_epoch):
    with require_extra("plot"):
        from matplotlib.ticker import MaxNLocator

    title, unit = PANELS[name]
    for key, colour, line, label in (
        (name, COLOURS[0], "-", "training"),
        (f"val_{name}", COLOURS[1], "--", "validation"),
    ):
        values = logged.get(key, np.array([]))
        if np.isfinite(values).any():
            axes.plot(
                np.arange(1, len(values) + 1), _finite(values), line, color=colour, label=label, marker=_mark(values)
            )
    if best_epoch:
        axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=":", label="best epoch, which is kept")
    axes.set_title(title, fontsize=11)
    axes.set_ylabel(unit, fontsize=10)
    axes.set_xlabel("epoch", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=9, labelbottom=True)
    axes.grid(alpha=0.25)
    axes.set_xlim(0.5, len(logged[name]) + 0.5)
    if unit == "units":
        axes.set_ylim(0, 1.1 * np.nanmax(logged[name]) + 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        _cut(axes, [logged[key] for key in (name, f"val_{name}") if key in logged])


def _finite(values):
    return np.where(np.isfinite(values), values, np.nan)


def _mark(values):
    return "." if len(values) < 20 else None


def _cut(axes, series):
    """Limit the axis to what follows the first twentieth of the epochs."""
    skipped = len(series[0]) // 20
    rest = np.concatenate([values[skipped:] for values in series])
    rest = rest[np.isfinite(rest)]
    if skipped and len(rest) and rest.max() > rest.min():
        margin = 0.07 * (rest.max() - rest.min())
        axes.set_ylim(rest.min() - margin, rest.max() + margin)


def _second_axis(axes, objective, steps_per_epoch, epochs):
    """Draw the number of the objective that changes with the step, its schedule, if it has one."""
    if objective is None or objective.schedule is None:
        return
    label, function = objective.schedule
    at = np.linspace(0, epochs, 1001)
    values = np.array(function((at * steps_per_epoch).astype(np.int32)))
    other = axes.twinx()
    other.plot(at + 0.5, values, color=COLOURS[2], linestyle="-.", label=label)  # an epoch's mean is that of its middle
    other.set_ylabel(label, fontsize=10, color=COLOURS[2])
    other.tick_params(labelsize=9, labelcolor=COLOURS[2])
    other.set_ylim(0, 1.05 * max(values.max(), 1e-6))


def _entries(panels):
    """Collect handles and labels of all panels, of second axes too, each label once."""
    found: dict[str, Any] = {}
    for axes in panels[0].figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
