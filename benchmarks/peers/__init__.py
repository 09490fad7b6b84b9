"""The peers: one module each, all with the same two functions.

training(file, count, epochs, batch_size=100, network="mlp") -> Epochs
    Trains on the first `count` images of `train` in an .npz file, uint8 `[N, 28, 28]`; Adam, 1e-3; each pixel drawn
    anew each time it is seen. `network` is "mlp": 784-200-200 tanh, 50 latents, and its mirror; or "conv":
    convolutions of 32 and 64 channels, 3x3, stride 2, relu, 32 latents, and their mirror.
log_marginal(file, count, samples) -> function
    Trains the MLP for an epoch; the function takes pixels of 0 and 255, uint8 `[N, 28, 28]`, and gives the mean
    estimate of log p(x) from so many importance samples, nats.
"""

import importlib.util
from typing import NamedTuple

__all__ = ["PEERS", "Peer", "missing_packages"]


class Peer(NamedTuple):
    """A peer: its module beside this file, the packages that it needs, and what it is in a few words."""

    module: str
    packages: tuple[str, ...]
    about: str


PEERS = {
    "tfvae": Peer("tfvae_fit", ("tfvae",), "`fit` with nothing set, on `data.load`"),
    "jax_scan": Peer("jax_scan", ("jax", "optax"), "each epoch one compiled `lax.scan`, images on the device"),
    "torch_compile": Peer("torch_compile", ("torch",), "`torch.compile`, fused Adam, images in one tensor"),
    "torch_eager": Peer("torch_eager", ("torch",), "as in PyTorch's examples: eager, `DataLoader`"),
    "keras_fit": Peer("keras_fit", ("keras", "tensorflow"), "as in Keras' examples: a `train_step`, `fit` on arrays"),
    "pythae": Peer("pythae_trainer", ("pythae", "torch"), "its own trainer; pixels are drawn once, not anew"),
}


def missing_packages(peer: str) -> list[str]:
    """Return the packages that a peer needs and that are not installed."""
    return [package for package in PEERS[peer].packages if importlib.util.find_spec(package) is None]
