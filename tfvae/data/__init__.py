"""Data: `load` reads a TFDS data set, an .npz file, a table or a folder of images, as batched `tf.data`."""

from tfvae.data.batches import Batches, Position, batch_arrays, disable_tuning, group_batches
from tfvae.data.loading import class_names, load, table_schema
from tfvae.data.messages import say
from tfvae.data.sources import is_table
from tfvae.data.table_conditions import condition_from_text, conditions_of

__all__ = [
    "Batches",
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
