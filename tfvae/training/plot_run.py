"""Drawing the figures of a finished run."""

import os
import pathlib
from collections.abc import Callable

from tfvae import files
from tfvae.training import finished_run
from tfvae.training.report import plots
from tfvae.training.run_folder import RunFolder

__all__ = ["plot"]


def plot(run: str | os.PathLike, report: Callable[[str], None] | None = None) -> list[pathlib.Path]:
    """Draw the figures that a run can have, of test examples and of its history, to `figures/`; return their paths.

    Args:
        run: folder of a finished run.
        report: function, which is given a line for each figure when it is written, and where some were left out one
            that says which, and why.
    """
    run = RunFolder(run)
    finished_run.check_finished(run)
    files.check(run.figures / "samples.png")
    return plots.draw(run, *finished_run.load(run), report)
