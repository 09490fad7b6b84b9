"""What running steps takes of a model: the `Trainer`, as the modules below it see it."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from tfvae.compatibility import VAELike
from tfvae.objectives import Objective

__all__ = ["Trainable"]


class Trainable(VAELike, Protocol):
    """A Keras model whose steps tfvae runs: a VAE."""

    objective: Objective
    optimizer: keras.optimizers.Optimizer
    jit_compile: bool
    run_eagerly: bool
    steps_per_execution: int
    distribute_strategy: tf.distribute.Strategy
    non_trainable_variables: list[Any]
    programs: dict[Any, Callable[..., Any]]
    gradients: Callable[..., Any]
    get_metrics_result: Callable[[], dict[str, tf.Tensor]]
