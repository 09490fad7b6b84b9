"""Exporting the model of a finished run."""

import json
import os
import pathlib
from typing import Any

from tfvae import config, exporting
from tfvae.training import finished_run
from tfvae.training.run_folder import RunFolder

__all__ = ["export"]


def export(run: str | os.PathLike, models: str | os.PathLike, **settings: Any) -> dict[str, pathlib.Path]:
    """Export a run's model into the folder `models` by `exporting.export`, whose settings these are; return the paths
    of the new versions. Their model.json has the run's config, the record of its training, and its evaluation."""
    run = RunFolder(run)
    vae, _ = finished_run.load(run)
    about: dict[str, Any] = {"config": config.keys(run.config, base=False)}
    for name, path in (("run", run.record), ("evaluation", run.evaluation)):
        if path.is_file():
            about[name] = json.loads(path.read_text())
    return exporting.export(vae, models, about=about, **settings)
