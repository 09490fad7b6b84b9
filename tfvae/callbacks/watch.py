"""Callbacks that look at a VAE while it trains: what its units do, whether gradients are sound, what it draws.

They act between epochs, so steps still run in groups. In a run folder they write there, and go on after an
interruption; `training` tells them where they are, by `in_run`. Elsewhere they are given data, and a folder.
"""

import itertools
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from tfvae import evaluation, figures, random, replicas
from tfvae.programs import program

__all__ = ["Pictures", "Watch"]

LEAST_KL = 0.1  # nats per example, of all units together
SINGLE = 50  # units that have a curve each in TensorBoard
COLUMNS = 10  # of pictures
KNOWN = ("active_units", "gradient_norm", "nonfinite_gradients", "named")  # to a `Watch`


class _Looking(keras.callbacks.Callback):
    """What both have: data to look at, a folder to write to, and who writes.

    Attributes:
        batch: some data of the training, as loaded; a pair, of a conditional VAE.
        data: data to look at, the same or that of the validation: `tf.data`, or as `batch`.
        folder: path to write to, or None.
    """

    acts_on_groups = True

    def __init__(self, data, folder):
        super().__init__()
        self.data, self.folder = data, None if folder is None else pathlib.Path(folder)
        self.batch, self._writer = None, None

    def in_run(self, run, batch, validation=None):
        """Told by `training` before `fit`: the run folder, the first batch, and validation data or None."""
        if self.folder is None:
            self.folder = pathlib.Path(run)
        self.batch = batch
        if self.data is None:
            self.data = batch if validation is None else validation

    def on_train_begin(self, logs=None):
        if self.data is None:
            name = type(self).__name__
            raise ValueError(f"{name} has no data to look at: outside of a run folder make it as {name}(data=x)")
        self._chief = replicas.is_chief(self.model.distribute_strategy)

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def examples(self, count):
        """The first `count` examples, or as many as there are: a tensor, or a pair."""
        if not isinstance(self.data, tf.data.Dataset):
            return tf.nest.map_structure(lambda part: tf.convert_to_tensor(part[:count]), self.data)
        return next(iter(self.data.unbatch().batch(count)))

    def summaries(self):
        """Context in which `tf.summary` writes below RUN/tensorboard; None without a folder, or where others write."""
        if self.folder is None or not self._chief:
            return None
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder / "tensorboard" / type(self).__name__.lower()))
        return self._writer.as_default()


class Watch(_Looking):
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

    def __init__(self, every: int = 1, patience: int = 5, examples: int = 1000, data=None, folder=None):
        super().__init__(data, folder)
        _at_least_one(every=every, patience=patience, examples=examples)
        self.every, self.patience, self.looked_at = every, patience, examples
        self.active_units = self.gradient_norm = self.nonfinite_gradients = None
        self.named = False  # whether collapse was

    def get_state(self):
        """What it saw last, and whether it has named a collapse: for a run that goes on."""
        return {name: getattr(self, name) for name in KNOWN}

    def set_state(self, state):
        vars(self).update(state)

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0 or self.active_units is None:
            self._look(epoch, {} if logs is None else logs)
        if logs is not None:
            logs["active_units"] = self.active_units
            logs["gradient_norm"] = self.gradient_norm
            logs["nonfinite_gradients"] = self.nonfinite_gradients

    def _look(self, epoch, logs):
        units = evaluation.latent_units(self.model, self.examples(self.looked_at))
        self.active_units = float(units.active.sum())
        norm, nonfinite = self._gradient()
        self.gradient_norm, self.nonfinite_gradients = float(norm), float(nonfinite)
        self._name_collapse(epoch, len(units.active), self._kl(units, logs))
        writing = self.summaries() if units.kl is not None else None
        if writing is not None:
            with writing:
                _summarise(units.kl, epoch)
            self._writer.flush()

    def _kl(self, units, logs):
        """KL of all units, nats per example; as logged, where units have none of their own."""
        return float(units.kl.sum()) if units.kl is not None else logs.get("val_kl", logs.get("kl", np.inf))

    def _gradient(self):
        """Norm and number of non-finite values of the gradient of one batch's mean loss."""
        vae, batch = self.model, self.batch
        if batch is None:
            batch = self.examples(100)
        kept = [(variable, variable.numpy()) for variable in vae.non_trainable_variables]  # moving averages
        key = (Watch, vae.jit_compile)
        if key not in vae.programs:
            vae.programs[key] = program(_norm_of(vae), jit_compile=vae.jit_compile, autograph=False)
        norm = _norm_of(vae) if vae.run_eagerly else vae.programs[key]
        found = norm(batch, random.seed(vae.seed, random.Stream.EVALUATION))
        for variable, value in kept:
            variable.assign(value)
        return found

    def _name_collapse(self, epoch, n, kl):
        few = self.active_units < max(1, n / 10)
        if self.named or epoch + 1 < self.patience or not (few or kl < LEAST_KL):
            return
        self.named = True
        if self._chief:
            print(
                f"posterior collapse: after epoch {epoch + 1} {self.active_units:.0f} of {n} latent units are active, "
                f"the KL is {kl:.2f} nats per example, so the decoder hears little of x. Try a KL warm-up "
                "(objective.ELBO.warmup_steps), free bits (objective.FreeBits), a lower beta, or a less powerful "
                "decoder.",
                file=sys.stderr,
            )


def _norm_of(vae):
    """-> function(data, seed): norm of the gradient of the data's mean loss, and its number of non-finite values."""

    def norm(data, seed):
        rows = tf.shape(tf.nest.flatten(data)[0])[0]
        gradients = vae.gradients(data, seed, rows)[1]
        scale = vae.optimizer.scale_loss(tf.constant(1.0))  # of the loss, under mixed precision
        flat = tf.concat([tf.reshape(tf.cast(g, tf.float32), [-1]) for g in gradients if g is not None], axis=0) / scale
        return tf.norm(flat), tf.reduce_sum(tf.cast(~tf.math.is_finite(flat), tf.int32))

    return norm


def _summarise(kl, epoch):
    """KL of units `[n]`, nats: a histogram, and a curve for each of the first `SINGLE`."""
    tf.summary.histogram("kl_per_unit", kl, step=epoch)
    for j, value in itertools.islice(enumerate(kl), SINGLE):
        tf.summary.scalar(f"kl_per_unit/{j:02d}", value, step=epoch)


class Pictures(_Looking):
    """Draws fixed examples, their reconstructions, and samples of fixed noise while a VAE of images trains.

    After the first epoch, each `every` epochs and the last to RUN/pictures/epoch_0005.png and to TensorBoard; `tfvae
    plot` makes a GIF of them. A run that goes on keeps the pictures of its earlier epochs. For data that are no images
    it says so once and does nothing.

    Args:
        every: epochs between two pictures.
        data: examples to draw, for use outside of a run folder: an array, a pair, or `tf.data`.
        folder: where `pictures` and `tensorboard` are written; in a run, the run's.
    """

    def __init__(self, every: int = 5, data=None, folder=None):
        super().__init__(data, folder)
        _at_least_one(every=every)
        self.every = every

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.folder is None:
            raise ValueError("Pictures has no folder: outside of a run folder make it as Pictures(data=x, folder=path)")
        try:
            figures.event_of_images(self.model)
        except figures.NotApplicable as reason:
            print(f"Pictures draws nothing: {reason}", file=sys.stderr)
            self._chief = False

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs")
        if self._chief and (epoch == 0 or last or (epoch + 1) % self.every == 0):
            seed = random.seed(self.model.seed, random.Stream.SAMPLING)
            figure = figures.progress(self.model, self.examples(COLUMNS), seed, f"Epoch {epoch + 1}")
            path = figures.write(figure, self.folder / "pictures" / f"epoch_{epoch + 1:04d}.png")
            with self.summaries():
                tf.summary.image("pictures", tf.io.decode_png(path.read_bytes(), channels=3)[None], step=epoch)
            self._writer.flush()


def _at_least_one(**numbers):
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
