"""Data: `load` reads a TFDS data set, an .npz file, a table or a folder of images, as batched `tf.data`."""

from tfvae.data.batches import Batches, Position, batch_arrays, disable_tuning, group_batches
from tfvae.data.loading import class_names, load, table_schema
from tfvae.data.messages import say
from tfvae.data.sources import is_table

__all__ = [
    "Batches",
    "Position",
    "batch_arrays",
    "class_names",
    "disable_tuning",
    "group_batches",
    "is_table",
    "load",
    "say",
    "table_schema",
]
