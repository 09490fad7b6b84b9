"""What an encoder sees of incomplete data: `Table` of a table's columns, `Gaps` of anything else."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import random
from tfvae.preprocessing.base import Bounds, Preprocessor
from tfvae.tables import Column, Schema

__all__ = ["Gaps", "Table"]

register = keras.saving.register_keras_serializable("tfvae")

FARTHEST = 10.0  # that a scaled number is shown from 0: one wild cell must not drown the others
TINY = np.finfo(np.float32).tiny
SAMPLE = 100_000  # rows that scales are measured of


@register
class Table(Preprocessor):
    """Rows of a table, as its schema makes numbers of them -> the same, float32; NaN where a cell is missing.

    The likelihood models the columns in their own units. The encoder sees (`seen`) numbers scaled to mean 0 and
    deviation 1, of counts log(1 + x), of positive numbers their logarithm; a number for each class of categories and
    booleans, 1 for the cell's own; for missing cells 0 throughout, and, where columns have gaps, a number for each of
    them that is 1 where the cell is missing. `vae.adapt` measures the scales.

    Args:
        schema: a `tables.Schema`, or what its `to_json` gave.
        robust: whether to scale by median and quartiles, which a few wild cells do not move.
        log: whether counts and positive numbers are seen through logarithms.
        gaps: whether the encoder is told which cells are missing; by default where the schema's table had such cells,
            or some are hidden.
        hide: the share of cells that are hidden from the encoder in training, drawn anew each time, while the
            likelihood still models them: for a model that will fill in gaps that its training data lacks. At least 0,
            below 1.

    Raises:
        ValueError: when hide is not of these.
    """

    domain = "rows as the table's schema encodes them, NaN where a cell is missing"
    schema: Schema

    def __init__(
        self,
        schema: Schema | dict[str, Any],
        robust: bool = False,
        log: bool = True,
        gaps: bool | None = None,
        hide: float = 0.0,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not 0 <= hide < 1:
            raise ValueError(f"hide must be 0 or more, and below 1, not {hide}")
        self.schema = schema if isinstance(schema, Schema) else Schema.from_json(schema)
        self.robust, self.log, self.hide = robust, log, hide
        columns = self.schema.encoded
        self.gaps = hide > 0 or any(column.missing for column in columns) if gaps is None else gaps
        self.numbers = [place for place, column in enumerate(columns) if not _has_classes(column)]
        self.coded = {place: len(column.categories) for place, column in enumerate(columns) if _has_classes(column)}
        self.through_log = [log and columns[place].kind in ("count", "positive") for place in self.numbers]
        self.shift = [1.0 if columns[place].kind == "count" else 0.0 for place in self.numbers]  # before the logarithm
        size = (len(self.numbers),)
        self.center = self.add_weight(shape=size, initializer="zeros", trainable=False, name="center")
        self.scale = self.add_weight(shape=size, initializer="ones", trainable=False, name="scale")

    def call(self, data: tf.Tensor) -> tf.Tensor:
        return tf.cast(data, tf.float32)

    def adapt(self, data: tf.data.Dataset) -> None:
        """Measure center and scale of each column of numbers, of the first `SAMPLE` rows, as the encoder sees them."""
        rows, count = [], 0
        for batch in data:
            rows.append(self._numbers(self(batch)).numpy())
            count += len(rows[-1])
            if count >= SAMPLE:
                break
        center, scale = _measure(np.concatenate(rows).astype(np.float64), self.robust)
        self.center.assign(center)
        self.scale.assign(scale)

    def seen_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give how many numbers the encoder sees of a row, `(k,)`."""
        return (len(self.numbers) + sum(self.coded.values()) + self.gaps * len(self.schema.encoded),)

    def seen(self, x: tf.Tensor) -> tf.Tensor:  # [..., D] -> [..., k]
        missing = tf.math.is_nan(x)
        scaled = (self._numbers(x) - self.center.value) / self.scale.value
        scaled = tf.clip_by_value(scaled, -FARTHEST, FARTHEST)
        parts = [tf.where(tf.math.is_nan(scaled), 0.0, scaled)]
        for place, classes in self.coded.items():
            code = tf.where(missing[..., place], -1.0, x[..., place])
            parts.append(tf.one_hot(tf.cast(code, tf.int32), classes))
        if self.gaps:
            parts.append(tf.cast(missing, tf.float32))
        return tf.concat(parts, axis=-1)

    def hidden(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Give x with a share `hide` of its cells missing, drawn by `seed`, int32 `[2]`: what the encoder is shown."""
        if not self.hide:
            return x
        return tf.where(random.uniform(tf.shape(x), seed) < self.hide, np.float32(np.nan), x)

    def _numbers(self, x: tf.Tensor) -> tf.Tensor:
        """Give the columns of numbers, those that are seen through a logarithm so: `[..., D] -> [..., n]`."""
        found = tf.gather(x, np.array(self.numbers, np.int32), axis=-1)
        shifted = found + np.array(self.shift, np.float32)
        logs = tf.math.log(tf.where(shifted > 0, shifted, tf.where(tf.math.is_nan(found), found, TINY)))
        return tf.where(np.array(self.through_log, bool), logs, found)

    def get_config(self) -> dict[str, Any]:
        own = {"robust": self.robust, "log": self.log, "gaps": self.gaps, "hide": self.hide}
        return super().get_config() | {"schema": self.schema.to_json()} | own


@register
class Gaps(Preprocessor):
    """Data with missing elements, which are NaN -> x with the same elements missing, through another preprocessor.

    The encoder sees 0 in their places, and beside x whether each element is missing, 0 or 1: along the last axis twice
    as many numbers. A likelihood for it is `likelihoods.Observed`.

    Args:
        preprocessor: of the elements that are there, one by one; a `Preprocessor` without noise. None: x is the data.
    """

    domain = "what the preprocessor within takes, or NaN where missing"

    def __init__(self, preprocessor: Preprocessor | None = None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.preprocessor = preprocessor

    def build(self, input_shape: tuple) -> None:
        if self.preprocessor is not None and not self.preprocessor.built:
            self.preprocessor.build(input_shape)

    @property
    def bounds(self) -> Bounds:
        return (None, None) if self.preprocessor is None else self.preprocessor.bounds

    def support(self, data: tf.Tensor) -> tf.Tensor | None:
        """Say which elements are missing, or what the preprocessor within takes."""
        if self.preprocessor is None or not data.dtype.is_floating:
            return None
        inside = self.preprocessor.support(data)
        return None if inside is None else tf.math.is_nan(data) | inside

    def call(self, data: tf.Tensor) -> tf.Tensor:
        if self.preprocessor is None:
            return tf.cast(data, tf.float32)
        if not data.dtype.is_floating:  # nothing is missing
            return self.preprocessor(data)
        missing = tf.math.is_nan(data)
        x = self.preprocessor(tf.where(missing, tf.zeros_like(data), data))
        return tf.where(missing, np.float32(np.nan), x)

    def seen_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the event's shape with a last axis of twice the size."""
        return (*event_shape[:-1], 2 * event_shape[-1])

    def seen(self, x: tf.Tensor) -> tf.Tensor:  # [..., C] -> [..., 2 C]
        missing = tf.math.is_nan(x)
        return tf.concat([tf.where(missing, 0.0, x), tf.cast(missing, tf.float32)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        inner = None if self.preprocessor is None else keras.saving.serialize_keras_object(self.preprocessor)
        return super().get_config() | {"preprocessor": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Gaps":
        inner = config["preprocessor"]
        return cls(**(config | {"preprocessor": inner and keras.saving.deserialize_keras_object(inner)}))


def _has_classes(column: Column) -> bool:
    """Say whether the encoder sees a number for each class; ordinals it sees as numbers."""
    return column.kind in ("category", "boolean")


def _measure(rows: np.ndarray, robust: bool) -> tuple[np.ndarray, np.ndarray]:
    """Measure center and scale of each column `[N, n]`, NaN left out; a column without values or spread has scale 1."""
    center, scale = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    for place, column in enumerate(rows.T):
        there = column[np.isfinite(column)]
        if not len(there):
            continue
        center[place], spread = there.mean(), there.std()
        if robust:
            low, center[place], high = np.quantile(there, (0.25, 0.5, 0.75))
            spread = (high - low) / 1.349 or spread  # of a normal distribution, its deviation
        scale[place] = spread if spread > 1e-6 * abs(center[place]) else 1.0
    return center, scale
