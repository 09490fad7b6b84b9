"""Callbacks for `fit`: what a run needs to go on (here), and what one looks at while it trains (`watch`)."""

import json
import math
import pathlib
import re
import tempfile
import zipfile
import zlib

import keras
import numpy as np
import tensorflow as tf

from tfvae import files, replicas
from tfvae.callbacks import finite, state
from tfvae.callbacks.finite import NotFinite
from tfvae.callbacks.telling import Telling
from tfvae.callbacks.watch import Pictures, Watch

__all__ = ["Checkpoints", "NotFinite", "Pictures", "Saved", "Telling", "Terminated", "Watch", "check", "latest"]

KEPT = 2  # checkpoints
MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}  # of a .keras file


class Terminated(SystemExit):
    """The process was told to end, and has saved; its status is that of SIGTERM."""

    def __init__(self):
        super().__init__(143)


class Saved:
    """A checkpoint that is whole.

    Attributes:
        path: of its files, without what they end in.
        state: epochs done; steps done of the one after; `best` and `best_epoch`; whether training had `stopped`; the
            metrics so far; what other callbacks know, as `callbacks.state` packs it.
        arrays: of those callbacks.
        damaged: what is wrong with later ones, which cannot be read.
    """

    def __init__(self, path, state, arrays, damaged):
        self.path, self.state, self.arrays, self.damaged = path, state, arrays, damaged


def latest(folder):
    """The latest `Saved` of a folder whose every value can be read, and is finite; None where none was ever finished.

    Raises:
        ValueError: where there were some, and none can be read; it names the files.
    """
    folder = pathlib.Path(folder)
    names = [re.fullmatch(r"step-(\d+)\.(index|data-.*)", path.name) for path in folder.glob("step-*")]
    damaged = []
    for number in sorted({int(name[1]) for name in names if name}, reverse=True):
        path = folder / f"step-{number}"
        try:
            return Saved(str(path), *_read(path), damaged)
        except ValueError as error:
            damaged.append(str(error))
    if any(name and name[2] == "index" for name in names) or (folder / "checkpoint").exists():
        reasons = "; ".join(damaged) or "they are missing"
        raise ValueError(
            f"no checkpoint in {folder} can be read: {reasons}. Put back a copy of them, or train in another run folder"
        )
    return None


def _number(path):
    """The N of step-N."""
    return int(path.stem.split("-")[1])


def _read(path):
    """State and arrays of a checkpoint, of which every value was read.

    Raises:
        ValueError: names what is damaged, or missing.
    """
    index, data = path.with_suffix(".index"), sorted(path.parent.glob(f"{path.name}.data-*"))
    for file, there in ((index, index.is_file()), (f"{path}.data-00000-of-00001", data)):
        if not there:
            raise ValueError(f"{file} is missing")
    file = index
    try:
        reader = tf.train.load_checkpoint(str(path))
        types = reader.get_variable_to_dtype_map()
        file = data[0]
        for name, dtype in types.items():
            value = reader.get_tensor(name)
            if dtype.is_floating and not np.isfinite(value).all():
                raise ValueError(f"{path} holds numbers that are not finite")
        known, arrays = (reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE") for name in ("state", "arrays"))
        return json.loads(known), list(arrays)
    except (tf.errors.OpError, LookupError, RuntimeError, UnicodeDecodeError):  # the damage may be anywhere
        raise ValueError(f"{file} is damaged") from None


class Checkpoints(keras.callbacks.Callback):
    """Keeps what a run needs to go on: after each epoch, and when `terminate` was set, as by a handler of SIGTERM.

    `folder/best.keras` is the model where `monitor` was highest. `folder/step-N` holds weights, optimizer, position in
    the data, the metrics so far, the best so far and the state of other callbacks; the last `KEPT` are kept. All is
    written beside and renamed: what stands there is whole. Of several workers the chief writes.

    What is not finite is not kept: the first epoch after which `monitor` or a weight is infinite or none ends training,
    and the checkpoint before it stays the last.

    It comes after the other callbacks, whose state it keeps (`callbacks.state`).

    Args:
        folder: made if it is missing.
        monitor: name of a logged value, bigger is better.
        position: `data.Position` of the training data, for runs that go on.
        others: callbacks whose state is kept.
        saved: what to go on from, or None.
        batches: the training data, as one pass of it gives them; where training ceases to be finite, they are read once
            more to find the step.

    Raises:
        NotFinite: from `fit`; it names the epoch, and where it can the step and the tensor.
    """

    acts_on_groups = True

    def __init__(self, folder, monitor="val_elbo", position=None, others=(), saved=None, batches=None):
        super().__init__()
        self.folder, self.monitor, self.others, self.saved = pathlib.Path(folder), monitor, list(others), saved
        self.position, self.batches = position, batches
        self.best, self.best_epoch = -float("inf"), None
        self.terminate = False
        self._epoch = self._offset = 0  # the epoch that runs; its steps that an earlier process did
        self._state = tf.Variable("", trainable=False)
        self._arrays = tf.Variable(tf.zeros([0], tf.string), shape=[None], trainable=False)

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        self._chief = replicas.is_chief(strategy)
        if not self._chief:  # takes part, for replicas answer together, but what it writes is not kept
            self._own = tempfile.TemporaryDirectory()
            self.folder = pathlib.Path(self._own.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = {"vae": self.model, "state": self._state, "arrays": self._arrays}
        self._checkpoint = tf.train.Checkpoint(**parts, **({"position": self.position} if self.position else {}))
        self._note_what_is_there()
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self.folder), max_to_keep=KEPT, checkpoint_name="step"
        )
        self._good, self._start = None, None  # (path, step of the epoch), or, before there is one, values
        if self.saved is not None:
            self._restore(self.saved)
        elif self.batches is not None:
            self._start = [(variable, variable.numpy()) for variable in self._variables()]

    def _note_what_is_there(self):
        """Writes the file by which TensorFlow knows of checkpoints: its own may be damaged, and name damaged ones."""
        (self.folder / "checkpoint").unlink(missing_ok=True)
        there = sorted(self.folder.glob("step-*.index"), key=_number)
        if self.saved is not None:
            last = _number(pathlib.Path(self.saved.path))
            paths = [path for path in there if _number(path) <= last]
            if paths:  # of workers but the chief there are none
                names, times = [str(path.with_suffix("")) for path in paths], [path.stat().st_mtime for path in paths]
                note = tf.compat.v1.train.generate_checkpoint_state_proto(str(self.folder), names[-1], names, times)
                files.write_text(self.folder / "checkpoint", str(note))

    def _restore(self, saved):
        self._epoch, self._offset = saved.state["epoch"], saved.state["step"]
        self.best, self.best_epoch = saved.state["best"], saved.state["best_epoch"]
        self._good = saved.path, self._offset
        self._go_back()
        state.tell(self.others, state.unpacked(saved.state["callbacks"], saved.arrays))

    def _go_back(self):
        """To the last good checkpoint, or where training began."""
        if self._good is None:
            for variable, value in self._start:
                variable.assign(value)
            return
        path, step = self._good
        self._checkpoint.restore(path).assert_existing_objects_matched()
        if self.position and step:
            self.position.passes.assign_sub(1)
            self.position.skip.assign(step)

    def _variables(self):
        position = (self.position.passes, self.position.skip) if self.position else ()
        return (*self.model.weights, *self.model.optimizer.variables, *position)

    def on_epoch_begin(self, epoch, logs=None):
        if self._offset and epoch == self._epoch:  # Keras has set the metrics to zero
            for variable, value in zip(self._metric_variables(), self.saved.state["metrics"], strict=True):
                variable.assign(value)
        else:
            self._offset = 0
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self._offset + batch + 1
        if self._told_to_end() and steps < (self.params["steps"] or math.inf):  # the last waits for the epoch's end
            if finite.first_variable(self.model) is None:  # else a run that goes on will find it, and say so
                self._save(self._epoch, steps)
            raise Terminated

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(
                f"no value {self.monitor!r} is logged to choose the best epoch by, only {sorted(logs or {})}"
            )
        self._check_finite(epoch, value, logs.get("loss", 0.0))
        if value > self.best:
            self.best, self.best_epoch = float(value), epoch + 1
            save(self.model, self.folder / "best.keras")
        self._save(epoch + 1, 0)
        if self._told_to_end() and epoch + 1 < self.params["epochs"]:
            raise Terminated

    def _check_finite(self, epoch, value, loss):
        variable = finite.first_variable(self.model)
        if variable is None and math.isfinite(value):
            return
        where = f"{self.monitor} is {value}" if variable is None else f"{variable} holds infinite numbers or none"
        in_training = variable is not None or not math.isfinite(loss)
        if in_training and self.batches is not None and not replicas.has_several(self.model.distribute_strategy):
            self._go_back()
            where = finite.first_step(self.model, self.batches) or where
        raise finite.NotFinite(f"epoch {epoch + 1} is not finite: {where}")

    def _save(self, epoch, step):
        callbacks, arrays = state.packed(self.others)
        known = {
            "epoch": epoch,
            "step": step,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped": bool(self.model.stop_training),
            "metrics": [float(keras.ops.convert_to_numpy(variable)) for variable in self._metric_variables()],
            "callbacks": callbacks,
        }
        self._state.assign(json.dumps(known))
        self._arrays.assign(tf.constant(arrays, tf.string, [len(arrays)]))
        path = self._manager.save(checkpoint_number=int(self.model.optimizer.iterations.numpy()))
        for file in self.folder.glob(f"{pathlib.Path(path).name}.*"):
            files.sync(file)
        self._good, self._start = (path, step), None

    def _metric_variables(self):
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _told_to_end(self):
        """Whether this process was told to end; of several workers, whether any of them was."""
        strategy = self.model.distribute_strategy
        if not replicas.has_several_workers(strategy):
            return self.terminate
        told = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(int(self.terminate)))
        return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None))


def save(model, path):
    """`model.save`, beside first and then renamed."""
    with files.beside(path) as partial:
        model.save(partial)


def check(path):
    """Reads a model's file through.

    Raises:
        ValueError: when it is damaged or no such file; it names it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() or next(iter(MEMBERS - set(archive.namelist())), None)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if damaged:
        raise ValueError(f"{path} is damaged (in {damaged})")
