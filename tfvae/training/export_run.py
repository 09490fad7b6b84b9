"""Exporting the model of a finished run."""

import json
import os
import pathlib
from typing import Any

from tfvae import config, exporting, progress
from tfvae.training import finished_run
from tfvae.training.run_folder import RunFolder
from tfvae.training.score_run import make_scorer

__all__ = ["export"]


def export(
    run: str | os.PathLike, models: str | os.PathLike, contamination: float = 0.05, **settings: Any
) -> dict[str, pathlib.Path]:
    """Export a run's model into the folder `models` by `exporting.export`, whose settings these are; return the paths
    of the new versions. Their model.json has the run's config, the record of its training, and its evaluation.

    Of a run on a table that held out rows the scorer says which rows are odd too, beyond the threshold that a share
    `contamination` of those passes.
    """
    run = RunFolder(run)
    vae, experiment = finished_run.load(run)
    scorer = None
    if vae.preprocessor_view.schema is not None and experiment.data.split("validation") is not None:
        scorer = make_scorer(vae, experiment, contamination)
    elif vae.preprocessor_view.schema is not None:
        progress.line("the run held out no rows (data.validation): the scorer tells no odd rows")
    about: dict[str, Any] = {"config": config.keys(run.config, base=False)}
    for name, path in (("run", run.record), ("evaluation", run.evaluation)):
        if path.is_file():
            about[name] = json.loads(path.read_text())
    return exporting.export(vae, models, about=about, anomaly=scorer, **settings)
