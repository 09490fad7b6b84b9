"""Posteriors q(z|x): features -> distribution over latents, event `[n]`, batch `[B]`."""

import keras

from tfvae import distributions

__all__ = ["DiagonalNormal"]

register = keras.saving.register_keras_serializable("tfvae")


@register
class DiagonalNormal(distributions.Conditional):
    """q(z|x) = N(z; loc(x), diag(scale(x))^2), `tfd.MultivariateNormalDiag`.

    The scale is exp(raw), bent to stay within exp(-7) and exp(7).
    Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    parameters = 2

    def distribution(self, loc, raw_scale):  # [..., n], [..., n]
        return distributions.MultivariateNormalDiag(loc, distributions.bounded_exp(raw_scale))
