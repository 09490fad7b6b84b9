"""tfvae as its README has it: `data.load`, `compile` with an optimizer and nothing else, `fit`."""

import keras

import tfvae
from benchmarks.epochs import Epochs
from tfvae import data, evaluation, likelihoods, networks, objectives, posteriors, preprocessing, priors

__all__ = ["log_marginal", "make_vae", "training"]

IMAGE = (28, 28, 1)


def training(file, count, epochs, batch_size=100, network="mlp", width=200, samples=1):
    """See `benchmarks.peers`; `width` of the MLP's layers, `samples` of the latent for each example."""
    return _train(make_vae(network, width, samples), file, count, epochs, batch_size)


def log_marginal(file, count, samples):
    """See `benchmarks.peers`."""
    vae = make_vae()
    _train(vae, file, count, epochs=1)
    return lambda images: evaluation.log_marginal(vae, images[..., None], samples=samples).mean


def _train(vae, file, count, epochs, batch_size=100):
    done = Epochs()
    ends = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: done.end(logs["loss"]))
    train = data.load(file, f"train[:{count}]", batch_size=batch_size)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(train, epochs=epochs, callbacks=[ends], verbose=0)
    return done


def make_vae(network="mlp", width=200, samples=1):
    """Make the VAE of the benchmarks, not compiled; arguments as for `training`."""
    if network == "mlp":
        latent = 50
        encoder = networks.mlp(IMAGE, units=[width, width], activation="tanh")
        decoder = networks.mlp(latent, units=[width, width], activation="tanh")
    else:
        latent = 32
        encoder = networks.conv(IMAGE, filters=[32, 64])
        decoder = networks.conv(latent, filters=[32, 64], output_shape=IMAGE)
    return tfvae.VAE(
        preprocessor=preprocessing.Binarize(),
        encoder=encoder,
        posterior=posteriors.DiagonalNormal(latent),
        prior=priors.StandardNormal(latent),
        decoder=decoder,
        likelihood=likelihoods.Bernoulli(IMAGE),
        objective=objectives.ELBO(samples=samples),
    )
