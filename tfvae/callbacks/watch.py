"""`Watch`: the callback that looks at a VAE while it trains: what its units do, and whether gradients are sound.

It acts between epochs, so steps still run in groups.
"""

import itertools
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import evaluation, random
from tfvae.callbacks.looking import Looking, check_positive
from tfvae.programs import program

__all__ = ["Watch"]

MIN_KL = 0.1  # nats per example, of all units together
CURVES = 50  # units that have a curve each in TensorBoard
KEPT = ("active_units", "gradient_norm", "nonfinite_gradients", "named")  # attributes, in a checkpoint


class Watch(Looking):
    """Adds to the logs how many latent units are active, and whether gradients are sound; names posterior collapse.

    At the end of an epoch the logs (history.csv, TensorBoard, other callbacks) are given, of validation data or, where
    there is none, of the first training batch:

    - `active_units`: units whose posterior mean varies by more than 0.01 (Burda et al. 2015, arXiv:1509.00519);
    - `gradient_norm`: Euclidean norm of the gradient of the mean loss, of one fixed training batch;
    - `nonfinite_gradients`: how many of its numbers are infinite or none.

    The gradient is not that of a training step: steps run fused, and asking each would take time and memory from all.
    It is computed anew, once, after the epoch, with the weights as they then are and the same noise each time; so it
    costs about one step, and tells of a gradient that grows or breaks within an epoch only after it. Under several
    replicas each process computes that of the whole batch. Nothing that is trained, and no noise, is changed.

    The KL of each unit goes to TensorBoard, where posterior and prior have independent units.

    Posterior collapse (Bowman et al. 2015, arXiv:1511.06349; Lucas et al. 2019, arXiv:1911.02469) is named once, in one
    line on stderr, when from epoch `patience` on fewer than a tenth of the units, or none, are active, or the KL is
    below 0.1 nats per example.

    Args:
        every: epochs between two looks; in between the logs repeat the last values.
        patience: epochs before collapse is named.
        examples: how many are looked at.
        data: to look at, as loaded, for use outside of a run folder: an array, a pair, or `tf.data`.
        folder: where `tensorboard` is written; in a run, the run's; outside, unless given, nothing is.
    """

    def __init__(
        self,
        every: int = 1,
        patience: int = 5,
        examples: int = 1000,
        data: Any = None,
        folder: str | pathlib.Path | None = None,
    ):
        super().__init__(data, folder)
        check_positive(every=every, patience=patience, examples=examples)
        self.every, self.patience, self.looked_at = every, patience, examples
        self.active_units: float | None = None
        self.gradient_norm: float | None = None
        self.nonfinite_gradients: float | None = None
        self.named = False  # whether collapse was

    def get_state(self) -> dict[str, Any]:
        """Return what it saw last, and whether it has named a collapse: for a run that goes on."""
        return {name: getattr(self, name) for name in KEPT}

    def set_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch % self.every == 0 or self.active_units is None:
            self._look(epoch, {} if logs is None else logs)
        if logs is not None:
            logs["active_units"] = self.active_units
            logs["gradient_norm"] = self.gradient_norm
            logs["nonfinite_gradients"] = self.nonfinite_gradients

    def _look(self, epoch: int, logs: dict[str, Any]) -> None:
        units = evaluation.latent_units(self.model, self.examples(self.looked_at))
        self.active_units = float(units.active.sum())
        norm, nonfinite = self._gradient()
        self.gradient_norm, self.nonfinite_gradients = float(norm), float(nonfinite)
        # the KL of all units, nats per example; as logged, where units have none of their own
        kl = float(units.kl.sum()) if units.kl is not None else logs.get("val_kl", logs.get("kl", np.inf))
        self._name_collapse(epoch, self.active_units, len(units.active), kl)
        if units.kl is not None:
            with self.summaries():
                _summarise(units.kl, epoch)

    def _gradient(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the norm, and the number of non-finite values, of the gradient of one batch's mean loss."""
        vae, batch = self.model, self.batch
        if batch is None:
            batch = self.examples(100)
        averages = [(variable, variable.numpy()) for variable in vae.non_trainable_variables]
        key = (Watch, vae.jit_compile)
        if key not in vae.programs:
            vae.programs[key] = program(_norm_of(vae), jit_compile=vae.jit_compile, autograph=False)
        norm = _norm_of(vae) if vae.run_eagerly else vae.programs[key]
        found = norm(batch, random.seed(vae.seed, random.Stream.EVALUATION))
        for variable, value in averages:
            variable.assign(value)
        return found

    def _name_collapse(self, epoch: int, active: float, n: int, kl: float) -> None:
        """Say once, in a line, that of `n` units few are active, or that the KL, nats, is low."""
        few = active < max(1, n / 10)
        if self.named or epoch + 1 < self.patience or not (few or kl < MIN_KL):
            return
        self.named = True
        if self._writes:
            print(
                f"posterior collapse: after epoch {epoch + 1} {active:.0f} of {n} latent units are active, "
                f"the KL is {kl:.2f} nats per example, so the decoder hears little of x. Try a KL warm-up "
                "(objective.ELBO.warmup_steps), free bits (objective.FreeBits), a lower beta, or a less powerful "
                "decoder.",
                file=sys.stderr,
            )


def _norm_of(vae: keras.Model) -> Callable[[Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function(data, seed): norm of the gradient of the data's mean loss, and number of non-finite values."""

    def norm(data: Any, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.shape(tf.nest.flatten(data)[0])[0]
        gradients = vae.gradients(data, seed, rows)[1]
        scale = vae.optimizer.scale_loss(tf.constant(1.0))  # of the loss, under mixed precision
        flat = tf.concat([tf.reshape(tf.cast(g, tf.float32), [-1]) for g in gradients if g is not None], axis=0) / scale
        return tf.norm(flat), tf.reduce_sum(tf.cast(~tf.math.is_finite(flat), tf.int32))

    return norm


def _summarise(kl: np.ndarray, epoch: int) -> None:
    """Write the KL of units `[n]`, nats: a histogram, and a curve for each of the first ones."""
    tf.summary.histogram("kl_per_unit", kl, step=epoch)
    for j, value in itertools.islice(enumerate(kl), CURVES):
        tf.summary.scalar(f"kl_per_unit/{j:02d}", value, step=epoch)
