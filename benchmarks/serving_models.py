"""Exports an untrained VAE for `benchmarks.serving`: `python -m benchmarks.serving_models NAME FOLDER`."""

import sys

import tfvae
from tfvae import exporting, likelihoods, networks, posteriors, preprocessing, priors

IMAGE, LATENT = (28, 28, 1), 50

NETWORKS = {
    "mlp": lambda: (networks.mlp(IMAGE, [200, 200], "tanh"), networks.mlp(LATENT, [200, 200], "tanh")),
    "wide": lambda: (networks.mlp(IMAGE, [2000, 2000], "tanh"), networks.mlp(LATENT, [2000, 2000], "tanh")),
    "convolutions": lambda: (networks.conv(IMAGE, [32, 64]), networks.mlp(LATENT, [200])),
}

if __name__ == "__main__":
    encoder, decoder = NETWORKS[sys.argv[1]]()
    vae = tfvae.VAE(
        encoder,
        posteriors.DiagonalNormal(LATENT),
        priors.StandardNormal(LATENT),
        decoder,
        likelihoods.Bernoulli(IMAGE),
        preprocessor=preprocessing.Binarize(),
    )
    exporting.export(vae, sys.argv[2])
