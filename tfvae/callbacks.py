"""Callbacks for `fit`."""

import os
import pathlib

import keras

__all__ = ["Checkpoints"]


class Checkpoints(keras.callbacks.Callback):
    """After each epoch, the model in `folder/last.keras`; where `monitor` rose, in `folder/best.keras` too.

    A file is written beside and renamed: what stands there is always whole.

    Args:
        folder: made if it is missing.
        monitor: name of a logged value, bigger is better.
    """

    def __init__(self, folder, monitor="val_elbo"):
        super().__init__()
        self.folder, self.monitor = pathlib.Path(folder), monitor
        self.best, self.best_epoch = -float("inf"), None

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(
                f"no value {self.monitor!r} is logged to choose the best epoch by, only {sorted(logs or {})}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        save(self.model, self.folder / "last.keras")
        if value > self.best:
            self.best, self.best_epoch = value, epoch + 1
            save(self.model, self.folder / "best.keras")


def save(model, path):
    """`model.save`, beside first and then renamed."""
    partial = path.with_name(f".partial-{path.name}")
    model.save(partial)
    os.replace(partial, path)
