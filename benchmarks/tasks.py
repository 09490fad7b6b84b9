"""The tasks: what is measured of a peer's module, inside a worker, and with which settings.

A measurement is a dict of figures, title -> number; the first is the one that peers are compared by.
"""

import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks import images
from benchmarks.peers import PEERS

__all__ = ["TASKS", "Task"]

Figures = dict[str, float]  # title -> number


class Task(NamedTuple):
    """A task: its title, function (module, file, started, **settings) -> figures, settings, and who takes part."""

    title: str
    measure: Callable[..., Figures]
    settings: dict
    quick: dict
    peers: tuple[str, ...] = tuple(PEERS)


def training(module: ModuleType, file: str, started: float, **settings: Any) -> Figures:
    """Return images per second, of the median epoch after the first (or of the only one), and the last loss."""
    done = module.training(file, **settings)
    seconds = statistics.median(done.seconds[1:] or done.seconds)
    return {"images/s": settings["count"] / seconds, "loss of the last epoch, nats": done.losses[-1]}


def log_marginal(module: ModuleType, file: str, started: float, count: int, samples: int) -> Figures:
    """Return images per second of a program's second call, and those of its first, compilation and all."""
    function = module.log_marginal(file, count, samples)
    with np.load(file) as arrays:
        test = images.binarize(arrays["test"][:500])
    first, _ = _time(function, test[:200])
    again, nats = _time(function, test)
    return {"images/s": len(test) / again, "images/s, first call": 200 / first, "log p(x), nats": nats}


def startup(module: ModuleType, file: str, started: float, **settings: Any) -> Figures:
    """Return the seconds from the process's start to the end of its first epoch."""
    module.training(file, **settings)
    return {"seconds": time.time() - started}


def memory(module: ModuleType, file: str, started: float, **settings: Any) -> Figures:
    """Return the megabytes by which training raises the process's peak over what it holds when all is imported."""
    import psutil

    before = psutil.Process().memory_info().rss
    module.training(file, **settings)
    return {"MB": (_peak() - before) / 1e6, "MB of the images": settings["count"] * 784 / 1e6}


def scaling(module: ModuleType, file: str, started: float, **settings: Any) -> Figures:
    """Return the seconds of the median epoch after the first."""
    done = module.training(file, **settings)
    return {"seconds of an epoch": statistics.median(done.seconds[1:] or done.seconds)}


TASKS = {
    "training": Task("Training an MLP", training, {"count": 60_000, "epochs": 4}, {"count": 2_000, "epochs": 2}),
    "convolution": Task(
        "Training convolutions",
        training,
        {"count": 10_000, "epochs": 2, "network": "conv"},
        {"count": 500, "epochs": 2, "network": "conv"},
    ),
    "log_marginal": Task(
        "log p(x) of test images after an epoch of the MLP",
        log_marginal,
        {"count": 60_000, "samples": 5_000},
        {"count": 2_000, "samples": 10},
        ("tfvae", "jax_scan", "torch_eager", "pythae"),
    ),
    "startup": Task(
        "From the process's start to the end of an epoch",
        startup,
        {"count": 10_000, "epochs": 1},
        {"count": 500, "epochs": 1},
    ),
    "memory": Task("Memory of training an MLP", memory, {"count": 60_000, "epochs": 2}, {"count": 2_000, "epochs": 1}),
    "scaling": Task(
        "tfvae: the time of an epoch",
        scaling,
        {"count": 60_000, "epochs": 3},
        {"count": 2_000, "epochs": 2},
        ("tfvae",),
    ),
}


def _time(function: Callable[[np.ndarray], Any], test: np.ndarray) -> tuple[float, Any]:
    """Return the seconds of a call, and what it gives."""
    start = time.perf_counter()
    result = function(test)
    return time.perf_counter() - start, result


def _peak() -> int:
    """Return the most memory that the process has held, bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
