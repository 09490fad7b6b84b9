"""Run folders: `train` makes one; `evaluate`, `plot` and `export` need nothing else. See run_folder.py."""

from tfvae.training.evaluate_run import evaluate
from tfvae.training.export_run import export
from tfvae.training.finished_run import load
from tfvae.training.plot_run import plot
from tfvae.training.run_folder import RunFolder, lock
from tfvae.training.run_record import best_epoch
from tfvae.training.train_run import train, train_experiment

__all__ = ["RunFolder", "best_epoch", "evaluate", "export", "load", "lock", "plot", "train", "train_experiment"]
