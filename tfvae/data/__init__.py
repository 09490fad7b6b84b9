"""Data: `load` reads a TFDS data set, an .npz file or a folder of images, as batched `tf.data` of images or vectors."""

from tfvae.data.batches import Batches, Position, batch_arrays, disable_tuning, group_batches
from tfvae.data.loading import class_names, load
from tfvae.data.messages import say

__all__ = [
    "Batches",
    "Position",
    "batch_arrays",
    "class_names",
    "disable_tuning",
    "group_batches",
    "load",
    "say",
]
