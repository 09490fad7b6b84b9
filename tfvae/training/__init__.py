"""Run folders: `train` makes one; `evaluate`, `plot`, `export` and the verbs on rows need nothing else. See
run_folder.py."""

from tfvae.training.evaluate_run import evaluate
from tfvae.training.export_run import export
from tfvae.training.finished_run import load
from tfvae.training.plot_run import plot
from tfvae.training.rows_run import encode_rows, impute_table, sample_rows
from tfvae.training.run_folder import RunFolder, lock
from tfvae.training.run_record import best_epoch
from tfvae.training.score_run import score_table
from tfvae.training.train_run import train, train_experiment

__all__ = [
    "RunFolder",
    "best_epoch",
    "encode_rows",
    "evaluate",
    "export",
    "impute_table",
    "load",
    "lock",
    "plot",
    "sample_rows",
    "score_table",
    "train",
    "train_experiment",
]
