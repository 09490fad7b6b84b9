"""PyTorch as in its examples: eager, a `DataLoader` of float images, pixels drawn in the loop."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import images
from benchmarks.epochs import Epochs
from benchmarks.peers import torch_networks

__all__ = ["log_marginal", "training"]


def training(file, count, epochs, batch_size=100, network="mlp"):
    """See `benchmarks.peers`."""
    return _train(torch_networks.VAE(network), file, count, epochs, batch_size)


def log_marginal(file, count, samples):
    """See `benchmarks.peers`."""
    vae = torch_networks.VAE()
    _train(vae, file, count, epochs=1)

    def evaluate(pixels, batch_size=100):
        x = torch.from_numpy(pixels.reshape(-1, 784) > 0).float()
        return torch.cat([torch_networks.log_marginal(vae, b, samples) for b in x.split(batch_size)]).mean().item()

    return evaluate


def _train(vae, file, count, epochs, batch_size=100):
    done = Epochs()
    pixels = torch.from_numpy(images.training(file, count).reshape(-1, 784)).float() / 255
    loader = DataLoader(TensorDataset(pixels), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    for _ in range(epochs):
        total = 0.0
        for (batch,) in loader:
            optimizer.zero_grad()
            loss = torch_networks.loss(vae, torch.bernoulli(batch))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        done.end(total / len(pixels))
    return done
