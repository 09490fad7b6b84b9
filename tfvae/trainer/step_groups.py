"""Steps on one device: a group of them as one program, fed by any `tf.data`.

A step of a small model takes less time than starting it. So batches are stacked to groups, while the group before is at
work, and a group goes through one compiled loop whose forward pass, backward pass and optimizer are those of single
steps. A group that is not full runs through the same program, which takes the number of its steps. Batches of another
size have a program of their own; but without XLA, which compiles for a size, one program runs all batches of a data set
that is no more than a group, as it takes longer to make than a small data set takes to be learned.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfvae.data import Pass
from tfvae.programs import program
from tfvae.trainer.protocol import Trainable

__all__ = ["GroupedSteps", "join_batches"]

Logs = dict[str, tf.Tensor]


class GroupedSteps:
    """What Keras calls a train function, or test function: each call takes up to `size` steps, and gives the metrics.

    Attributes:
        size: steps of a call.
        steps: steps taken so far.
    """

    size: int
    steps: int

    def __init__(self, vae: Trainable, step: Callable[[Any], Any]):
        """Make the function of `step(batch)`, of a model as it is compiled now."""
        self.size, self.steps = int(vae.steps_per_execution), 0
        self._usual_rows = 0  # of a batch, but for the last
        self._length = 0  # of the longest group so far
        self._any_size: bool | None = None  # whether one program runs batches of all sizes; not known before the first

        def run_one(batch):
            step(batch)
            return vae.get_metrics_result()

        def run_group(batches, count, rows=None):
            def one(i):
                kept = slice(None) if rows is None else slice(rows[i])
                step(tf.nest.map_structure(lambda stacked: stacked[i][kept], batches))
                return i + 1

            tf.while_loop(lambda i: i < count, one, [0], parallel_iterations=1)
            return vae.get_metrics_result()

        self._run_one, self._run_group = run_one, run_group
        if vae.run_eagerly or vae.jit_compile:
            self._any_size = False
        if not vae.run_eagerly:
            self._run_one, self._run_group = (
                program(run, jit_compile=vae.jit_compile, autograph=False) for run in (run_one, run_group)
            )

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        """Take the next steps.

        Args:
            iterator: of groups, as `data.Batches.groups` makes them; where `size` is 1, or of `train_on_batch`,
                of batches.

        Raises:
            StopIteration: when nothing is left.
        """
        if self.size == 1 or not isinstance(iterator, (Pass, tf.data.Iterator, tf.distribute.DistributedIterator)):
            logs = self._run_one(next(iterator))
            self.steps += 1
            return logs
        return self.take_group(*next(iterator))

    def take_group(self, rows: tf.Tensor, stacked: Any) -> Logs:
        """Take the steps of a group: of the rows that each batch has `[g]`, and the batches `[g, B, ...]`."""
        of_batches = rows.numpy().tolist()
        self._length = max(self._length, len(of_batches))
        if self._any_size is None:
            self._any_size = len(set(of_batches)) > 1
        if self._any_size:
            filled = tf.nest.map_structure(self._fill_up, stacked)
            try:
                logs = self._run_group(filled, tf.constant(len(of_batches)), self._fill_up(rows))
            except (TypeError, ValueError):  # parts of one's own may need to know the size; else it fails below too
                self._any_size = False
            else:
                self.steps += len(of_batches)
                return logs
        return self._take_alike(of_batches, stacked)

    def _take_alike(self, rows: list[int], stacked: Any) -> Logs:
        """Take the steps of a group, batches of the same size by one call of a program."""
        self._usual_rows = max(self._usual_rows, *rows)
        done = 0
        for alike, those in itertools.groupby(rows):
            count = len(list(those))
            if count == 1 and alike != self._usual_rows:  # the last batch: no program of groups is made for it
                logs = self._run_one(_slice_group(stacked, done, alike))
            else:
                part = _slice_group(stacked, slice(done, done + count), alike)
                logs = self._run_group(tf.nest.map_structure(self._fill_up, part), tf.constant(count))
            done += count
        self.steps += done
        return logs

    def _fill_up(self, stacked: tf.Tensor) -> tf.Tensor:
        """[count, ...] -> [longest, ...], zeros behind: one program for groups of any length."""
        missing = self._length - len(stacked)
        return tf.pad(stacked, [[0, missing], *[[0, 0]] * (stacked.shape.rank - 1)]) if missing else stacked


def _slice_group(stacked: Any, which: int | slice, rows: int) -> Any:
    """Give batches of a group `[g, B, ...]`, or one of them, without the rows that fill them up."""
    whole = which == slice(0, len(tf.nest.flatten(stacked)[0]))

    def of(t):
        return t if whole and rows == t.shape[1] else t[which, :rows] if isinstance(which, slice) else t[which][:rows]

    return tf.nest.map_structure(of, stacked)


def join_batches(step: Callable[[Any], Any], jit_compile: bool) -> Callable[[list[Any]], Any]:
    """Make what Keras calls a predict function: `step` of a list of batches that are joined to one."""
    run = program(step, jit_compile=jit_compile, autograph=False, reduce_retracing=True)
    return lambda batches: run(tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches))
