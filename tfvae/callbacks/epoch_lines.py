"""A callback that tells how far training has come: see `progress`."""

import time
from typing import Any

import keras

from tfvae import progress

__all__ = ["EpochLines"]


class EpochLines(keras.callbacks.Callback):
    """Tells the epoch and the step, and when an epoch ends what it logged, in a line to keep."""

    acts_on_groups = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()
        self._epoch = f"epoch {epoch + 1} of {self.params['epochs']}"
        progress.doing(self._epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params["steps"]  # a group of them may claim more
        progress.at(f"step {min(batch + 1, steps)} of {steps}" if steps else f"step {batch + 1}")

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        progress.at("validation")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = "".join(f"  {name} {value:.5g}" for name, value in (logs or {}).items())
        progress.line(f"{self._epoch}:{values}  {time.perf_counter() - self._start:.1f} s")
