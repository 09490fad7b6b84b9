"""`Arranged`: posteriors over vectors that may stand for maps."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfvae import distributions

__all__ = ["Arranged"]


class Arranged(distributions.Conditional):
    """Abstract posterior: features -> q(z|x) of vectors `[n]`, whose numbers may be arranged as maps.

    A latent is a vector to all other parts. With an arrangement (H, W, C), n = H W C, feature maps `[..., H, W, F]` are
    projected position by position, with the same weights; flat features are projected to the whole.

    Args:
        event_shape: the latent size n, or the arrangement.
    """

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        self._arrangement = distributions.as_shape(event_shape)
        super().__init__(math.prod(self._arrangement), **kwargs)

    @property
    def arrangement(self) -> tuple[int, ...]:
        return self._arrangement

    def raw_parameters(self, features: tf.Tensor) -> list[tf.Tensor]:
        """Project features to the raw parameters, each `[..., n]`."""
        batch, static = tf.shape(features)[: -self.feature_rank], features.shape[: -self.feature_rank]
        shape, arranged = tf.concat([batch, self.event_shape], axis=0), super().raw_parameters(features)
        return [tf.ensure_shape(tf.reshape(raw, shape), [*static, *self.event_shape]) for raw in arranged]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"event_shape": list(self._arrangement)}
