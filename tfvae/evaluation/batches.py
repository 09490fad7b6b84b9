"""Evaluation of all batches of a data set, by a compiled function of one; and estimates, a value for each example."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import compatibility, progress, random, replicas
from tfvae.data import disable_tuning
from tfvae.model import VAE
from tfvae.programs import program

__all__ = ["Estimate", "compile_function", "over_batches"]


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """Values `[N]`, one per example, nats."""

    values: np.ndarray

    @property
    def mean(self) -> float:
        """Give the mean over the examples, nats."""
        return float(np.mean(self.values, dtype=np.float64))

    @property
    def standard_error(self) -> float:
        """Give the standard error of the mean over the examples, nats."""
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
    check: Callable = compatibility.check_batch,
) -> np.ndarray:
    """Evaluate a function on all batches of data, by XLA unless the VAE was compiled otherwise.

    Args:
        vae: the model.
        function: (vae, setting, batch, seed int32 `[2]`) -> K values for each example, `[K, B]`.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        seed: integer. Each example's noise follows from it and from the example's index in the data.
        verbose: 1 shows a progress bar.
        setting: further argument of the function, which is compiled once for each; hashable.
        check: function (vae, batch) that raises a ValueError where a batch does not fit.

    Returns:
        `[K, N]`.

    Raises:
        ValueError: when there is no data, or by `check`.
    """
    run = functools.partial(function, vae, setting) if vae.run_eagerly else compile_function(vae, function, setting)
    if replicas.has_several(vae.distribute_strategy):
        run = replicas.over_replicas(vae.distribute_strategy, run)
    else:
        run = functools.partial(_run_alone, run)
    if not isinstance(data, tf.data.Dataset):
        data = disable_tuning(tf.data.Dataset.from_tensor_slices(data).batch(100))
    count = int(data.cardinality())
    bar = keras.utils.Progbar(count if count > 0 else None, verbose=verbose, unit_name="batch")
    of = f" of {count}" if count > 0 else ""
    progress.at(f"0{of} batches")  # the first compiles
    results, index = [], 0
    for batch in data:
        check(vae, batch)
        results.append(run(batch, functools.partial(_seed_row, seed, index)).numpy())
        index += results[-1].shape[1]
        bar.add(1)
        progress.at(f"{len(results)}{of} batches")
    if not results:
        raise ValueError("there is no data to evaluate")
    return np.concatenate(results, axis=1)


def _run_alone(run: Callable, batch: Any, seeds: Callable[[int], tf.Tensor]) -> tf.Tensor:
    return run(batch, seeds(0))


def _seed_row(seed: int, index: int, first: Any) -> tf.Tensor:
    """Give the seed of a batch's rows from `first` on, of a batch whose first example has this index in the data."""
    return random.seed(seed, random.Stream.EVALUATION, row=index + first)


def compile_function(vae: VAE, function: Callable, setting: Any) -> Callable:
    """Compile function(vae, setting, ...) once, and keep the program with the VAE: compiling takes seconds."""
    key = (function, setting, vae.jit_compile)
    if key not in vae.programs:
        partial = functools.partial(function, vae, setting)
        vae.programs[key] = program(partial, jit_compile=vae.jit_compile, autograph=False)
    return vae.programs[key]
