"""The tasks: what is measured of a peer's module, inside a worker, and with which settings.

A measurement is a dict of figures, title -> number; the first is the one that peers are compared by.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks import images
from benchmarks.peers import PEERS

__all__ = ["TASKS", "Task"]


class Task(NamedTuple):
    """A task: its title, function (module, file, started, **settings) -> figures, settings, and who takes part."""

    title: str
    measure: Callable
    settings: dict
    quick: dict
    peers: tuple[str, ...] = tuple(PEERS)


def training(module, file, started, **settings):
    """Images per second, of the median epoch after the first (of the first where it is alone), and the last loss."""
    done = module.training(file, **settings)
    seconds = statistics.median(done.seconds[1:] or done.seconds)
    return {"images/s": settings["count"] / seconds, "loss of the last epoch, nats": done.losses[-1]}


def log_marginal(module, file, started, count, samples):
    """Images per second of a program's second call, and those of its first, compilation and all."""
    function = module.log_marginal(file, count, samples)
    with np.load(file) as arrays:
        test = images.binarized(arrays["test"][:500])
    first, _ = _timed(function, test[:200])
    again, nats = _timed(function, test)
    return {"images/s": len(test) / again, "images/s, first call": 200 / first, "log p(x), nats": nats}


def startup(module, file, started, **settings):
    """Seconds from the process's start to the end of its first epoch."""
    module.training(file, **settings)
    return {"seconds": time.time() - started}


def memory(module, file, started, **settings):
    """Megabytes by which training raises the process's peak over what it holds when all is imported."""
    import psutil

    before = psutil.Process().memory_info().rss
    module.training(file, **settings)
    return {"MB": (_peak() - before) / 1e6, "MB of the images": settings["count"] * 784 / 1e6}


def scaling(module, file, started, **settings):
    """Seconds of the median epoch after the first."""
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


def _timed(function, test):
    """Seconds, and what the function gives."""
    start = time.perf_counter()
    result = function(test)
    return time.perf_counter() - start, result


def _peak():
    """The most memory that the process has held, bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
