"""Several trainings of one VAE of a table, from other starts: its members share every program, and differ in weights.

A program takes longer to make than a small table takes to be learned. So there is one VAE, whose weights are drawn
anew for each member, and put back when a member is asked.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae import likelihoods, networks, posteriors, preprocessing, priors, progress
from tfvae.evaluation.anomaly_scores import score_rows
from tfvae.model import VAE
from tfvae.tables import Schema

__all__ = ["Training", "iterate_members", "make_vae", "train_members"]

Weights = list[np.ndarray]

HELD_OUT = 0.2  # of the rows, for each member others: they say when to stop
TINY = 40  # rows, below which none are held out: all rows say when to stop
STEPS = 50  # of a round at least, after which the held-out rows are looked at
ROWS_AT_ONCE = 512  # of the held-out ones
WORTH_XLA = 1000  # steps, from which on a faster program makes up for the seconds that XLA takes to make it


class Training(NamedTuple):
    """How members are trained.

    Attributes:
        members: how many.
        epochs: passes over the rows at most.
        patience: passes without a better ELBO of the held-out rows, after which a member is done.
        batch_size: rows of a step; of smaller tables all rows.
        learning_rate: of Adam.
        trim: share of the rows that a member leaves out, those with the lowest ELBO after its first round.
        samples: draws of z for the ELBO of a row.
        seed: integer.
    """

    members: int
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    trim: float
    samples: int
    seed: int


def make_vae(schema: Schema, latent_size: int, units: Sequence[int], seed: int) -> VAE:
    """Make a VAE of a table: a likelihood for each column by its kind, and dense layers of these widths."""
    preprocessor, size = preprocessing.Table(schema), len(schema.encoded)
    (seen,) = preprocessor.seen_shape((size,))
    return VAE(
        encoder=networks.mlp(seen, tuple(units)),
        posterior=posteriors.DiagonalNormal(latent_size),
        prior=priors.StandardNormal(latent_size),
        decoder=networks.mlp(latent_size, tuple(units)[::-1]),
        likelihood=likelihoods.table(size, schema),
        preprocessor=preprocessor,
        seed=seed,
    )


def train_members(vae: VAE, x: np.ndarray, training: Training) -> tuple[list[Weights], list[float]]:
    """Train members on rows x `[N, D]`.

    Args:
        vae: not compiled; it is left with the weights of the last member.
        x: as the VAE's schema encodes rows, NaN where missing.
        training: how.

    Returns:
        the weights of each member; the best ELBO of its held-out rows, nats.
    """
    plan = _plan(len(x), training)
    worth = plan.rounds * plan.passes * plan.kept // plan.batch * training.members >= WORTH_XLA
    vae.compile(keras.optimizers.Adam(training.learning_rate), jit_compile="auto" if worth else False)
    vae.adapt(x)
    vae.optimizer.build(vae.trainable_variables)
    state = [np.array(variable) for variable in vae.optimizer.variables]
    start = vae.get_weights()
    weights, elbos = [], []
    for member in range(training.members):
        progress.at(f"member {member + 1} of {training.members}")
        rng = np.random.default_rng([training.seed, member])
        vae.set_weights(start)
        _draw_kernels(vae, rng)
        for variable, value in zip(vae.optimizer.variables, state, strict=True):
            variable.assign(value)
        elbos.append(_train(vae, x, plan, training, rng))
        weights.append(vae.get_weights())
    return weights, elbos


def iterate_members(vae: VAE, weights: Sequence[Weights]) -> Iterator[VAE]:
    """Give the VAE with the weights of one member after the other."""
    for of_member in weights:
        vae.set_weights(of_member)
        yield vae


class _Plan(NamedTuple):
    """How the rows of a table are gone through."""

    held_out: int  # rows
    kept: int  # rows that are trained on after the first round
    batch: int  # rows of a step
    passes: int  # over the rows in a round
    rounds: int  # at most
    patience: int  # rounds


def _plan(rows: int, training: Training) -> _Plan:
    held_out = 0 if rows < TINY else round(HELD_OUT * rows)
    kept = rows - held_out - int(training.trim * (rows - held_out))
    batch = min(training.batch_size, kept)
    passes = min(training.epochs, math.ceil(STEPS * batch / kept))
    patience = math.ceil(training.patience / passes)
    return _Plan(held_out, kept, batch, passes, math.ceil(training.epochs / passes), patience)


def _train(vae: VAE, x: np.ndarray, plan: _Plan, training: Training, rng: np.random.Generator) -> float:
    """Train a member until its held-out rows get no better; give their best ELBO, whose weights are kept.

    What is common is learned first: after one round, rows that are unlike the others have the lowest ELBO, and those
    that are left out then are never learned. Han et al. 2024, arXiv:2408.09791.
    """
    order = rng.permutation(len(x))
    rows, held_out = x[order[plan.held_out :]], x[order[: plan.held_out]]
    if training.trim:
        vae.fit(_batches(rows, plan, rng), verbose=0)
        rows, held_out = (_trim(vae, part, training) if len(part) else part for part in (rows, held_out))
    stop = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=plan.patience, restore_best_weights=True)
    held_out = held_out if len(held_out) else rows
    at_once = min(len(held_out), ROWS_AT_ONCE)
    history = vae.fit(
        _batches(rows, plan, rng),
        validation_data=held_out[: len(held_out) // at_once * at_once],  # batches of one size are one program
        validation_batch_size=at_once,
        epochs=plan.rounds,
        callbacks=[stop],
        verbose=0,
    )
    return float(np.max(history.history["val_elbo"]))


def _batches(rows: np.ndarray, plan: _Plan, rng: np.random.Generator) -> tf.data.Dataset:
    """Give the batches of a round, all of one size: one program."""
    data = tf.data.Dataset.from_tensor_slices(rows).shuffle(len(rows), int(rng.integers(2**31)))
    return data.repeat(plan.passes).batch(plan.batch, drop_remainder=True)


def _trim(vae: VAE, rows: np.ndarray, training: Training) -> np.ndarray:
    """Give the rows without the share that has the lowest ELBO, in the same order."""
    odd = score_rows(vae, rows, training.samples, training.seed)["elbo"]
    kept = np.argsort(odd, kind="stable")[: len(rows) - int(training.trim * len(rows))]
    return rows[np.sort(kept)]


def _draw_kernels(vae: VAE, rng: np.random.Generator) -> None:
    """Draw all matrices of weights as Keras' dense layers start: Glorot and Bengio 2010, AISTATS."""
    for weight in vae.trainable_weights:
        if weight.name == "kernel":
            limit = math.sqrt(6.0 / sum(weight.shape))
            weight.assign(rng.uniform(-limit, limit, weight.shape))
