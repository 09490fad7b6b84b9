"""The VAE in PyTorch that its two peers train, eager and compiled."""

import math

import torch
from torch import nn
from torch.nn import functional

__all__ = ["VAE", "log_marginal", "loss"]


class VAE(nn.Module):
    """x `[B, 784]` -> logits `[B, 784]`, mean and log-variance `[B, n]`; `network` is "mlp" or "conv"."""

    def __init__(self, network="mlp"):
        super().__init__()
        self.encoder, self.decoder = _mlp() if network == "mlp" else _conv()

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


def loss(vae, x):
    """-ELBO, the mean over a batch x `[B, 784]`, nats."""
    logits, mean, log_variance = vae(x)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (cross_entropy + kl) / len(x)


@torch.no_grad()
def log_marginal(vae, x, samples, chunk=50):
    """log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x) of x `[B, 784]`: `[B]`, nats; the sum grows chunk by chunk."""
    chunk = math.gcd(samples, chunk)
    mean, log_variance = vae.encoder(x).chunk(2, dim=-1)
    total = torch.full((len(x),), -math.inf)
    for _ in range(samples // chunk):
        noise = torch.randn(chunk, *mean.shape)  # [chunk, B, n]
        z = mean + torch.exp(0.5 * log_variance) * noise
        log_ratio = 0.5 * torch.sum(noise**2 + log_variance - z**2, dim=-1)  # log p(z) - log q(z|x)
        logits = vae.decoder(z)
        log_weight = torch.sum(x * logits - functional.softplus(logits), dim=-1) + log_ratio
        total = torch.logaddexp(total, torch.logsumexp(log_weight, dim=0))
    return total - math.log(samples)


def _mlp():
    encoder = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 100))
    decoder = nn.Sequential(nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784))
    return encoder, decoder


def _conv():
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(7 * 7 * 64, 64)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(32, 7 * 7 * 64), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))),
        *(nn.ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 1, 1), nn.Flatten()),
    )
    return encoder, decoder
