"""The progress bar of steps that run in groups."""

import keras

__all__ = ["Progress"]


class Progress(keras.callbacks.ProgbarLogger):
    """Keras' progress bar, which shows the steps that were taken: Keras counts the last group as if it were full."""

    acts_on_groups = True

    def on_epoch_begin(self, epoch, logs=None):
        self._before = getattr(self.model.train_function, "steps", 0)
        super().on_epoch_begin(epoch, logs)

    def on_test_begin(self, logs=None):
        self._before_test = getattr(self.model.test_function, "steps", 0)
        super().on_test_begin(logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(_last(self.model.train_function, self._before, batch), logs)

    def on_test_batch_end(self, batch, logs=None):
        super().on_test_batch_end(_last(self.model.test_function, self._before_test, batch), logs)

    def on_predict_batch_end(self, batch, logs=None):
        super().on_predict_batch_end(min(batch, self.target - 1) if self.target else batch, logs)


def _last(function, before, batch):
    """Index of the last step; `batch` is Keras' own, for functions that do not count their steps."""
    return function.steps - before - 1 if hasattr(function, "steps") else batch
