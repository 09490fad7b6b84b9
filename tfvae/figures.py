"""Figures of a VAE, as matplotlib `Figure`s: reconstructions, samples, interpolations."""

import keras
import numpy as np
from matplotlib.figure import Figure

__all__ = ["interpolations", "reconstructions", "samples"]


def reconstructions(vae, data):
    """Each example above its reconstruction E[p(x|z)] at z = E[q(z|x)].

    Args:
        vae: the model.
        data: as loaded, `[N, ...]` (of a conditional VAE, a pair); some 20 examples make a good picture.
    """
    x, mean = keras.ops.convert_to_numpy(vae.preprocess(data)), keras.ops.convert_to_numpy(vae(data))
    columns = min(10, len(x))
    rows = []
    for start in range(0, len(x) - columns + 1, columns):
        rows += [x[start : start + columns], mean[start : start + columns]]
    return _grid(np.stack(rows), "Test examples (upper row of each pair) and their reconstructions (lower row)")


def samples(vae, rows=8, columns=8, condition=None, seed=None):
    """Means E[p(x|z)] for draws of z from the prior, in a grid.

    Args:
        vae: the model.
        rows, columns: of the grid.
        condition: of a conditional VAE, one for each column, `[columns, k]`.
        seed: int32 `[2]`, or None.
    """
    title = "Samples: E[p(x|z)] for z drawn from the prior"
    if condition is not None:
        condition, title = np.tile(condition, (rows, 1)), f"{title}, one condition to each column"
    drawn = keras.ops.convert_to_numpy(vae.sample(rows * columns, condition, seed))
    return _grid(drawn.reshape(rows, columns, *drawn.shape[1:]), title)


def interpolations(vae, first, second, steps=10):
    """Decoded points on the way between the latents of two examples, a row for each pair: `VAE.interpolate`.

    Args:
        vae: the model.
        first, second: data as loaded, `[N, ...]` each (of a conditional VAE, a pair).
        steps: columns.
    """
    between = keras.ops.convert_to_numpy(vae.interpolate(first, second, steps))
    return _grid(between, "Interpolation in the latent space, from a test example (left) to another (right)")


def _grid(images, title):
    """images [R, C, H, W, channels], values about [0, 1], or vectors [R, C, n] as strips -> a figure."""
    if images.ndim == 3:
        images = images[:, :, None, :, None]  # [R, C, 1, n, 1]
    rows, columns, height, width, channels = images.shape
    low, high = min(0.0, images.min()), max(1.0, images.max())
    gap = max(1, height // 14)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), high, images.dtype)
    for r in range(rows):
        for c in range(columns):
            top, left = gap + r * (height + gap), gap + c * (width + gap)
            sheet[top : top + height, left : left + width] = images[r, c]
    sheet = (sheet - low) / (high - low)
    figure = Figure(figsize=(8, 0.5 + 8 * sheet.shape[0] / sheet.shape[1]), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        sheet if channels == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=1, aspect="auto" if height == 1 else None
    )
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    return figure
