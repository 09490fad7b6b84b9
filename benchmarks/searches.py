"""Hyperband beside random search, at the same number of epochs: `python -m benchmarks.searches`. See docs/tuning.md.

Both search the space of configs/tune/digits.yaml; random search trains as many trials in full as the epochs allow.
"""

import argparse
import contextlib
import csv
import json
import pathlib
import sys
import tempfile
import threading

import psutil

from tfvae import cli, config, fresh_process, tuning
from tfvae.cli import terminal

RATE = "optimizer.Adam.learning_rate"
CONFIG = pathlib.Path(__file__).parent.parent / "configs" / "tune" / "digits.yaml"

__all__ = ["main"]


def main() -> None:
    """Print a row of a table for each seed; with --memory, the memory that a search holds after each trial."""
    parser = argparse.ArgumentParser("python -m benchmarks.searches", description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=9, help="of a trial that is trained in full")
    parser.add_argument("--batch-size", type=int, default=25, help="of training: how many steps an epoch has")
    parser.add_argument("--rate", type=float, help="fix the learning rate, in place of searching it too")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="TRIALS", help="measure memory over so many short trials instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            _memory(pathlib.Path(folder), options.memory)
            return
        print("| seed | Hyperband: trials | epochs | best ELBO | random search: trials | epochs | best ELBO |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for seed in range(options.seeds):
            print(_row(seed, options, pathlib.Path(folder)), flush=True)


def _row(seed: int, options: argparse.Namespace, folder: pathlib.Path) -> str:
    """Search in both ways; return the row of the table."""
    epochs, space = options.epochs, config.keys(CONFIG, base=False)["space"]
    fixed = {"optimizer": {"Adam": None}, "seed": seed, "data.batch_size": options.batch_size}
    if options.rate:
        space.pop(RATE)
        fixed["optimizer"] = {"Adam": {"learning_rate": options.rate}}
    tuner = {"Hyperband": {"max_epochs": epochs, "factor": 3}}
    hyperband = _search(folder / f"hyperband-{seed}", tuner, fixed, space)  # it says how many epochs
    spent = _spent(folder / f"hyperband-{seed}")
    tuner = {"RandomSearch": {"max_trials": max(1, spent // epochs)}}
    random = _search(folder / f"random-{seed}", tuner, fixed | {"fit.epochs": epochs}, space)
    cells = [seed, len(hyperband), spent, f"{max(hyperband):.2f}"]
    cells += [len(random), _spent(folder / f"random-{seed}"), f"{max(random):.2f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def _search(folder: pathlib.Path, tuner: dict, fixed: dict, space: dict) -> list[float]:
    """Search; return the objectives of the completed trials."""
    more = {"tuner": tuner, "set": fixed, "space": space}
    assignments = [f"{key}={json.dumps(value)}" for key, value in more.items()]
    fresh_process.call_in_fresh_processes(_trials, CONFIG, folder, assignments)
    with open(folder / "trials.csv", newline="") as file:
        return [float(row["score"]) for row in csv.DictReader(file) if row["score"]]


def _trials(path: pathlib.Path, folder: pathlib.Path, overrides: list[str]) -> bool:
    """Run some trials; return whether there may be more."""
    with contextlib.redirect_stdout(sys.stderr), terminal.show_progress(quiet=True):  # a line a trial
        return tuning.search(path, folder, overrides, cli.verbs.TRIALS_PER_PROCESS) is None


def _spent(folder: pathlib.Path) -> int:
    """Count the epochs that were trained: those that a trial of Hyperband took over from another count once."""
    total = 0
    for path in (folder / "search").glob("trial_*/trial.json"):
        values = json.loads(path.read_text())["hyperparameters"]["values"]
        history = (path.parent / "run" / "history.csv").read_text()
        total += history.count("\n") - 1 - values.get("tuner/initial_epoch", 0)
    return total


def _memory(folder: pathlib.Path, trials: int) -> None:
    """Print the most megabytes that the processes of a search held together in each trial; its processes are renewed
    as those of `tfvae tune` are."""
    held, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            done = len(list(folder.glob("search/trial_*/run/model.keras")))
            held.extend([0.0] * (done + 1 - len(held)))
            held[-1] = max(held[-1], _megabytes_of_children())

    watcher = threading.Thread(target=watch)
    watcher.start()
    space = config.keys(CONFIG, base=False)["space"]
    _search(folder, {"RandomSearch": {"max_trials": trials}}, {"fit.epochs": 1}, space)
    ended.set()
    watcher.join()
    print("MB in each trial:", " ".join(f"{megabytes:.0f}" for megabytes in held[:trials]))


def _megabytes_of_children() -> float:
    """Return what the processes that this one started hold for themselves."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.memory_full_info().uss
    return found / 1e6


if __name__ == "__main__":
    main()
