"""Quality of generated examples, by nearest neighbours among features `[N, d]` of real and generated ones.

For features that need no download and are the same for all models, `pixel_features` takes principal components of the
training pixels. Networks trained on photographs would have to be downloaded and know little of other data; a model's
own encoder would be another measure for each model, and not fair between them. Components see where pixels are bright
and not much of fine detail: compare models on the same data, not figures between data sets or papers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae import compatibility, random
from tfvae.extras import require_extra
from tfvae.model import VAE

__all__ = ["DensityCoverage", "PrecisionRecall", "density_coverage", "draws", "pixel_features", "precision_recall"]

DISTANCES_AT_ONCE = 2**23  # 64 MB of float64
DRAWS_AT_ONCE = 500


class PrecisionRecall(NamedTuple):
    """Scores from 0 to 1, larger is better; see `precision_recall`."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Scores from 0, larger is better; see `density_coverage`."""

    density: float
    coverage: float


def pixel_features(train_images: np.ndarray, dimensions: int = 50, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Fit principal components to training pixels -> function: images `[N, *event]` -> float64 `[N, dimensions]`.

    Args:
        train_images: uint8 `[N, *event]`, or floats in [0, 1], or in whatever range the images to compare have.
        dimensions: components kept, those of the largest variance.
        seed: of the randomised decomposition.

    The function takes uint8 as pixels from 0 to 255 and floats as they are, so samples in [0, 1] compare with real
    images in uint8. Compare like with like: `vae.sample` gives means E[p(x|z)], which are smoother than data that was
    binarised; such data compares with `draws`.

    Raises:
        ValueError: when there are fewer images or pixels than dimensions; by the function, for images of another shape.
    """
    pixels = _flatten_pixels(train_images)
    if not 1 <= dimensions <= min(pixels.shape):
        raise ValueError(
            f"dimensions must be from 1 to {min(pixels.shape)}, the lesser of the numbers of images and of pixels, "
            f"{pixels.shape}; not {dimensions}"
        )
    with require_extra("evaluate"):
        from sklearn.decomposition import PCA

    components = PCA(dimensions, svd_solver="randomized", random_state=seed).fit(pixels)
    event = np.shape(train_images)[1:]

    def features(images):
        if np.shape(images)[1:] != event:
            raise ValueError(f"images must be [N, *{event}], as those of training; they are {np.shape(images)}")
        return components.transform(_flatten_pixels(images)).astype(np.float64)

    return features


def _flatten_pixels(images):
    images = np.asarray(images)
    flat = images.reshape(len(images), -1).astype(np.float32)
    return flat / 255 if images.dtype == np.uint8 else flat


def draws(vae: VAE, n: int, conditions: Any = None, seed: int = 0) -> np.ndarray:
    """Draw n examples x from p(x) = E_p(z) p(x|z), where `vae.sample` gives means: `[n, *event]`.

    Args:
        vae: the model.
        n: number of draws.
        conditions: of a conditional VAE, n of them.
        seed: integer.
    """
    drawn = []
    for first in range(0, n, DRAWS_AT_ONCE):
        key, count = random.seed(seed, random.Stream.SAMPLING, row=first), min(DRAWS_AT_ONCE, n - first)
        condition = (
            None
            if conditions is None
            else compatibility.to_condition(vae, tf.convert_to_tensor(conditions)[first:][:count])
        )
        prior = vae.prior.distribution(condition, vae.infer)
        z = prior.sample([] if prior.batch_shape.rank else count, seed=random.fold(key, 0))  # [B, n]
        drawn.append(vae.decode(z, condition).sample(seed=random.fold(key, 1)).numpy())
    return np.concatenate(drawn)


def precision_recall(real: np.ndarray, generated: np.ndarray, neighbours: int = 3) -> PrecisionRecall:
    """Score precision and recall of generated examples, 0 to 1.

    Precision is the share of generated examples that lie among real ones, recall the share of real ones that lie among
    generated. Kynkäänniemi, Karras, Laine, Lehtinen and Aila 2019, arXiv:1904.06991.

    An example lies among others if it is in the ball around one of them that reaches to that one's k-th neighbour of
    its own kind. Two samples of one distribution do not reach 1: in many dimensions balls hold less of it (0.6 for
    10,000 normal examples in 50). Compare with what real examples get that were kept apart. Time, but not memory, grows
    with (N + M)^2: 10,000 of each, in 50 dimensions, take about ten seconds.

    Args:
        real: features `[N, d]`.
        generated: features `[M, d]`, best as many.
        neighbours: k.
    """
    real, generated = _check(real, generated, neighbours)
    reach = _squared_reach(real, neighbours), _squared_reach(generated, neighbours)
    among_real, among_generated = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    for rows, squared in _chunk_distances(real, generated):
        among_real |= (squared <= reach[0][rows, None]).any(axis=0)
        among_generated[rows] = (squared <= reach[1]).any(axis=1)
    return PrecisionRecall(float(among_real.mean()), float(among_generated.mean()))


def density_coverage(real: np.ndarray, generated: np.ndarray, neighbours: int = 5) -> DensityCoverage:
    """Score density and coverage of generated examples.

    Density is in how many real examples' balls a generated one lies, in parts of k; coverage is the share of real
    examples with a generated one in their ball. Naeem, Oh, Uh, Choi and Yoo 2020, arXiv:2002.09797.

    Balls reach to the k-th real neighbour. Coverage is from 0 to 1. Density is from 0, about 1 when both have the same
    distribution, and above where generated examples crowd in the midst of real ones. Unlike precision and recall, an
    outlier with its wide ball counts little.

    Args:
        real: features `[N, d]`.
        generated: features `[M, d]`.
        neighbours: k.
    """
    real, generated = _check(real, generated, neighbours)
    reach = _squared_reach(real, neighbours)
    inside, covered = 0, np.zeros(len(real), bool)
    for rows, squared in _chunk_distances(real, generated):
        within = squared <= reach[rows, None]
        inside += int(within.sum())
        covered[rows] = within.any(axis=1)
    return DensityCoverage(inside / (neighbours * len(generated)), float(covered.mean()))


def _squared_reach(points, neighbours):
    """Give the squared distances of points `[N, d]` to the k-th nearest of the others, `[N]`."""
    reach = np.empty(len(points))
    for rows, squared in _chunk_distances(points, points):
        reach[rows] = np.partition(squared, neighbours, axis=1)[:, neighbours]  # the 0-th is the point itself
    return reach


def _chunk_distances(a, b):
    """Give rows of a, and their squared distances to b; of the differences, so that equal points are at distance 0."""
    with require_extra("evaluate"):
        from scipy.spatial.distance import cdist

    size = max(1, DISTANCES_AT_ONCE // len(b))
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        yield rows, cdist(a[rows], b, "sqeuclidean")


def _check(real, generated, neighbours):
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(f"features must be [N, d] and [M, d]; they are {real.shape} and {generated.shape}")
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(
            f"neighbours must be 1 or more, and fewer than the examples, {len(real)} real and {len(generated)} "
            f"generated; not {neighbours}"
        )
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        raise ValueError("some features are not finite")
    return real, generated
