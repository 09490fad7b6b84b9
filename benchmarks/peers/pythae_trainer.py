"""pythae's own VAE and trainer. It takes data as it is: pixels are drawn once, before training, not anew."""

import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

from benchmarks import images
from benchmarks.epochs import Epochs
from benchmarks.peers import torch_networks

__all__ = ["log_marginal", "training"]


class Encoder(BaseEncoder):
    """x `[B, 784]` -> mean and log-variance."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        mean, log_variance = self.layers(x).chunk(2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """z `[B, n]` -> the mean of x; pythae wants probabilities."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(layers, nn.Sigmoid())

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z))


class Ends(TrainingCallback):
    """Notes the end of each epoch."""

    def __init__(self):
        self.done = Epochs()

    def on_log(self, training_config, logs, **kwargs):
        self.done.end(logs["train_epoch_loss"])


def training(file, count, epochs, batch_size=100, network="mlp"):
    """See `benchmarks.peers`."""
    return _train(file, count, epochs, batch_size, network)[1]


def log_marginal(file, count, samples):
    """See `benchmarks.peers`; pythae's `get_nll`, with its own default of 100 samples at once."""
    vae, _ = _train(file, count, epochs=1)

    @torch.no_grad()
    def evaluate(pixels):
        return vae.get_nll(torch.from_numpy(pixels.reshape(-1, 784) > 0).float(), n_samples=samples)

    return evaluate


def _train(file, count, epochs, batch_size=100, network="mlp"):
    ends = Ends()
    pixels = torch.from_numpy(images.binarize(images.training(file, count)).reshape(-1, 784)).float() / 255
    networks = torch_networks.VAE(network)
    config = VAEConfig(input_dim=(784,), latent_dim=50 if network == "mlp" else 32, reconstruction_loss="bce")
    vae = VAE(config, Encoder(networks.encoder), Decoder(networks.decoder))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=batch_size,
            no_cuda=True,
        )
        BaseTrainer(vae, BaseDataset(pixels, torch.zeros(count)), training_config=settings, callbacks=[ends]).train()
    return vae, ends.done
