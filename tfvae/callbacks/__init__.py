"""Callbacks for `fit`: what a run needs to go on (`Checkpoints`), and what one looks at while it trains (`Watch`,
`Pictures`)."""

from tfvae.callbacks.best_epoch import check_model_file
from tfvae.callbacks.checkpoints import Checkpoints, Terminated
from tfvae.callbacks.epoch_lines import EpochLines
from tfvae.callbacks.finite import NotFinite
from tfvae.callbacks.looking import InRun
from tfvae.callbacks.pictures import Pictures
from tfvae.callbacks.saved_checkpoint import Saved, latest_checkpoint
from tfvae.callbacks.scalars import Scalars
from tfvae.callbacks.watch import Watch

__all__ = [
    "Checkpoints",
    "EpochLines",
    "InRun",
    "NotFinite",
    "Pictures",
    "Saved",
    "Scalars",
    "Terminated",
    "Watch",
    "check_model_file",
    "latest_checkpoint",
]
