"""Exporting the model of a finished run."""

import json
import os
import pathlib
from typing import Any

from tfvae import config, exporting
from tfvae.training import finished_run
from tfvae.training.run_folder import RunFolder
from tfvae.training.score_run import make_scorer

__all__ = ["export"]


def export(run: str | os.PathLike, models: str | os.PathLike, **settings: Any) -> dict[str, pathlib.Path]:
    """Export a run's model into the folder `models` by `exporting.export`, whose settings these are; return the paths
    of the new versions. Their model.json has the run's config, the record of its training, and its evaluation.

    Of a run on a table the scorer says which rows are odd too, by the threshold of `score_run`."""
    run = RunFolder(run)
    vae, experiment = finished_run.load(run)
    scorer = None if vae.preprocessor_view.schema is None else make_scorer(vae, experiment)
    about: dict[str, Any] = {"config": config.keys(run.config, base=False)}
    for name, path in (("run", run.record), ("evaluation", run.evaluation)):
        if path.is_file():
            about[name] = json.loads(path.read_text())
    return exporting.export(vae, models, about=about, anomaly=scorer, **settings)
