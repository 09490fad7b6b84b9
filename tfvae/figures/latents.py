"""The latent space: what single units do, where examples lie, what is decoded where."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import distributions, random
from tfvae.compatibility import NotApplicable
from tfvae.evaluation.units import ACTIVE, Units
from tfvae.extras import require_extra
from tfvae.figures.style import COLOURS, GREY, MARKERS, event_of_images, new, sheet
from tfvae.model import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["latent_space", "manifold", "traversals", "unit_costs"]

DRAWS = 10_000  # of a prior whose quantiles have no closed form
ROWS = 12  # most units of a figure of traversals


def traversals(vae: VAE, example: Any, units: Units, steps: int = 9) -> "Figure":
    """Draw what single units do: each row changes one unit of an example's latent, the middle column is the example.

    The units stand in the order of their KL. The steps are standard deviations of the prior, -3 to 3, around the
    example's own value (of a `Deterministic` posterior, whose latents follow no prior, of the latents of the data). On
    a sphere the changed point is brought back to it. Of several stochastic layers it is the one that the decoder sees.

    Args:
        vae: the model.
        example: data as loaded, `[1, ...]` (of a conditional VAE, a pair).
        units: `Units` of some data.
        steps: columns, odd.
    """
    event_of_images(vae)
    seen = vae.prior.decoder_shape[-1]
    chosen = [int(j) for j in units.order if j < seen][:ROWS]
    condition = vae.split(example)[1]
    scale, whose = _unit_scale(vae, units, condition)
    offsets = np.linspace(-3, 3, steps)
    center = keras.ops.convert_to_numpy(vae.posterior.center(vae.encode(example)))[0]  # [n]
    z = np.tile(center, (len(chosen), steps, 1))
    for row, j in enumerate(chosen):
        z[row, :, j] += offsets * scale[j]
    images = vae.decode(vae.prior.nearest(tf.constant(z, tf.float32)), condition).mean().numpy()
    names = [f"{j}" if units.kl is None else f"{j} ({units.kl[j]:.1f} nats)" for j in chosen]
    title = "Traversals: one latent unit changed, the others left as they are"
    ylabel = "unit, by variance of its center" if units.kl is None else "unit (KL), by KL"
    columns = [f"{offset:+.3g}" if offset else "0" for offset in offsets]
    return sheet(images, title, f"change, in standard deviations of {whose}", ylabel, columns, names, width=7.0)


def _unit_scale(vae, units, condition):
    """Give the standard deviation of each unit `[n]`, and say of what it is."""
    if not vae.posterior.has_density:
        return units.centers.std(axis=0), "the data's latents"
    return _prior_draws(vae, condition).std(axis=0), "the prior"


def _prior_draws(vae, condition):
    """Draw z from the prior, `[DRAWS, n]`, given one condition `[1, k]` where there are any."""
    prior = vae.prior.distribution(condition, vae.infer)
    drawn = prior.sample(DRAWS, seed=random.seed(0, random.Stream.SAMPLING))
    return drawn.numpy().reshape(-1, vae.prior.event_shape[0])


def manifold(vae: VAE, units: Units, condition: tf.Tensor | None = None, steps: int = 15) -> "Figure":
    """Draw what is decoded where, for a latent size of 2: E[p(x|z)] at a grid of the prior's quantiles.

    Kingma and Welling 2013, arXiv:1312.6114, figure 4. Of a `Deterministic` posterior, quantiles of the data's latents;
    on a circle, points all around it.

    Args:
        vae: the model.
        units: `Units` of some data.
        condition: of a conditional VAE, one, `[1, k]`.
        steps: rows and columns.
    """
    event_of_images(vae)
    if vae.prior.event_shape != (2,) or vae.prior.decoder_shape != (2,):
        raise NotApplicable(f"the latent size is {vae.prior.event_shape[0]}, and a plane shows 2")
    if not vae.prior.flat:
        return _circle(vae, condition)
    levels = np.linspace(0.025, 0.975, steps)
    first, second = _quantiles(vae, units, condition, levels).T  # [steps] each
    z = np.stack(np.meshgrid(first, second[::-1]), axis=-1)  # [steps, steps, 2], the second rises upwards
    images = vae.decode(tf.constant(z, tf.float32), condition).mean().numpy()
    whose = "the data's latents" if not vae.posterior.has_density else "the prior"
    title = f"The latent plane: E[p(x|z)] at quantiles of {whose}" + _note_condition(condition)
    columns, rows = ([f"{value:.1f}" for value in values] for values in (first, second[::-1]))
    return sheet(images, title, "first latent unit", "second latent unit", columns, rows, width=7.5)


def _quantiles(vae, units, condition, levels):
    """Give quantiles of both units, `[len(levels), 2]`."""
    if not vae.posterior.has_density:
        return np.quantile(units.centers, levels, axis=0)
    prior = vae.prior.distribution(condition, vae.infer)
    prior_units = distributions.units_of(prior)
    if prior_units is not None:
        return prior_units.quantile(tf.constant(levels, tf.float32)[:, None]).numpy().reshape(-1, 2)
    return np.quantile(_prior_draws(vae, condition), levels, axis=0)


def _circle(vae, condition, rows=4, columns=9):
    angles = np.arange(rows * columns) * 2 * np.pi / (rows * columns)
    z = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(rows, columns, 2)
    images = vae.decode(tf.constant(z, tf.float32), condition).mean().numpy()
    title = "The latent circle: E[p(x|z)] all around it" + _note_condition(condition)
    names = [f"{360 * row / rows:.0f}°" for row in range(rows)]
    return sheet(images, title, f"steps of {360 / (rows * columns):.0f} degrees", "angle", rows=names)


def _note_condition(condition):
    return "" if condition is None else "\n(given the condition of the first example)"


def latent_space(units: Units, labels: np.ndarray, names: Any = None, what: str = "class") -> "Figure":
    """Draw where examples of each class lie: the centers of q(z|x), of more than 2 units their principal components.

    Args:
        units: `Units` of the examples.
        labels: their classes, integers `[N]`; fewer than 25 of them.
        names: of the classes, by their integers; the integers unless given.
        what: they are classes of.
    """
    named = {k: str(k) if names is None else names[k] for k in np.unique(labels)}
    classes = np.unique(labels)
    if len(classes) > len(COLOURS) * len(MARKERS):
        raise NotApplicable(f"there are {len(classes)} classes, more than can be told apart by colours and marks")
    points, title, xlabel, ylabel = _project_to_plane(units.centers, labels, what)
    figure = new(8, 6.2)
    axes = figure.add_subplot()
    for k, label in enumerate(classes):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k // len(COLOURS)]
        first, second = points[labels == label].T
        axes.scatter(first, second, s=14, c=colour, marker=marker, alpha=0.65, linewidths=0, label=named[label])
    for label in classes if units.centers.shape[1] > 1 else ():
        x, y = np.median(points[labels == label], axis=0)
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
        axes.text(x, y, named[label], fontsize=12, weight="bold", ha="center", va="center", bbox=box)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(xlabel, fontsize=10)
    axes.set_ylabel(ylabel, fontsize=10)
    axes.tick_params(labelsize=9)
    figure.legend(title=what, loc="outside right upper", fontsize=10, markerscale=1.6, frameon=False)
    return figure


def _project_to_plane(centers, labels, what):
    """Project centers `[N, n]` to points `[N, 2]` of a plane; give its title, and what its axes are."""
    title = f"The latent space: centers of q(z|x), coloured by {what}"
    if centers.shape[1] == 1:  # beside each other, a little scattered, so that all are seen
        shift = np.random.default_rng(0).uniform(-0.3, 0.3, len(centers))
        return np.stack([centers[:, 0], labels + shift], axis=1), title, "the latent unit", what
    if centers.shape[1] == 2:
        return centers, title, "first latent unit", "second latent unit"
    with require_extra("plot"):
        from sklearn.decomposition import PCA

    pca = PCA(2, random_state=0).fit(centers)
    first, second = pca.explained_variance_ratio_
    title += f",\nprincipal components of {centers.shape[1]} units"
    names = [
        f"{which} component ({share:.0%} of the variance)" for which, share in (("first", first), ("second", second))
    ]
    return pca.transform(centers), title, *names


def unit_costs(units: Units) -> "Figure":
    """Draw the KL of each unit, sorted, and the variance by which it is called active or not, with the threshold.

    Where units have no separate KLs (of flows, on a sphere, of several layers), the variance alone.

    Args:
        units: `Units` of some data.
    """
    order, active = units.order, units.active
    n, count = len(order), 1 if units.kl is None else 2
    figure = new(8, 1.2 + 2.6 * count, f"Latent units: {active.sum()} of {n} are active")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    colours = [COLOURS[0] if active[j] else GREY for j in order]
    if units.kl is not None:
        panels[0].bar(range(n), units.kl[order], color=colours)
        panels[0].set_ylabel("KL(q(z_j|x) || p(z_j)), nats", fontsize=10)
        panels[0].set_title(
            f"{units.kl.sum():.1f} nats together, a mean over {len(units.centers)} examples", fontsize=10
        )
    panels[-1].bar(range(n), np.maximum(units.variance[order], 1e-6), color=colours)
    panels[-1].set_yscale("log")
    panels[-1].axhline(ACTIVE, color=COLOURS[1], linestyle="--")
    panels[-1].set_ylabel("variance of its center", fontsize=10)
    panels[-1].set_title("over the examples; above the line a unit is active", fontsize=10)
    panels[-1].set_xlabel("unit j, by KL" if count == 2 else "unit j, by variance", fontsize=10)
    every = -(-n // 30)
    panels[-1].set_xticks(range(0, n, every), [str(j) for j in order[::every]], fontsize=8)
    _legend(figure, active)
    return figure


def _legend(figure, active):
    with require_extra("plot"):
        from matplotlib.artist import Artist
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

    handles: list[Artist] = [Patch(color=COLOURS[0], label="active")] if active.any() else []
    handles += [Patch(color=GREY, label="not active")] if not active.all() else []
    handles.append(Line2D([], [], color=COLOURS[1], linestyle="--", label=f"threshold {ACTIVE:g}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=10, frameon=False)
