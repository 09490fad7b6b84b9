"""Priors p(z): distributions over latents, event `[n]`, batch `[]`."""

import keras
import tensorflow as tf

from tfvae import distributions

__all__ = ["StandardNormal"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class StandardNormal(distributions.Prior):
    """p(z) = N(z; 0, I), `tfd.MultivariateNormalDiag`. Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    def distribution(self):
        return distributions.MultivariateNormalDiag(tf.zeros(self.event_shape), tf.ones(self.event_shape))
