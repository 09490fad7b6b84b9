"""`StepModel`: a Keras model whose steps are those of a VAE: gradients, measures of a batch, and metrics."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfvae import compatibility, random, replicas
from tfvae.layers import noise_states
from tfvae.objectives import Objective, Terms
from tfvae.programs import program
from tfvae.trainer import xla
from tfvae.trainer.replicated_steps import ReplicatedSteps
from tfvae.trainer.step_groups import GroupedSteps, join_batches

__all__ = ["StepModel"]


class StepModel(keras.Model):
    """Abstract model: minimises the mean loss that `terms` gives, and logs its `loss`, `elbo`, `reconstruction`, `kl`.

    A subclass has the parts, `objective` and `seed`, and defines `split` and `terms`. All noise follows from `seed` and
    the optimizer's step.

    Attributes:
        directions: where logged values are better, "min" or "max".
        trackers: metrics of the logged values.
        batches: metric, the number of batches of this evaluation so far.
        programs: what was compiled for this model, by what it does, such as an evaluation.
    """

    directions = {"loss": "min", "elbo": "max", "reconstruction": "max", "kl": "min"}
    objective: Objective
    seed: int
    train_function: GroupedSteps | ReplicatedSteps | None
    test_function: GroupedSteps | ReplicatedSteps | None
    predict_function: Callable[[list[Any]], Any] | None
    steps_per_execution: int

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.trackers = [keras.metrics.Mean(name=name) for name in self.directions]
        self.batches = keras.metrics.Sum(name="batches")
        self.programs: dict[Any, Callable[..., Any]] = {}

    def split(self, data: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Split data as loaded into the data without conditions `[B, ...]`, and conditions `[B, k]` or None."""
        raise NotImplementedError(f"{type(self).__name__} must define split")

    def terms(self, data: Any, seed: tf.Tensor, training: bool = False) -> Terms:
        """Give the objective's `Terms`, each `[B]`, nats, of data as loaded."""
        raise NotImplementedError(f"{type(self).__name__} must define terms")

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Take one step of the optimizer down the mean loss over the global batch, weighted where data has weights."""
        data, weights = compatibility.unpack_batch(data)
        row, total = replicas.place_in_batch(tf.shape(self.split(data)[0])[0])
        if weights is not None:
            total = replicas.sum_over_replicas(tf.reduce_sum(weights))

        def seed(first):
            return random.seed(self.seed, random.Stream.TRAINING, self.optimizer.iterations, row + first)

        terms, gradients = xla.compute_gradients(self, data, seed, total, weights)
        replicas.expect_summed_gradients(self.optimizer)
        self.optimizer.apply(replicas.sum_gradients(gradients, self.trainable_weights), self.trainable_weights)
        return self.track(terms, weights)

    def gradients(
        self, data: Any, seed: tf.Tensor, total: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tuple[Terms, list[tf.Tensor | None]]:
        """Compute the gradients of the mean loss over the global batch, or what these data add to them.

        Args:
            data: as loaded, `[B, ...]`.
            seed: int32 `[2]`.
            total: number of examples in the global batch, or the sum of their weights.
            weights: of these examples, `[B]`, or None.

        Returns:
            the objective's `Terms` of these data; for each trainable weight the gradient, or None.
        """
        self._seed_layers(seed)
        with tf.GradientTape() as tape:
            terms = self.terms(data, seed, training=True)
            if weights is None:
                loss = tf.reduce_sum(terms.loss) / tf.cast(total, tf.float32)
            else:
                loss = tf.math.divide_no_nan(tf.reduce_sum(weights * terms.loss), total)
            loss = self.optimizer.scale_loss(loss)  # for mixed precision
        return terms, tape.gradient(loss, self.trainable_weights)

    def _seed_layers(self, seed: tf.Tensor) -> None:
        """Let the noise of Keras' own layers, such as `Dropout`, follow from the step's seed too: it is not saved where
        their generators stand."""
        states = {id(state): state for layer in self.layers for state in noise_states(layer)}
        for i, state in enumerate(states.values()):
            state.assign(tf.cast(random.fold(seed, 2 + i), state.dtype))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measure one batch; its noise follows from the number of the batch, so it repeats from pass to pass."""
        data, weights = compatibility.unpack_batch(data)
        row, _ = replicas.place_in_batch(tf.shape(self.split(data)[0])[0])
        seed = random.seed(self.seed, random.Stream.EVALUATION, tf.cast(self.batches.result(), tf.int32), row)
        self.batches.update_state(1.0)
        return self.track(self.terms(data, seed), weights)

    def predict_step(self, data: Any) -> tf.Tensor:
        return self(compatibility.drop_weights(data))

    def track(self, terms: Terms, weights: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Add the terms of a batch, weighted or not, to the metrics; give their means so far."""
        for tracker in self.trackers:
            tracker.update_state(getattr(terms, tracker.name), weights)
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*self.trackers, self.batches]

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        return self._call("results", lambda: {tracker.name: tracker.result() for tracker in self.trackers})

    def reset_metrics(self) -> None:
        self._call("reset", super().reset_metrics)

    def _call(self, name: str, function: Callable[[], Any]) -> Any:
        """Call a function that does many small things, from Python as one program."""
        several = replicas.has_several(self.distribute_strategy)
        if not self.compiled or self.run_eagerly or several or not tf.executing_eagerly():
            return function()
        if name not in self.programs:
            self.programs[name] = program(function, autograph=False)
        return self.programs[name]()

    def forget_programs(self) -> None:
        """Forget what was compiled, as it holds what has changed."""
        self.programs.clear()
        self.train_function = self.test_function = self.predict_function = None

    # what Keras calls

    def make_train_function(self, force: bool = False) -> None:
        """Make what `fit` runs: steps in groups, or on replicas."""
        if force or self._is_stale(self.train_function):
            self.train_function = self._make_steps(self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        """Make what `evaluate` runs, as for `fit`."""
        if force or self._is_stale(self.test_function):
            self.test_function = self._make_steps(self.test_step)

    def make_predict_function(self, force: bool = False) -> None:
        """Make what `predict` runs: batches joined to one, or, where steps cannot be grouped, Keras' own."""
        if self.run_eagerly or replicas.has_several(self.distribute_strategy):
            super().make_predict_function(force)
        elif force or self.predict_function is None:
            self.predict_function = join_batches(self.predict_step, self.jit_compile)

    def _make_steps(self, step: Callable[[Any], Any]) -> GroupedSteps | ReplicatedSteps:
        return (ReplicatedSteps if replicas.has_several(self.distribute_strategy) else GroupedSteps)(self, step)

    def _is_stale(self, function: GroupedSteps | ReplicatedSteps | None) -> bool:
        """Say whether a function of steps was not made yet, or for groups of another size."""
        return function is None or function.size != int(self.steps_per_execution)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: a VAE is built from the start, and Keras' own fails on distributed batches."""
