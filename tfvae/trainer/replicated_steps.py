"""Steps on several replicas: each step runs on all of them, with its part of the batch."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfvae.programs import program
from tfvae.trainer.protocol import Trainable

__all__ = ["ReplicatedSteps"]


class ReplicatedSteps:
    """`GroupedSteps` of a strategy with several replicas.

    Attributes:
        size: steps of a call.
        steps: steps taken so far.
    """

    size: int
    steps: int

    def __init__(self, vae: Trainable, step: Callable[[Any], Any]):
        """Make the function of `step(batch)`, of a model as it is compiled now."""
        self.size, self.steps = int(vae.steps_per_execution), 0
        self._results = vae.get_metrics_result
        # TensorFlow gathers no batches of different sizes in one call
        self._steps_of_program = 1 if vae.objective.whole_batch else self.size
        run = _make_run(vae.distribute_strategy, step, self._steps_of_program)
        self._run = run if vae.run_eagerly else program(run)

    def __call__(self, iterator: Iterator[Any]) -> dict[str, tf.Tensor]:
        """Take the next steps, up to `size`.

        Raises:
            StopIteration: when nothing is left.
        """
        if not isinstance(iterator, tf.distribute.DistributedIterator):  # of train_on_batch: one batch
            raise ValueError("under a strategy with several replicas, use fit and evaluate, not single batches")
        done = int(self._run(iterator))
        while done and done < self.size and int(self._run(iterator)):
            done += self._steps_of_program
        if not done:
            raise StopIteration
        self.steps += done
        return self._results()


def _make_run(
    strategy: tf.distribute.Strategy, step: Callable[[Any], Any], size: int
) -> Callable[[Iterator[Any]], tf.Tensor]:
    """Make the function (iterator of distributed batches) -> how many steps it took, up to `size`."""

    @tf.autograph.experimental.do_not_convert
    def one(batch):
        strategy.run(step, args=(batch,))

    def run(iterator):
        done, more = tf.constant(0), tf.constant(True)
        while more and done < size:
            # one after the other: collective operations of two steps have the same keys, and would meet
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch = iterator.get_next_as_optional()
            more = batch.has_value()
            if more:
                one(batch.get_value())
                done += 1
        return done

    return run
