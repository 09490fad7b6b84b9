"""What objectives have in common: their call, and the terms that it gives."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfvae.objectives.given import Given

__all__ = ["Objective", "Schedule", "Terms", "log_mean_exp", "register", "weigh"]

register = keras.saving.register_keras_serializable("tfvae")


class Terms(NamedTuple):
    """What an objective gives, each `[B]`, in nats."""

    loss: tf.Tensor  # minimised
    reconstruction: tf.Tensor  # E_q[log p(x|z)]
    kl: tf.Tensor  # KL(q(z|x) || p(z))

    @property
    def elbo(self) -> tf.Tensor:
        """Give reconstruction - kl `[B]`: a lower bound of log p(x), whatever weights the loss gives its terms."""
        return self.reconstruction - self.kl


class Schedule(NamedTuple):
    """A number of an objective that changes while it trains: what it is, and a function of the optimizer's step."""

    label: str
    value: Callable[[Any], Any]


class Objective:
    """Base of the objectives: frozen dataclasses with a call.

    The call takes one `Given`, a batch and its distributions, and returns `Terms`. Where a batch is spread over
    replicas, B is the number of examples on one of them, and the mean loss of each replica is minimised: an objective
    that looks at the whole batch gathers it (`tfvae.replicas`).
    """

    whole_batch = False  # whether it gathers the batch over replicas

    @property
    def monitor(self) -> str:
        """Name the logged value, elbo or reconstruction, that chooses the best epoch; bigger is better."""
        return "elbo"

    @property
    def schedule(self) -> Schedule | None:
        """Give the number that changes with the step, for figures of a training; None where there is none."""
        return None

    def __call__(self, given: Given) -> Terms:
        """Measure a batch: the loss to minimise, and the two terms of the ELBO."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def get_config(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]  # each one is a dataclass

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


def weigh(weight: Any, term: tf.Tensor) -> Any:
    """Multiply a term by its weight; give 0 where the weight is the number 0, as the KL of a point is infinite."""
    return 0.0 if isinstance(weight, (int, float)) and not weight else weight * term


def log_mean_exp(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Give log mean exp(values) along one axis; TFP's own fails on a replica that has no examples."""
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)
