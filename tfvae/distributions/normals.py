"""Normal distributions of vectors, as functions of standard normal noise by `tfvae.random`."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import Drawn
from tfvae.distributions.units import units_of

__all__ = ["MultivariateNormalDiag", "MultivariateNormalTriL"]


class _FromNoise(Drawn):
    """Make a TFP distribution that is a bijector of standard normal noise draw that noise from `tfvae.random`."""

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        return self.bijector.forward(random.normal(self._noise_shape(sample_shape, alike), seed))


class MultivariateNormalDiag(_FromNoise, tfp.distributions.MultivariateNormalDiag):
    """TFP's normal with independent components; its samples follow the rules of `tfvae.random`."""


class MultivariateNormalTriL(_FromNoise, tfp.distributions.MultivariateNormalTriL):
    """TFP's normal with a triangular scale; its samples follow the rules of `tfvae.random`."""


@units_of.register
def _(distribution: MultivariateNormalDiag) -> tfd.Distribution:
    return tfd.Normal(distribution.mean(), distribution.stddev())
