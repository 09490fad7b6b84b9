"""The progress bar of steps that run in groups."""

from typing import Any

import keras

__all__ = ["ProgressBar"]

Logs = dict[str, Any] | None


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' progress bar, which shows the steps that were taken: Keras counts the last group as if it were full."""

    acts_on_groups = True

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._before = self.model.train_function.steps
        super().on_epoch_begin(epoch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._before_test = self.model.test_function.steps
        super().on_test_begin(logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(self.model.train_function.steps - self._before - 1, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_test_batch_end(self.model.test_function.steps - self._before_test - 1, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_predict_batch_end(min(batch, self.target - 1) if self.target else batch, logs)
