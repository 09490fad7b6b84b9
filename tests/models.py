"""Models and data that several tests use."""

import math
import random

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tfvae
from tests import members
from tfvae import distributions, networks, posteriors, preprocessing, priors

GRAPH = {"jit_compile": False}  # programs, without XLA


def begin(seed=0):
    """Weights that are made from here on follow from the seed, as Keras' come from Python's random numbers.

    `keras.utils.set_random_seed` sets TensorFlow's seed too, which clears what it keeps of every operation: half of a
    test's time would go into making that anew.
    """
    random.seed(seed)
    np.random.seed(seed)


def small_vae(optimizer=None, seed=0, compiled=None, **parts):
    """A VAE of images [8, 8, 1]; `parts` replace its own.

    It runs eagerly, for a program takes longer than twenty steps; `compiled`, arguments of `compile`, replace that:
    `GRAPH` and the like.
    """
    defaults = {
        "encoder": lambda: networks.mlp(members.IMAGE, [16], "tanh"),
        "posterior": members.POSTERIORS["DiagonalNormal"],
        "prior": members.PRIORS["StandardNormal"],
        "decoder": lambda: networks.mlp(members.LATENT, [16], "tanh"),
        "likelihood": members.LIKELIHOODS["Bernoulli"],
        "preprocessor": preprocessing.Binarize,
    }
    made = {name: parts.pop(name) if name in parts else make() for name, make in defaults.items()}
    vae = tfvae.VAE(**made, **parts, seed=seed)
    vae.compile(
        optimizer or keras.optimizers.Adam(1e-2),
        **{"run_eagerly": True} if compiled is None else {"jit_compile": False} | compiled,
    )
    return vae


def small_images(count=20):
    """Grey images uint8 [count, 8, 8, 1], always the same."""
    return np.random.default_rng(0).integers(0, 256, (count, *members.IMAGE), np.uint8)


def weights(vae):
    """All weights as one vector."""
    return np.concatenate([np.ravel(w) for w in vae.get_weights()])


@keras.saving.register_keras_serializable("tests")
class FixedNormal(distributions.Conditional):
    """p(x|z) = N(x; mean(z), SCALE^2 I)."""

    SCALE = 0.5

    def distribution(self, mean):
        return tfd.MultivariateNormalDiag(mean, tf.fill(tf.shape(mean), self.SCALE))


def linear_gaussian():
    """z ~ N(0, I_2), x | z ~ N(W z + b, s^2 I_4) with orthogonal columns of W, and the exact posterior.

    Returns:
        the VAE; x float32 [30, 4] drawn from the model; the exact log p(x) [30].
    """
    rng = np.random.default_rng(1)
    loading = np.linalg.qr(rng.normal(size=(4, 2)))[0] * [1.5, 0.7]  # [4, 2]
    shift, s = rng.normal(size=4), FixedNormal.SCALE
    vae = tfvae.VAE(
        encoder=networks.mlp(4, [4], "linear"),
        posterior=posteriors.DiagonalNormal(2),
        prior=priors.StandardNormal(2),
        decoder=networks.mlp(2, [2], "linear"),
        likelihood=FixedNormal(4),
    )
    precision = 1 + (loading**2).sum(axis=0) / s**2  # of the posterior, [2]
    to_mean = loading / s**2 / precision  # [4, 2]
    raw_variance = 14 * np.arctanh(-0.5 * np.log(precision) / 7)
    vae.encoder.set_weights([np.eye(4), np.zeros(4)])
    vae.decoder.set_weights([np.eye(2), np.zeros(2)])
    kernel = np.concatenate([to_mean, np.zeros((4, 2))], axis=1)
    vae.posterior.set_weights([kernel, np.concatenate([-shift @ to_mean, raw_variance])])
    vae.likelihood.set_weights([loading.T, shift])
    x = (rng.normal(size=(30, 2)) @ loading.T + shift + s * rng.normal(size=(30, 4))).astype(np.float32)
    covariance = loading @ loading.T + s**2 * np.eye(4)
    centred = x - shift
    quadratic = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
    return vae, x, -0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + 4 * math.log(2 * math.pi))


def dataset(images, batch_size):
    return tf.data.Dataset.from_tensor_slices(images).batch(batch_size)
