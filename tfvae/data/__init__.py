"""Data: `load` reads a TFDS data set, an .npz file or a folder of images, as batched `tf.data` of images or vectors."""

from tfvae.data.batches import Position, grouped, held, untuned
from tfvae.data.loading import class_names, load
from tfvae.data.messages import say

__all__ = ["Position", "class_names", "grouped", "held", "load", "say", "untuned"]
