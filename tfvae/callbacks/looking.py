"""`Looking`: callbacks that look at data while a VAE trains, and write; `InRun`: how a run tells them of itself."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import keras
import tensorflow as tf

from tfvae import replicas

__all__ = ["InRun", "Looking", "check_positive"]


@runtime_checkable
class InRun(Protocol):
    """A callback that wants to know of the run in which it is."""

    def in_run(self, run: str | os.PathLike, batch: Any, validation: tf.data.Dataset | None = None) -> None:
        """Take the run folder, the first batch, and validation data or None; called by `training` before `fit`."""


class Looking(keras.callbacks.Callback):
    """Has data to look at, and a folder to write to, of which one process of a cluster writes: a base class.

    Attributes:
        batch: some data of the training, as loaded; a pair, of a conditional VAE.
        data: data to look at, the same or that of the validation: `tf.data`, or as `batch`.
        folder: path to write to, or None.
    """

    acts_on_groups = True

    def __init__(self, data: Any = None, folder: str | pathlib.Path | None = None):
        super().__init__()
        self.data, self.batch = data, None
        self.folder = None if folder is None else pathlib.Path(folder)
        self._writer: Any = None  # of summaries

    def in_run(self, run: str | os.PathLike, batch: Any, validation: tf.data.Dataset | None = None) -> None:
        if self.folder is None:
            self.folder = pathlib.Path(run)
        self.batch = batch
        if self.data is None:
            self.data = batch if validation is None else validation

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.data is None:
            name = type(self).__name__
            raise ValueError(f"{name} has no data to look at: outside of a run folder make it as {name}(data=x)")
        self._writes = replicas.is_chief(self.model.distribute_strategy)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def examples(self, count: int) -> Any:
        """Return the first `count` examples, or as many as there are: a tensor, or a pair."""
        if not isinstance(self.data, tf.data.Dataset):
            return tf.nest.map_structure(lambda part: tf.convert_to_tensor(part[:count]), self.data)
        return next(iter(self.data.unbatch().batch(count)))

    @contextlib.contextmanager
    def summaries(self) -> Iterator[None]:
        """Let `tf.summary`, within, write below RUN/tensorboard; it writes nothing without a folder, or where another
        process of a cluster writes."""
        if self.folder is None or not self._writes:
            with tf.summary.create_noop_writer().as_default():
                yield
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder / "tensorboard" / type(self).__name__.lower()))
        with self._writer.as_default():
            yield
        self._writer.flush()


def check_positive(**numbers: int) -> None:
    """Check that arguments, given by their names, are 1 or more; ValueError for one that is not."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
