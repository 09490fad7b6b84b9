"""Likelihoods p(x|z): features -> distribution over events (images, vectors), batch `[B]` or `[S, B]`."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["Bernoulli"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class Bernoulli(distributions.Conditional):
    """p(x|z) = prod_i mean_i(z)^x_i (1 - mean_i(z))^(1 - x_i), for x of zeros and ones; float32 `tfd.Bernoulli`.

    Grey values are not modelled: binarise them (`preprocessing.Binarize`).
    Kingma and Welling 2013, arXiv:1312.6114, appendix C.1.

    Args:
        event_shape: shape of x.
    """

    domain = "0 and 1 (grey pixels become so through preprocessing.Binarize)"

    def distribution(self, logits):  # [..., *event]
        return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float32), len(self.event_shape))

    def support(self, x):
        return (x == 0) | (x == 1)

    def raw(self, mean):
        mean = tf.clip_by_value(mean, 1e-3, 1 - 1e-3)  # a pixel that was never lit may be yet
        return (tf.math.log(mean) - tf.math.log1p(-mean),)
