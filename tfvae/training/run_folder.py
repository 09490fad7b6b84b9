"""A run's folder: where everything in it is, the lock of the one who trains in it, and what a finished one holds.

RUN/config.yaml (resolved), run.json (versions, seed, times), checkpoints/, model.keras (the best epoch), history.csv,
tensorboard/, evaluation.json, figures/; pictures/ where `Pictures` is among the callbacks.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

import filelock

from tfvae.callbacks import best_epoch

__all__ = ["RunFolder", "is_writer", "lock"]


class RunFolder:
    """The paths of a run's folder.

    Attributes:
        path: of the folder.
        config: the experiment, resolved.
        record: versions, seed, times: see `run_record`.
        checkpoints: folder of what the run goes on from.
        best: the model of the best epoch so far, in it.
        model: of a finished run, its best epoch.
        history: what each epoch logged.
        tensorboard: folder of TensorBoard's files.
        evaluation: what `evaluate` measured.
        figures: folder of what `plot` draws.
        pictures: folder of what the callback `Pictures` draws.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.yaml"
        self.record = self.path / "run.json"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / best_epoch.FILE
        self.model = self.path / "model.keras"
        self.history = self.path / "history.csv"
        self.tensorboard = self.path / "tensorboard"
        self.evaluation = self.path / "evaluation.json"
        self.figures = self.path / "figures"
        self.pictures = self.path / "pictures"

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def count_epochs(self) -> int:
        """Return how many epochs were logged, with one that was not finished."""
        return max(0, self.history.read_text().count("\n") - 1) if self.history.is_file() else 0


@contextlib.contextmanager
def lock(folder: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of a folder, which is made where it is missing; the lock falls when the process ends, however.

    Raises:
        BlockingIOError: when another process holds it.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(folder / ".lock", blocking=False)
    try:
        held.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"another process trains in {folder}: wait for it, or choose another folder") from None
    try:
        yield
    finally:
        held.release()


def is_writer() -> bool:
    """Return whether this process writes: the only one, or of a cluster (`TF_CONFIG`) the chief, else worker 0."""
    found = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task, writes = found.get("task", {}), "chief" if "chief" in found.get("cluster", {}) else "worker"
    return task.get("type", writes) == writes and task.get("index", 0) == 0
