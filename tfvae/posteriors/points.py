"""The posterior of a plain autoencoder: a point."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.posteriors.arranged import Arranged

__all__ = ["Deterministic"]

register = keras.saving.register_keras_serializable("tfvae.posteriors")


@register
class Deterministic(Arranged):
    """q(z|x) has all its probability at loc(x): the encoder of a plain autoencoder, `tfd.VectorDeterministic`.

    Its density there is infinite, so KL(q || p) is infinite, the ELBO and what importance sampling finds for log p(x)
    are -infinity: a point bounds nothing. It goes with objectives whose loss has no KL: `Reconstruction`, `MMD`.

    Args:
        event_shape: the latent size n, or an arrangement (H, W, C) of its numbers as maps.
    """

    has_density = False

    def distribution(self, loc: tf.Tensor) -> tfd.Distribution:  # [..., n]
        return distributions.Point(loc)
