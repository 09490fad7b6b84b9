"""Images that a VAE makes: of examples, of draws from the prior, of what lies between two examples."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.figures.style import event_of_images, sheet
from tfvae.model import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["interpolations", "progress", "reconstructions", "samples"]


def reconstructions(vae: VAE, data: Any) -> "Figure":
    """Draw each example above its reconstruction E[p(x|z)] at the center of q(z|x).

    Args:
        vae: the model.
        data: as loaded, `[N, ...]` (of a conditional VAE, a pair); some 20 examples make a good picture.
    """
    event_of_images(vae)
    x, mean = _numpy(vae.preprocess(data)), _numpy(vae(data))
    columns = min(10, len(x))
    rows = []
    for start in range(0, len(x) - columns + 1, columns):
        rows += [x[start : start + columns], mean[start : start + columns]]
    return sheet(
        np.stack(rows),
        "Reconstructions: each example x above E[p(x|z)] at the center of q(z|x)",
        "examples",
        "",
        rows=["x", "E[p(x|z)]"] * (len(rows) // 2),
    )


def samples(vae: VAE, rows: int = 8, columns: int = 8, condition: Any = None, seed: Any = None) -> "Figure":
    """Draw means E[p(x|z)] for samples of z from the prior, in a grid.

    Args:
        vae: the model.
        rows, columns: of the grid.
        condition: of a conditional VAE, one for each column, `[columns, k]`.
        seed: int32 `[2]`, or None.
    """
    event_of_images(vae)
    names, along, down = None, f"{rows * columns} draws of z from the prior p(z)", ""
    if condition is not None:
        names, along, down = condition_names(condition), "condition of the column", "draws of z"
        condition = np.tile(condition, (rows, 1))
    drawn = _numpy(vae.sample(rows * columns, condition, seed))
    images = drawn.reshape(rows, columns, *drawn.shape[1:])
    return sheet(images, "Samples: E[p(x|z)] for z drawn from the prior", along, down, names, width=6.5)


def condition_names(condition: np.ndarray) -> list[str]:
    """Name conditions `[N, k]`: one-hot vectors by their class, others by the number of their row."""
    one_hot = condition.shape[-1] > 1 and np.all(np.isin(condition, (0, 1))) and np.all(condition.sum(axis=-1) == 1)
    return [str(i) for i in (condition.argmax(axis=-1) if one_hot else range(1, len(condition) + 1))]


def interpolations(vae: VAE, first: Any, second: Any, steps: int = 11) -> "Figure":
    """Draw decoded points on the way between the latents of two examples.

    There is a row for each pair and each path of the prior (`Prior.paths`): of a standard normal, a line and an arc.

    Args:
        vae: the model.
        first, second: data as loaded, `[N, ...]` each (of a conditional VAE, a pair).
        steps: columns.
    """
    event_of_images(vae)
    names, ways = list(vae.prior.paths), vae.prior.paths.values()
    rows = np.stack([_numpy(_along(way, vae, first, second, steps)) for way in ways], axis=1)  # [N, ways, steps, ...]
    weights = [f"{weight:.1f}" for weight in np.linspace(0, 1, steps)]
    title = "Interpolations in the latent space, from an example (left) to another (right)"
    xlabel = "share of the way between the two latents"
    return sheet(rows.reshape(-1, *rows.shape[2:]), title, xlabel, "", weights, names * len(rows))


def _along(way, vae, first, second, steps):
    """Decode points along a path of the prior, `[B, steps, *event]`."""
    weight = tf.linspace(0.0, 1.0, steps)[:, None]  # [steps, 1]
    start, end = (vae.posterior.center(vae.encode(data))[:, None] for data in (first, second))  # [B, 1, n]
    condition = None
    if vae.condition_size:
        one, other = (vae.split(data)[1][:, None] for data in (first, second))
        condition = (1 - weight) * one + weight * other  # [B, steps, k]
    return vae.decode(way(start, end, weight), condition).mean()


def progress(vae: VAE, data: Any, seed: tf.Tensor, title: str) -> "Figure":
    """Draw examples, their reconstructions, and two rows of samples: one picture of a training under way.

    Args:
        vae: the model.
        data: as loaded, `[N, ...]` (of a conditional VAE, a pair, whose conditions are those of the samples too).
        seed: int32 `[2]`, of the samples: the same for all pictures.
        title: of the picture.
    """
    event_of_images(vae)
    x, mean = _numpy(vae.preprocess(data)), _numpy(vae(data))
    condition = vae.split(data)[1]
    drawn = _numpy(vae.sample(2 * len(x), None if condition is None else np.tile(condition, (2, 1)), seed))
    rows = np.stack([x, mean, drawn[: len(x)], drawn[len(x) :]])
    return sheet(
        rows, title, "examples, and draws of z from the prior", "", rows=["x", "E[p(x|z)]", "sample", "sample"]
    )


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)
