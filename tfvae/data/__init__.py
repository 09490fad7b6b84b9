"""Data: `load` reads a TFDS data set, an .npz file, a table or a folder of images, as batched `tf.data`."""

from tfvae.data.array_batches import ArrayBatches, batch_arrays
from tfvae.data.batches import Batches, Pass, Passes, Position, disable_tuning, group_batches
from tfvae.data.loading import class_names, load, table_schema
from tfvae.data.messages import say
from tfvae.data.sources import is_table
from tfvae.data.table_conditions import condition_from_text, conditions_of

__all__ = [
    "ArrayBatches",
    "Batches",
    "Pass",
    "Passes",
    "Position",
    "batch_arrays",
    "class_names",
    "condition_from_text",
    "conditions_of",
    "disable_tuning",
    "group_batches",
    "is_table",
    "load",
    "say",
    "table_schema",
]
