"""Servables in half precision: the model converted, and how far its answers are from the exact ones."""

import pathlib

import keras
import numpy as np

from tfvae.exporting import saved_model
from tfvae.exporting.signatures import Signature
from tfvae.model import VAE

__all__ = ["convert", "measure_parity"]


def convert(vae: VAE, dtype: str) -> VAE:
    """Give the same VAE with networks whose weights and arithmetic are of another type; distributions stay float32."""

    def network(net):
        other = keras.models.clone_model(
            net, clone_function=lambda layer: type(layer).from_config(layer.get_config() | {"dtype": dtype})
        )
        other.set_weights(net.get_weights())
        return other

    parts = (vae.posterior, vae.prior, network(vae.decoder), vae.likelihood, vae.objective, vae.preprocessor)
    return VAE(network(vae.encoder), *parts, vae.seed, vae.condition_size)


def measure_parity(
    path: pathlib.Path, requests: dict[str, dict[str, np.ndarray]], exact: dict[str, Signature]
) -> dict[str, dict[str, float]]:
    """Measure how far the answers in a version's check.npz are from the model's.

    Returns:
        signature -> output -> the largest difference, absolute, or of the value where that is above 1; of text and
        booleans, the share that differs.

    Raises:
        ValueError: when an answer is not finite where the model's is.
    """
    with np.load(path / "assets.extra" / "check.npz") as file:
        stored = dict(file)
    found: dict[str, dict[str, float]] = {}
    answers = saved_model.compute_answers({name: exact[name].function for name in requests}, requests)
    for name, output, value in ((n, o, v) for n, outputs in answers.items() for o, v in outputs.items()):
        other = stored[f"{name}/outputs/{output}"]
        if value.dtype.kind != "f":
            found.setdefault(name, {})[output] = float(np.mean(other != value))
            continue
        if not np.all(np.isfinite(other) == np.isfinite(value)):
            raise ValueError(f"{path.name}: {name} has {output} that are not finite in this dtype: try bfloat16")
        with np.errstate(invalid="ignore"):
            difference = np.abs(other - value) / np.maximum(1.0, np.abs(value))
        found.setdefault(name, {})[output] = float(np.max(np.where(other == value, 0.0, difference), initial=0.0))
    return found
