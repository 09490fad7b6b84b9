"""What the checks here ask of a VAE, which is defined above them."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from tfvae.distributions import Conditional, Prior
from tfvae.preprocessing import PreprocessorView

__all__ = ["VAELike"]


class VAELike(Protocol):
    """The parts of a VAE, and how it reads data as loaded; `tfvae.VAE` says what each of them is."""

    preprocessor: keras.layers.Layer
    preprocessor_view: PreprocessorView
    encoder: keras.Model
    posterior: Conditional
    prior: Prior
    decoder: keras.Model
    likelihood: Conditional
    seed: int
    condition_size: int
    split: Callable[..., tuple[tf.Tensor, tf.Tensor | None]]
    preprocess: Callable[..., tf.Tensor]
    forget_programs: Callable[[], None]


Loaded = Any  # data as loaded: numbers `[B, ...]`, or a pair (x, condition)
