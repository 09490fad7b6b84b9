"""`Scalars`: what epochs log, as curves for TensorBoard."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tensorboard.plugins.scalar import summary_v2

__all__ = ["Scalars"]

Logs = dict[str, Any] | None


class Scalars(keras.callbacks.Callback):
    """Writes what `keras.callbacks.TensorBoard` writes of epochs, to the same folders by the same names: all values of
    an epoch at once, for one by one they take as long as an epoch of a small table.

    Args:
        folder: `train` and `validation` are made in it.
    """

    acts_on_groups = True

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)  # of mixed precision
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        training = {f"epoch_{name}": value for name, value in logs.items() if not name.startswith("val_")}
        self._write("train", training | {"epoch_learning_rate": rate}, epoch)
        measured = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if measured:
            self._write("validation", {f"epoch_{name}": value for name, value in measured.items()}, epoch)

    def on_test_end(self, logs: Logs = None) -> None:
        values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
        self._write("validation", values, int(self.model.optimizer.iterations.numpy()))

    def on_train_end(self, logs: Logs = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write(self, split: str, values: Mapping[str, Any], step: int) -> None:
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self.folder / split))
        summaries = [summary_v2.scalar_pb(name, float(value)) for name, value in values.items()]
        whole = summaries[0]
        for summary in summaries[1:]:
            whole.MergeFrom(summary)
        with self._writers[split].as_default(step):
            tf.summary.experimental.write_raw_pb(whole.SerializeToString(), step)
