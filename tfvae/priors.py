"""Priors p(z): distributions over latents, event `[n]`, batch `[]`."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions

__all__ = ["MixtureOfNormals", "StandardNormal"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class StandardNormal(distributions.Prior):
    """p(z) = N(z; 0, I), `tfd.MultivariateNormalDiag`. Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    def distribution(self):
        return distributions.MultivariateNormalDiag(tf.zeros(self.event_shape), tf.ones(self.event_shape))


@register
class MixtureOfNormals(distributions.Prior):
    """p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2), all learned; `tfd.MixtureSameFamily`.

    The means start at draws of the standard normal, the scales at 1, the weights alike. There is no closed KL to it.
    In VAEs: Dilokthanakul et al. 2016, arXiv:1611.02648; as a baseline in Tomczak and Welling 2018, arXiv:1705.07120.

    Args:
        event_shape: the latent size n.
        components: how many, at least 1.
    """

    def __init__(self, event_shape, components: int = 10, **kwargs):
        super().__init__(event_shape, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        self.components = components
        shape = (components, *self.event_shape)
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.loc = self.add_weight(shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0), name="loc")
        self.raw_scale = self.add_weight(shape=shape, initializer="zeros", name="raw_scale")

    def distribution(self):
        normals = distributions.MultivariateNormalDiag(self.loc.value, distributions.bounded_exp(self.raw_scale.value))
        return tfd.MixtureSameFamily(tfd.Categorical(logits=self.logits.value), normals)

    def get_config(self):
        return super().get_config() | {"components": self.components}
