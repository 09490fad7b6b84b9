"""`Checkpoints`: the callback that keeps what a run needs to go on, and the model of its best epoch."""

import json
import math
import os
import pathlib
import tempfile
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfvae import data, files, replicas
from tfvae.callbacks import best_epoch, callback_state, finite
from tfvae.callbacks.saved_checkpoint import Saved, step_of
from tfvae.callbacks.snapshot import Snapshot, look

__all__ = ["Checkpoints", "Terminated"]

KEPT = 2  # checkpoints
MAX_NUMBERS = 2**24  # in variables that are kept in memory until they are written

Logs = dict[str, Any] | None


class Terminated(SystemExit):
    """The process was told to end, and has saved; its status is that of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(143)


class _Ended(NamedTuple):
    """What a checkpoint of an epoch's end is made of: variables, what else is known, and the callbacks' arrays."""

    snapshot: Snapshot
    known: dict[str, Any]
    arrays: list[bytes]


class Checkpoints(keras.callbacks.Callback):
    """Keeps what a run needs to go on: after the first epoch and the last, after others where the last that was written
    is `seconds` old, and when `terminate` was set, as by a handler of SIGTERM.

    Between, the last epoch is kept in memory, for writing takes longer than an epoch of a small table. `flush` writes
    it, which whoever calls `fit` does where that raises; so a process that is killed loses `seconds` of work. Of a
    large model, and with several workers, each epoch is written.

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
    seconds = 10.0

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
        self._start: Snapshot | None = None  # before there is one: the values with which training began
        self._ended: _Ended | None = None  # an epoch that is not written yet
        self._better: Snapshot | None = None  # the model of the best epoch, where it is not written yet
        self._written = -math.inf  # when the last checkpoint was

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
        self._good = self._start = self._ended = self._better = None
        self._written = -math.inf
        large = sum(math.prod(variable.shape) for variable in self._variables()) > MAX_NUMBERS
        self._each = large or replicas.has_several_workers(self.model.distribute_strategy)  # who write together
        if self.saved is not None:
            self._restore(self.saved)
        elif self.batches is not None:
            self._start = Snapshot.take(self._variables())

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
            if self._start is not None:
                self._start.put()
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
        all_finite, snapshot = look(self.model, self._variables())
        if not (all_finite and math.isfinite(value)):
            self._fail(epoch, value, logs.get("loss", 0.0))
        better, told, last = value > self.best, self._told_to_end(), epoch + 1 == (self.params or {}).get("epochs")
        if better:
            self.best, self.best_epoch, self._better = float(value), epoch + 1, snapshot
        if last or told or self.model.stop_training or self._is_due():
            if better:
                best_epoch.save_model(self.model, self.folder / best_epoch.FILE)
                self._better = None
            self._save(epoch + 1, 0)
        else:
            self._ended = _Ended(snapshot, *self._describe(epoch + 1, 0))
        if told and not last:
            raise Terminated

    def on_train_end(self, logs: Logs = None) -> None:
        self.flush()

    def flush(self) -> None:
        """Write the last epoch that ended, where it was not written; the model is left as it was then."""
        if self._ended is not None:
            self._ended.snapshot.put()
            self._write(self._ended.known, self._ended.arrays)

    def _is_due(self) -> bool:
        """Say whether an epoch is written, and not kept in memory."""
        return self._each or time.monotonic() >= self._written + self.seconds

    def _fail(self, epoch: int, value: float, loss: float) -> None:
        """Raise `NotFinite`, of an epoch whose logged value, or a weight, is not finite."""
        variable = finite.first_variable(self.model)
        self.flush()
        where = f"{self.monitor} is {value}" if variable is None else f"{variable} holds infinite numbers or none"
        in_training = variable is not None or not math.isfinite(loss)
        if in_training and self.batches is not None and not replicas.has_several(self.model.distribute_strategy):
            self._go_back()
            where = finite.first_step(self.model, self.batches) or where
        raise finite.NotFinite(f"epoch {epoch + 1} is not finite: {where}")

    def _save(self, epoch: int, step: int) -> None:
        """Write a checkpoint: so many epochs are done, and so many steps of the next."""
        self._write(*self._describe(epoch, step))

    def _describe(self, epoch: int, step: int) -> tuple[dict[str, Any], list[bytes]]:
        """Give what is known beside the variables, and the arrays of callbacks."""
        callbacks, arrays = callback_state.pack(self.others)
        known = {
            "epoch": epoch,
            "step": step,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped": bool(self.model.stop_training),
            # an epoch begins with none
            "metrics": [float(keras.ops.convert_to_numpy(value)) for value in self._metric_variables()] if step else [],
            "callbacks": callbacks,
        }
        return known, arrays

    def _write(self, known: dict[str, Any], arrays: list[bytes]) -> None:
        if self._better is not None:
            with self._better.put_for_a_while():
                best_epoch.save_model(self.model, self.folder / best_epoch.FILE)
            self._better = None
        self._state.assign(json.dumps(known))
        self._arrays.assign(tf.constant(arrays, tf.string, [len(arrays)]))
        path = self._manager.save(checkpoint_number=int(self.model.optimizer.iterations.numpy()))
        for file in self.folder.glob(f"{pathlib.Path(path).name}.*"):
            files.sync(file)
        self._good, self._start, self._ended = (path, known["step"]), None, None
        self._written = time.monotonic()

    def _metric_variables(self) -> list[Any]:
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _told_to_end(self) -> bool:
        """Return whether this process was told to end; of several workers, whether any of them was."""
        strategy = self.model.distribute_strategy
        if not replicas.has_several_workers(strategy):
            return self.terminate
        told = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(int(self.terminate)))
        return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None))
