"""Callbacks for `fit`: what a run needs to go on (here), and what one looks at while it trains (`watch`)."""

import json
import math
import pathlib
import re
import tempfile

import keras
import tensorflow as tf

from tfvae import files
from tfvae.callbacks.telling import Telling
from tfvae.callbacks.watch import Pictures, Watch

__all__ = ["Checkpoints", "Pictures", "Saved", "Telling", "Terminated", "Watch", "latest"]

KEPT = 2  # checkpoints


class Terminated(SystemExit):
    """The process was told to end, and has saved; its status is that of SIGTERM."""

    def __init__(self):
        super().__init__(143)


class Saved:
    """A checkpoint that is whole.

    Attributes:
        path: of its files, without what they end in.
        state: epochs done; steps done of the one after; `best` and `best_epoch`; whether training had `stopped`; the
            numbers of other callbacks.
        damaged: paths of later ones, which cannot be read.
    """

    def __init__(self, path, state, damaged):
        self.path, self.state, self.damaged = path, state, damaged


def latest(folder):
    """The latest `Saved` of a folder whose every value can be read; None where there is none."""
    indices = [path for path in pathlib.Path(folder).glob("step-*.index")]
    numbered = sorted(indices, key=lambda path: int(re.search(r"-(\d+)\.index$", path.name)[1]), reverse=True)
    damaged = []
    for path in (str(index).removesuffix(".index") for index in numbered):
        try:
            reader = tf.train.load_checkpoint(path)
            values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
            return Saved(path, json.loads(values["state/.ATTRIBUTES/VARIABLE_VALUE"]), damaged)
        except (tf.errors.OpError, ValueError, LookupError, RuntimeError):  # as the damage may be anywhere
            damaged.append(path)
    return None


class Checkpoints(keras.callbacks.Callback):
    """Keeps what a run needs to go on: after each epoch, and when `terminate` was set, as by a handler of SIGTERM.

    `folder/best.keras` is the model where `monitor` was highest. `folder/step-N` holds weights, optimizer, position in
    the data, the metrics so far, the best so far and the state of other callbacks; the last `KEPT` are kept. All is
    written beside and renamed: what stands there is whole. Of several workers the chief writes.

    It comes after the other callbacks, whose state it keeps.

    Args:
        folder: made if it is missing.
        monitor: name of a logged value, bigger is better.
        position: `data.Position` of the training data, for runs that go on.
        others: callbacks whose numbers are kept.
        saved: what to go on from, or None.
    """

    acts_on_groups = True

    def __init__(self, folder, monitor="val_elbo", position=None, others=(), saved=None):
        super().__init__()
        self.folder, self.monitor, self.others, self.saved = pathlib.Path(folder), monitor, list(others), saved
        self.position = position
        self.best, self.best_epoch = -float("inf"), None
        self.terminate = False
        self._epoch = self._offset = 0  # the epoch that runs; its steps that an earlier process did
        self._state = tf.Variable("", trainable=False)

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        self._chief = not strategy.extended._in_multi_worker_mode() or strategy.extended._is_chief
        if not self._chief:  # takes part, for replicas answer together, but what it writes is not kept
            self._own = tempfile.TemporaryDirectory()
            self.folder = pathlib.Path(self._own.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = {"vae": self.model, "state": self._state}
        self._checkpoint = tf.train.Checkpoint(**parts, **({"position": self.position} if self.position else {}))
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self.folder), max_to_keep=KEPT, checkpoint_name="step"
        )
        if self.saved is not None:
            self._restore(self.saved)

    def _restore(self, saved):
        self._checkpoint.restore(saved.path).assert_existing_objects_matched()
        self._epoch, self._offset = saved.state["epoch"], saved.state["step"]
        self.best, self.best_epoch = saved.state["best"], saved.state["best_epoch"]
        for callback, values in zip(self.others, saved.state["callbacks"], strict=True):
            vars(callback).update(values)
        if self.position and self._offset:
            self.position.passes.assign_sub(1)
            self.position.skip.assign(self._offset)

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
            self._save(self._epoch, steps)
            raise Terminated

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(
                f"no value {self.monitor!r} is logged to choose the best epoch by, only {sorted(logs or {})}"
            )
        if value > self.best:
            self.best, self.best_epoch = float(value), epoch + 1
            save(self.model, self.folder / "best.keras")
        self._save(epoch + 1, 0)
        if self._told_to_end() and epoch + 1 < self.params["epochs"]:
            raise Terminated

    def _save(self, epoch, step):
        state = {
            "epoch": epoch,
            "step": step,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped": bool(self.model.stop_training),
            "metrics": [float(keras.ops.convert_to_numpy(variable)) for variable in self._metric_variables()],
            "callbacks": [_numbers(callback) for callback in self.others],
        }
        self._state.assign(json.dumps(state))
        self._manager.save(checkpoint_number=int(self.model.optimizer.iterations.numpy()))

    def _metric_variables(self):
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _told_to_end(self):
        """Whether this process was told to end; of several workers, whether any of them was."""
        strategy = self.model.distribute_strategy
        if not strategy.extended._in_multi_worker_mode():
            return self.terminate
        told = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(int(self.terminate)))
        return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None))


def _numbers(callback):
    """The attributes of a callback that JSON can hold: what an `EarlyStopping` has waited, and the like."""
    plain = {key: value for key, value in vars(callback).items() if isinstance(value, (bool, int, float))}
    numpy = {key: value.item() for key, value in vars(callback).items() if hasattr(value, "item") and not value.shape}
    return plain | numpy


def save(model, path):
    """`model.save`, beside first and then renamed."""
    with files.beside(path) as partial:
        model.save(partial)
