"""A callback that says how far training has come, to who asks: see `progress`."""

import time

import keras

from tfvae import progress

__all__ = ["Telling"]


class Telling(keras.callbacks.Callback):
    """Says the epoch and the step; and when an epoch ends, what it logged, in a line to keep."""

    acts_on_groups = True

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()
        self._epoch = f"epoch {epoch + 1} of {self.params['epochs']}"
        progress.doing(self._epoch)

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params["steps"]  # a group of them may claim more
        progress.at(f"step {min(batch + 1, steps)} of {steps}" if steps else f"step {batch + 1}")

    def on_test_begin(self, logs=None):
        progress.at("validation")

    def on_epoch_end(self, epoch, logs=None):
        values = "".join(f"  {name} {value:.5g}" for name, value in (logs or {}).items())
        progress.line(f"{self._epoch}:{values}  {time.perf_counter() - self._start:.1f} s")
