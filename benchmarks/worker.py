"""One measurement, in a process of its own: `python -m benchmarks.worker PEER TASK SETTINGS`, the last a JSON object.

Its last line on standard output is the figures, as JSON.
"""

import importlib
import json
import os
import sys

from benchmarks.peers import PEERS
from benchmarks.tasks import TASKS

__all__ = ["main"]


def main(peer: str, task: str, text: str) -> None:
    """Measure, and print the figures."""
    settings = json.loads(text)
    _limit(settings.pop("threads"))
    module = importlib.import_module(f"benchmarks.peers.{PEERS[peer].module}")
    print("\n" + json.dumps(TASKS[task].measure(module, **settings)))


def _limit(threads: int) -> None:
    """Leave the process so many of its cores: each library takes as many threads as it sees cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


if __name__ == "__main__":
    main(*sys.argv[1:])
