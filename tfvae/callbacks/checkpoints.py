"""`Checkpoints`: the callback that keeps what a run needs to go on, and the model of its best epoch."""

import json
import math
import os
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfvae import data, files, replicas
from tfvae.callbacks import best_epoch, callback_state, finite
from tfvae.callbacks.saved_checkpoint import Saved, step_of

__all__ = ["Checkpoints", "Terminated"]

KEPT = 2  # checkpoints

Logs = dict[str, Any] | None


class Terminated(SystemExit):
    """The process was told to end, and has saved; its status is that of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(143)


class Checkpoints(keras.callbacks.Callback):
    """Keeps what a run needs to go on: after each epoch, and when `terminate` was set, as by a handler of SIGTERM.

    `folder/best.keras` is the model where `monitor` was highest. `folder/step-N` holds weights, optimizer, position in
    the data, the metrics so far, the best so far and the state of other callbacks; the last `KEPT` are kept. All is
    written beside and renamed: what stands there is whole. Of several workers the chief writes.

    What is not finite is not kept: the first epoch after which `monitor` or a weight is infinite or none ends training,
    and the checkpoint before it stays the last.

    It comes after the other callbacks, whose state it keeps (`callback_state`).

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

    def __init__(
        self,
        folder: str | os.PathLike,
        monitor: str = "val_elbo",
        position: data.Position | None = None,
        others: Iterable[keras.callbacks.Callback] = (),
        saved: Saved | None = None,
        batches: tf.data.Dataset | None = None,
    ):
        super().__init__()
        self.folder, self.monitor, self.others, self.saved = pathlib.Path(folder), monitor, list(others), saved
        self.position, self.batches = position, batches
        self.best = -float("inf")
        self.best_epoch: int | None = None
        self.terminate = False
        self._epoch = self._offset = 0  # the epoch that runs; its steps that an earlier process did
        self._state = tf.Variable("", trainable=False)
        self._arrays = tf.Variable(tf.zeros([0], tf.string), shape=[None], trainable=False)
        self._good: tuple[str, int] | None = None  # path of the last good checkpoint, and step of the epoch
        self._start: list[tuple[tf.Variable, Any]] = []  # before there is one: the values with which training began

    def on_train_begin(self, logs: Logs = None) -> None:
        if not replicas.is_chief(
            self.model.distribute_strategy
        ):  # takes part, for replicas answer together, but what it writes is not kept
            self._own = tempfile.TemporaryDirectory()
            self.folder = pathlib.Path(self._own.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = {"vae": self.model, "state": self._state, "arrays": self._arrays}
        self._checkpoint = tf.train.Checkpoint(**parts, **({"position": self.position} if self.position else {}))
        self._note_what_is_there()
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self.folder), max_to_keep=KEPT, checkpoint_name="step"
        )
        self._good, self._start = None, []
        if self.saved is not None:
            self._restore(self.saved)
        elif self.batches is not None:
            self._start = [(variable, variable.numpy()) for variable in self._variables()]

    def _note_what_is_there(self) -> None:
        """Write the file by which TensorFlow knows of checkpoints: its own may be damaged, and name damaged ones."""
        (self.folder / "checkpoint").unlink(missing_ok=True)
        there = sorted(self.folder.glob("step-*.index"), key=step_of)
        if self.saved is not None:
            last = step_of(pathlib.Path(self.saved.path))
            paths = [path for path in there if step_of(path) <= last]
            if paths:  # of workers but the chief there are none
                names, times = [str(path.with_suffix("")) for path in paths], [path.stat().st_mtime for path in paths]
                note = tf.compat.v1.train.generate_checkpoint_state_proto(str(self.folder), names[-1], names, times)
                files.write_text(self.folder / "checkpoint", str(note))

    def _restore(self, saved: Saved) -> None:
        self._epoch, self._offset = saved.state["epoch"], saved.state["step"]
        self.best, self.best_epoch = saved.state["best"], saved.state["best_epoch"]
        self._good = saved.path, self._offset
        self._go_back()
        states = callback_state.unpack(saved.state["callbacks"], saved.arrays)
        callback_state.restore(self.others, states)

    def _go_back(self) -> None:
        """Go back to the last good checkpoint, or to where training began."""
        if self._good is None:
            for variable, value in self._start:
                variable.assign(value)
            return
        path, step = self._good
        self._checkpoint.restore(path).assert_existing_objects_matched()
        if self.position and step:
            self.position.passes.assign_sub(1)
            self.position.skip.assign(step)

    def _variables(self) -> tuple[tf.Variable, ...]:
        position = (self.position.passes, self.position.skip) if self.position else ()
        return (*self.model.weights, *self.model.optimizer.variables, *position)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.saved is not None and self._offset and epoch == self._epoch:  # Keras has set the metrics to zero
            for variable, value in zip(self._metric_variables(), self.saved.state["metrics"], strict=True):
                variable.assign(value)
        else:
            self._offset = 0
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        steps = self._offset + batch + 1
        if self._told_to_end() and steps < (self.params["steps"] or math.inf):  # the last waits for the epoch's end
            if finite.first_variable(self.model) is None:  # else a run that goes on will find it, and say so
                self._save(self._epoch, steps)
            raise Terminated

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            raise ValueError(f"no value {self.monitor!r} is logged to choose the best epoch by, only {sorted(logs)}")
        self._check_finite(epoch, value, logs.get("loss", 0.0))
        if value > self.best:
            self.best, self.best_epoch = float(value), epoch + 1
            best_epoch.save_model(self.model, self.folder / best_epoch.FILE)
        self._save(epoch + 1, 0)
        if self._told_to_end() and epoch + 1 < self.params["epochs"]:
            raise Terminated

    def _check_finite(self, epoch: int, value: float, loss: float) -> None:
        """Raise `NotFinite` where the logged value, or a weight, is not finite."""
        variable = finite.first_variable(self.model)
        if variable is None and math.isfinite(value):
            return
        where = f"{self.monitor} is {value}" if variable is None else f"{variable} holds infinite numbers or none"
        in_training = variable is not None or not math.isfinite(loss)
        if in_training and self.batches is not None and not replicas.has_several(self.model.distribute_strategy):
            self._go_back()
            where = finite.first_step(self.model, self.batches) or where
        raise finite.NotFinite(f"epoch {epoch + 1} is not finite: {where}")

    def _save(self, epoch: int, step: int) -> None:
        """Write a checkpoint: so many epochs are done, and so many steps of the next."""
        callbacks, arrays = callback_state.pack(self.others)
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
        self._good, self._start = (path, step), []

    def _metric_variables(self) -> list[Any]:
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _told_to_end(self) -> bool:
        """Return whether this process was told to end; of several workers, whether any of them was."""
        strategy = self.model.distribute_strategy
        if not replicas.has_several_workers(strategy):
            return self.terminate
        told = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(int(self.terminate)))
        return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None))
