"""Evaluation of all batches of a data set, by a compiled function of one."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import compatibility, progress, random, replicas
from tfvae.data import untuned
from tfvae.model import VAE

__all__ = ["Estimate", "compiled", "over_batches"]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Values `[N]`, one per example, nats."""

    values: np.ndarray

    @property
    def mean(self) -> float:
        """Mean over the examples, nats."""
        return float(np.mean(self.values, dtype=np.float64))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over the examples, nats."""
        if len(self.values) < 2:
            return math.nan
        with np.errstate(invalid="ignore"):  # a bound of -infinity has no spread
            return float(np.std(self.values, ddof=1, dtype=np.float64) / math.sqrt(len(self.values)))

    def __str__(self):
        return f"{self.mean:.2f} +- {self.standard_error:.2f} nats"


def over_batches(
    vae: VAE,
    function: Callable,
    data: Any,
    seed: int,
    verbose: int,
    setting: Any = None,
    check: Callable = compatibility.batch,
) -> np.ndarray:
    """function(vae, setting, batch, seed int32 [2]) -> [K, B] over all batches: [K, N].

    By XLA unless the VAE was compiled otherwise. Each example's noise follows from its index in the data. A batch that
    does not fit is a ValueError of `check`.
    """
    run = functools.partial(function, vae, setting) if vae.run_eagerly else compiled(vae, function, setting)
    if replicas.several(vae.distribute_strategy):
        run = replicas.over_replicas(vae.distribute_strategy, run)
    else:
        run = functools.partial(_alone, run)
    if not isinstance(data, tf.data.Dataset):
        data = untuned(tf.data.Dataset.from_tensor_slices(data).batch(100))
    count = int(data.cardinality())
    bar = keras.utils.Progbar(count if count > 0 else None, verbose=verbose, unit_name="batch")
    of = f" of {count}" if count > 0 else ""
    progress.at(f"0{of} batches")  # the first compiles
    results, index = [], 0
    for batch in data:
        check(vae, batch)
        seeds = lambda first, index=index: random.seed(seed, random.Stream.EVALUATION, row=index + first)  # noqa: E731
        results.append(run(batch, seeds).numpy())
        index += results[-1].shape[1]
        bar.add(1)
        progress.at(f"{len(results)}{of} batches")
    if not results:
        raise ValueError("there is no data to evaluate")
    return np.concatenate(results, axis=1)


def _alone(run, batch, seeds):
    return run(batch, seeds(0))


def compiled(vae: VAE, function: Callable, setting: Any) -> Callable:
    """function(vae, setting, ...) as a program, made once and kept with the VAE: compiling takes seconds."""
    key = (function, setting, vae.jit_compile)
    if key not in vae.programs:
        program = functools.partial(function, vae, setting)
        vae.programs[key] = tf.function(program, jit_compile=vae.jit_compile, autograph=False)
    return vae.programs[key]
