"""`Trainer`: a Keras model whose `compile`, `fit`, `evaluate` and `predict` are those of a VAE."""

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfvae import compatibility
from tfvae.trainer import xla
from tfvae.trainer.callbacks import add_progress_bar, list_callbacks, set_modes
from tfvae.trainer.feed import feed_batches, feed_groups
from tfvae.trainer.fit_arguments import FitData, check_arguments, check_counts, hold_out
from tfvae.trainer.group_size import choose_group_size
from tfvae.trainer.step_model import StepModel

__all__ = ["Trainer"]

BATCH_SIZE = 32  # of arrays, unless given: Keras' own


class Trainer(StepModel):
    """Abstract model whose steps run in groups, on arrays, `tf.data` and whatever else Keras takes."""

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Compile as `keras.Model` does, but that the objective is the loss, and its terms are the metrics.

        `jit_compile="auto"` is XLA where it is faster.

        Raises:
            ValueError: when a loss or metrics are given, or `steps_per_execution` is below 1.
        """
        own = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        for name, value in own.items():
            if value:
                raise ValueError(
                    f"compile({name}=...): leave it out, the loss is the VAE's objective, VAE(objective=...), and the "
                    "metrics are loss, elbo, reconstruction and kl"
                )
        if steps_per_execution < 1:
            raise ValueError(f"steps_per_execution must be 1 or more, not {steps_per_execution}")
        if jit_compile == "auto":
            jit_compile = not run_eagerly and xla.gains_from_xla(self)
        super().compile(
            optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> keras.callbacks.History:
        """Train, as `keras.Model.fit` does, after a look at the first batch of `x` and of `validation_data`. Arrays of
        a conditional VAE are x and y, the conditions.

        Of `tf.data` and arrays, groups of steps run as one program: as many as `compile(steps_per_execution=...)` says,
        or, where that is 1, up to 100 unless a callback of one's own acts on batches. The numbers are those of single
        steps, as which those of generators run.

        Raises:
            ValueError: when shape, type or values of the data do not fit preprocessor and likelihood; it names both.
                When a callback monitors, in mode "auto", what is none of the four values.
        """
        self._require_compiled()
        self._build_optimizer()  # else the first step would make variables, and be traced twice
        check_counts(
            batch_size=batch_size,
            validation_batch_size=validation_batch_size,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
        )
        data, validation = FitData.of(self, x, y, sample_weight), FitData.of_validation(self, validation_data)
        check_arguments(data, validation, class_weight)
        set_modes(list_callbacks(callbacks), self.directions)
        compatibility.check_adapted(self)
        if validation_split and validation is None:
            data, validation = hold_out(data, validation_split)
        rows, limits = batch_size or BATCH_SIZE, (steps_per_epoch, validation_steps)
        size = self._check_and_size(data, validation, rows, callbacks, limits)
        if validation is not None:
            validation_data = feed_groups(self, validation, validation_batch_size or rows, size)
        with self._steps_in_groups(size, limits):
            return super().fit(
                feed_groups(self, data, rows, size, shuffle=shuffle is not False),
                epochs=epochs,
                verbose=verbose,
                callbacks=add_progress_bar(callbacks, verbose),
                validation_data=validation_data,
                shuffle=False,  # Keras cannot shuffle `tf.data`, and would warn
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **of_keras: Any,
    ) -> Any:
        """Give mean loss, elbo, reconstruction and kl, as `keras.Model.evaluate`; the first batch is looked at as in
        `fit`."""
        self._require_compiled()
        if of_keras:  # a call by Keras' own `fit`, whose data is ready; other names it refuses
            return super().evaluate(x, steps=steps, callbacks=callbacks, return_dict=return_dict, **of_keras)
        check_counts(batch_size=batch_size, steps=steps)
        data, rows = FitData.of(self, x, y, sample_weight), batch_size or BATCH_SIZE
        check_arguments(data)
        size = self._check_and_size(data, None, rows, callbacks, [steps])
        with self._steps_in_groups(size, [steps]):
            return super().evaluate(
                feed_groups(self, data, rows, size),
                verbose=verbose,
                steps=steps,
                callbacks=add_progress_bar(callbacks, verbose),
                return_dict=return_dict,
            )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> np.ndarray:
        """Give reconstructions of all of x, `[N, *event]`, as `keras.Model.predict` gives what `call` does."""
        check_counts(batch_size=batch_size, steps=steps)
        data, rows = FitData.of(self, x), batch_size or BATCH_SIZE
        check_arguments(data)
        size = self._check_and_size(data, None, rows, callbacks, [steps])
        with self._steps_in_groups(size, [steps]):
            return super().predict(
                feed_batches(self, data.x), batch_size, verbose, steps, add_progress_bar(callbacks, verbose)
            )

    def save(
        self, filepath: str | os.PathLike, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """Save as `keras.Model` does, to a `.keras` file.

        Raises:
            ValueError: for another kind of file, such as `.h5`, which could not be loaded.
        """
        if not str(filepath).endswith(".keras"):
            raise ValueError(f"{filepath}: a VAE is saved to a file that ends in .keras; others could not be loaded")
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def load_weights(self, filepath: str | os.PathLike, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Load weights as `keras.Model` does, the optimizer's variables included."""
        self._build_optimizer()
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)

    def _require_compiled(self) -> None:
        if not self.compiled:
            raise ValueError("You must call `compile()` before using the model.")

    def _build_optimizer(self) -> None:
        if self.compiled and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _check_and_size(
        self, data: FitData, validation: FitData | None, batch_size: int, callbacks: Any, limits: Sequence[int | None]
    ) -> int:
        """Check that data fits, and choose how many steps on it run as one program."""
        first = compatibility.check_data(self, *data)
        if validation is not None:
            compatibility.check_data(self, *validation)
        return choose_group_size(self, first, batch_size if data.is_arrays else None, callbacks, limits)

    @contextlib.contextmanager
    def _steps_in_groups(self, size: int, limits: Sequence[int | None]) -> Iterator[None]:
        """Within, a call of Keras' loops takes groups of `size` steps, and its errors about data are ValueErrors."""
        asked = self.steps_per_execution
        self.steps_per_execution = size
        try:
            with compatibility.unwrap_errors(), warnings.catch_warnings():
                if not any(limits):
                    # Keras says so at the end of all data whose length it does not know: nobody asked for more
                    warnings.filterwarnings("ignore", "Your input ran out of data")
                yield
        finally:
            self.steps_per_execution = asked
