"""The images of a run: MNIST's original files, or the digits that come with tfvae."""

import gzip
import importlib.util
import pathlib

import numpy as np

__all__ = ["binarize", "read", "training"]

FILES = {"train": "train-images-idx3-ubyte.gz", "test": "t10k-images-idx3-ubyte.gz"}


def read(folder: str | pathlib.Path | None = None) -> dict[str, np.ndarray]:
    """Read `train` and `test`, uint8 `[N, 28, 28]`: of MNIST's original files in `folder`, or else tfvae's digits.

    Raises:
        ValueError: when the folder does not hold the files.
    """
    if folder is None:
        spec = importlib.util.find_spec("tfvae")  # found, not imported
        assert spec is not None and spec.origin is not None
        package = pathlib.Path(spec.origin).parent
        with np.load(package / "digits" / "digits.npz") as arrays:
            return {split: arrays[split] for split in FILES}
    folder = pathlib.Path(folder)
    missing = [name for name in FILES.values() if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} does not hold {' and '.join(missing)}: --data takes a folder of MNIST's files")
    return {split: _idx(folder / name) for split, name in FILES.items()}


def training(file: str, count: int) -> np.ndarray:
    """Read the first `count` training images of the run's .npz file, uint8 `[N, 28, 28]`."""
    with np.load(file) as arrays:
        return arrays["train"][:count]


def binarize(images: np.ndarray) -> np.ndarray:
    """Turn pixels 0..255 into 0 or 255, each drawn once, with its grey value as probability; uint8, the same shape."""
    drawn = np.random.default_rng(0).random(images.shape) * 255 < images
    return 255 * drawn.astype(np.uint8)


def _idx(path: pathlib.Path) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)
