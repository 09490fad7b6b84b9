"""What a run goes on from, and why it cannot."""

import os
import sys

from tfvae import callbacks, config, files
from tfvae.training import run_record
from tfvae.training.run_folder import RunFolder, is_writer

__all__ = ["cut_history", "find_saved"]


def find_saved(run: str | os.PathLike, experiment: config.Experiment) -> callbacks.Saved | None:
    """Find the checkpoint to go on from.

    Returns:
        None for a run that has not come so far.

    Raises:
        ValueError: when what the run holds is damaged, missing, or of another version; when its config differs from the
            experiment in more than `fit.epochs`.
    """
    run = RunFolder(run)
    run_record.check_format(run)
    saved = callbacks.latest_checkpoint(run.checkpoints)
    if saved is None:
        if run.model.exists() or run.count_epochs() > 1:
            raise ValueError(
                f"{run} was trained, but {run.checkpoints} has no checkpoint: put back a copy, or train in another "
                "run folder"
            )
        return None
    run_record.check_begun(run)
    _check_config(run, experiment, saved.state["epoch"] + (saved.state["step"] > 0))
    for reason in saved.damaged if is_writer() else ():
        print(f"{reason}: going on from {saved.path}", file=sys.stderr)
    if saved.state["best_epoch"] is not None:
        _check_best(run)
    return saved


def _check_config(run: RunFolder, experiment: config.Experiment, epochs: int) -> None:
    """Check that the experiment is that of the run, which has begun this many epochs; ValueError when it is not."""
    if not run.config.is_file():
        raise ValueError(
            f"{run} was trained, but {run.config} is missing: put back a copy, or train in another run folder"
        )
    asked = experiment.fit.epochs
    if asked < epochs:
        raise ValueError(f"fit.epochs: {asked} is less than the {epochs} epochs that {run} has begun: ask for as many")
    begun = config.keys(run.config, base=False).get("fit") or {}
    difference = config.difference(experiment.with_epochs(begun.get("epochs", asked)), run.config)
    if difference:
        raise ValueError(f"{run} was begun with another config ({difference}): go on with the same, or begin anew")


def _check_best(run: RunFolder) -> None:
    """Check that the model of the best epoch is whole; ValueError when it is not."""
    try:
        callbacks.check_model_file(run.best)
    except ValueError as error:
        mend = f"copy {run.model} there, if it is of the same epoch" if run.model.exists() else "put back a copy"
        raise ValueError(f"{error}: {mend}, or train in another run folder") from None


def cut_history(run: RunFolder, epochs: int) -> None:
    """Leave the rows of the first epochs in history.csv: those after them are trained again."""
    if run.history.is_file():
        lines = run.history.read_text().splitlines(keepends=True)  # none if it was told to end in its first epoch
        rows = [row for row in lines[1:] if row.endswith("\n") and int(row.split(",")[0]) < epochs]
        files.write_text(run.history, "".join([*lines[:1], *rows]))
