"""How a VAE is trained and evaluated: `Trainer`, which overrides that of Keras, and what runs its steps.

`trainer.py` has the methods that users call, and `step_model.py` the steps. `fit_arguments.py`, `callbacks.py`,
`group_size.py` and `feed.py` make arguments ready; `step_groups.py` and `replicated_steps.py` run steps, on one device
and on several; `xla.py` says where XLA compiles them.
"""

from tfvae.trainer.callbacks import set_modes
from tfvae.trainer.group_size import MAX_STEPS, choose_group_size
from tfvae.trainer.progress_bar import ProgressBar
from tfvae.trainer.replicated_steps import ReplicatedSteps
from tfvae.trainer.step_groups import GroupedSteps
from tfvae.trainer.trainer import Trainer
from tfvae.trainer.xla import SMALLEST_PART, can_compile, compute_gradients, gains_from_xla

__all__ = [
    "MAX_STEPS",
    "SMALLEST_PART",
    "GroupedSteps",
    "ProgressBar",
    "ReplicatedSteps",
    "Trainer",
    "can_compile",
    "choose_group_size",
    "compute_gradients",
    "gains_from_xla",
    "set_modes",
]
