"""Draw the images of `shapes` from their factors, exactly the same on every machine."""

import functools
import math

import numpy as np

__all__ = ["FACTORS", "SIDE", "draw", "factors_at", "level"]

FACTORS = {"shape": 3, "scale": 6, "rotation": 40, "x": 32, "y": 32}  # name: number of values
SHAPES = ("square", "ellipse", "heart")
SIDE = 64  # of an image, pixels
SPRITE = 32  # side of the square that is pasted into it; x and y move it by a pixel a step, over all its places


def factors_at(cells: np.ndarray) -> np.ndarray:
    """Give the factors int64 `[N, 5]` of cells of the grid, integers `[N]` below the product of the factors' sizes."""
    return np.stack(np.unravel_index(cells, tuple(FACTORS.values())), axis=1).astype(np.int64)


def draw(factors: np.ndarray) -> np.ndarray:
    """Draw images uint8 `[N, 64, 64, 1]`, 255 on 0, from factors, integers `[N, 5]` in the order of FACTORS.

    The scale s goes from 0.5 to 1 in steps of 0.1. The rotation is in steps of 9 degrees, anticlockwise; no two
    rotations of a heart look alike, but a square looks the same after 90 degrees, an ellipse after 180. A step of x
    moves the shape right by a pixel, one of y down.

    Raises:
        ValueError: when factors have another shape, or a value is out of range.
    """
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS):
        raise ValueError(f"factors must be [N, {len(FACTORS)}], {', '.join(FACTORS)}; they are {factors.shape}")
    if factors.size and (factors.min() < 0 or (factors >= list(FACTORS.values())).any()):
        raise ValueError(f"factors are integers from 0 and below {FACTORS}")
    shape, scale, rotation, x, y = factors.T
    images = np.zeros((len(factors), SIDE, SIDE, 1), np.uint8)
    along = np.arange(SPRITE)
    rows, columns = y[:, None, None] + along[:, None], x[:, None, None] + along  # [N, 32, 1], [N, 1, 32]
    images[np.arange(len(factors))[:, None, None], rows, columns, 0] = _sprites()[shape, scale, rotation]
    return images


@functools.cache
def _sprites() -> np.ndarray:
    """Draw all shapes, scales and rotations, uint8 [3, 6, 40, 32, 32]: white where a pixel's centre is inside."""
    return np.where(level() <= 1, np.uint8(255), np.uint8(0))


def level() -> np.ndarray:
    """Give for each pixel's centre a number that is at most 1 inside of the shape: [3, 6, 40, 32, 32].

    No number is 1 up to its last digits, so which pixels are white does not depend on a machine's rounding.
    """
    along = np.arange(SPRITE) - (SPRITE - 1) / 2
    right, up = along, -along[:, None]
    scale = np.linspace(0.5, 1.0, FACTORS["scale"])[:, None, None, None]
    angle = (2 * math.pi / FACTORS["rotation"] * np.arange(FACTORS["rotation"]))[:, None, None]
    u = (np.cos(angle) * right + np.sin(angle) * up) / scale  # turned back and at full size, [6, 40, 32, 32]
    v = (np.cos(angle) * up - np.sin(angle) * right) / scale
    square = np.maximum(abs(u), abs(v)) / 10.3
    ellipse = (u / 15) ** 2 + (v / 9) ** 2
    return np.stack([square, ellipse, _heart(u / 10.76, v / 10.76)])


def _heart(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Give the level of the sextic (p^2 + q^2 - 1)^3 = p^2 q^3, moved down to have its centroid in the middle."""
    q = q + 0.298
    return 1 + (p**2 + q**2 - 1) ** 3 - p**2 * q**3
