"""Evaluating a finished run."""

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

from tfvae import evaluation, files
from tfvae.training import finished_run
from tfvae.training.report import measures
from tfvae.training.run_folder import RunFolder

__all__ = ["evaluate"]


def evaluate(
    run: str | os.PathLike,
    split: str = "test",
    samples: int = 5000,
    more: bool = True,
    show: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Evaluate a run's model on a split: ELBO, its terms, and log p(x), nats; write and return `evaluation.json`.

    Args:
        run: folder of a finished run.
        split: "train", "validation" or "test" of the config, or TFDS' split syntax.
        samples: importance samples per example for log p(x).
        more: also what `measures` has: of the latents, of reconstructions and of samples.
        show: function, which is given the result before it is written.

    Raises:
        OSError: when `evaluation.json` cannot be written; before anything is measured.
    """
    run = RunFolder(run)
    finished_run.check_finished(run)
    files.check(run.evaluation)
    vae, experiment = finished_run.load(run)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", evaluation.FewEffective)  # it is in the result, as a doubt
        result: dict[str, Any] = {
            "split": split,
            **measures.evidence(vae, finished_run.read_data(vae, experiment, split), samples),
        }
        if more:
            result["measures"], result["left_out"] = measures.take_all(vae, experiment, split, samples)
    result["seconds"] = round(time.perf_counter() - start, 1)
    if show is not None:
        show(result)
    files.write_json(run.evaluation, result)
    return result
