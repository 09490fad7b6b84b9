"""Distributions whose mean and standard deviation have no closed form: flows, and several stochastic layers."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.distributions.drawn import DistributionMixin, Drawn, draw_rows_alike

__all__ = ["MOMENT_DRAWS", "Ancestral", "Flow"]

MOMENT_DRAWS = 100  # for means and standard deviations


class _EstimatedMoments(DistributionMixin):
    """Estimate mean and standard deviation over `MOMENT_DRAWS` draws of a fixed seed.

    All rows of a batch have the same noise, so that an example has the same moments in any batch, on any replica.
    """

    def _moment_draws(self) -> tf.Tensor:
        return draw_rows_alike(self, MOMENT_DRAWS, random.seed(0, random.Stream.SAMPLING))

    def _mean(self) -> tf.Tensor:
        return tf.reduce_mean(self._moment_draws(), axis=0)

    def _variance(self) -> tf.Tensor:
        return tf.math.reduce_variance(self._moment_draws(), axis=0)

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())


class Flow(_EstimatedMoments, tfp.distributions.TransformedDistribution):
    """TFP's distribution of bijector(z0), z0 from a base distribution; its moments are estimated."""


@draw_rows_alike.register
def _(distribution: Flow, sample_shape: Any, seed: tf.Tensor) -> tf.Tensor:
    return distribution.bijector.forward(draw_rows_alike(distribution.distribution, sample_shape, seed))


class Ancestral(_EstimatedMoments, Drawn, tfp.distributions.Distribution):
    """p(z_1) p(z_2|z_1) ... p(z_L|z_L-1) over the vector z = [z_1, ..., z_L], or, turned around, [z_L, ..., z_1].

    Args:
        first: p(z_1), batch `[...]`, event `[n_1]`; one of this package's, as the following are.
        following: functions z_l `[..., n_l]` -> distribution of z_l+1, batch `[...]`.
        sizes: n_1, ..., n_L.
        turned: whether z holds the last drawn first.
    """

    def __init__(
        self,
        first: tfd.Distribution,
        following: Sequence[Callable[[tf.Tensor], tfd.Distribution]],
        sizes: Sequence[int],
        turned: bool = False,
    ):
        parameters = dict(locals())
        self.first, self.following, self.sizes, self.turned = first, following, sizes, turned
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfp.distributions.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="Ancestral",
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self.first.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.first.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([sum(self.sizes)])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([sum(self.sizes)])

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor, alike: bool) -> tf.Tensor:
        alike = alike and bool(self.batch_shape.rank)  # the rows of a distribution of batch [] are its samples
        z = [self.first.sample(sample_shape, seed=random.fold(seed, 0), alike=alike)]
        for i, following in enumerate(self.following):
            z.append(following(z[-1]).sample(seed=random.fold(seed, i + 1), alike=alike))
        return self._join(z)

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        sizes = self.sizes[::-1] if self.turned else self.sizes
        parts = tf.split(z, sizes, axis=-1)
        parts = parts[::-1] if self.turned else parts
        terms = [f(before).log_prob(part) for f, before, part in zip(self.following, parts, parts[1:], strict=False)]
        return tf.add_n([self.first.log_prob(parts[0]), *terms])

    def means(self) -> tf.Tensor:
        """Give the mean of z_1, that of z_2 given it, and so on: a point `[..., n]` where a cheap one will do."""
        z = [self.first.mean()]
        for following in self.following:
            z.append(following(z[-1]).mean())
        return self._join(z)

    def _join(self, z: list[tf.Tensor]) -> tf.Tensor:
        return tf.concat(z[::-1] if self.turned else z, axis=-1)
