"""PyTorch at its best on a CPU: `torch.compile`, fused Adam, images in one tensor, the loss read once an epoch."""

import torch

from benchmarks import images
from benchmarks.epochs import Epochs
from benchmarks.peers import torch_networks

__all__ = ["training"]


def training(file, count, epochs, batch_size=100, network="mlp"):
    """See `benchmarks.peers`."""
    done = Epochs()
    pixels = torch.from_numpy(images.training(file, count).reshape(-1, 784).copy())  # uint8
    vae = torch_networks.VAE(network)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=True)

    @torch.compile
    def loss_of(batch):
        x = (torch.rand(batch.shape) < batch.float() / 255).float()
        return torch_networks.loss(vae, x)

    for _ in range(epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(pixels)).split(batch_size):
            optimizer.zero_grad()
            loss = loss_of(pixels[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        done.end(total.item() / len(pixels))
    return done
