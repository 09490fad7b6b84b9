"""How steps run: a group of them as one program, fed by any `tf.data`.

A step of a small model takes less time than starting it. So batches are stacked to groups, while the group before is at
work, and a group goes through one compiled loop whose forward pass, backward pass and optimizer are those of single
steps. A group that is not full runs through the same program, which takes the number of its steps; batches of another
size have a program of their own.
"""

from tfvae.trainer.arguments import MOST_STEPS, directed, prepared, steps_to_fuse
from tfvae.trainer.progress import Progress
from tfvae.trainer.steps import (
    SMALLEST_PART,
    compiles,
    gains_from_xla,
    gradients,
    grouped,
    joined,
    replicated,
)

__all__ = [
    "MOST_STEPS",
    "SMALLEST_PART",
    "Progress",
    "compiles",
    "directed",
    "gains_from_xla",
    "gradients",
    "grouped",
    "joined",
    "prepared",
    "replicated",
    "steps_to_fuse",
]
