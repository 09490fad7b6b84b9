"""Hyperband beside random search, at the same number of epochs: `python -m benchmarks.searches`. See docs/tuning.md.

Both search the space of configs/tune/digits.yaml; random search trains as many trials in full as the epochs allow.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import tempfile

import psutil

from tfvae import training, tuning

CONFIG = pathlib.Path(__file__).parent.parent / "configs" / "tune" / "digits.yaml"

__all__ = ["main"]


def main():
    """Prints a row of a table for each seed; with --memory, the memory that a search holds after each trial."""
    parser = argparse.ArgumentParser("python -m benchmarks.searches", description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=9, help="of a trial that is trained in full")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="TRIALS", help="measure memory over so many short trials instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            return _memory(pathlib.Path(folder), options.memory)
        print("| seed | Hyperband: trials | epochs | best ELBO | random search: trials | epochs | best ELBO |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for seed in range(options.seeds):
            print(_row(seed, options.epochs, pathlib.Path(folder)), flush=True)


def _row(seed, epochs, folder):
    hyperband = _searched(folder / f"hyperband-{seed}", seed, f"{{Hyperband: {{max_epochs: {epochs}, factor: 3}}}}")
    spent = _spent(folder / f"hyperband-{seed}")
    trials = max(1, spent // epochs)
    random = _searched(folder / f"random-{seed}", seed, f"{{RandomSearch: {{max_trials: {trials}}}}}", epochs)
    cells = [seed, len(hyperband), spent, f"{_best(hyperband):.2f}"]
    cells += [len(random), _spent(folder / f"random-{seed}"), f"{_best(random):.2f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def _searched(folder, seed, tuner, epochs=None):
    fixed = f"{{optimizer: {{Adam: }}, seed: {seed}, fit.epochs: {epochs or 1}}}"  # of Hyperband's the oracle decides
    more = [f"tuner={tuner}", f"set={fixed}"]
    with contextlib.redirect_stdout(sys.stderr):  # a line a trial
        return tuning.search(CONFIG, folder, more)


def _spent(folder):
    """The epochs that were trained: those that a trial of Hyperband took over from another count once."""
    total = 0
    for path in (folder / "search").glob("trial_*/trial.json"):
        values = json.loads(path.read_text())["hyperparameters"]["values"]
        history = (path.parent / "run" / "history.csv").read_text()
        total += history.count("\n") - 1 - values.get("tuner/initial_epoch", 0)
    return total


def _best(rows):
    return max(row["score"] for row in rows if row["score"] is not None)


def _memory(folder, trials):
    """Prints the megabytes that this process holds after each trial."""
    held, trained = [], training.train_experiment

    def counted(*arguments, **more):
        held.append(psutil.Process().memory_info().rss / 1e6)
        return trained(*arguments, **more)

    training.train_experiment = counted
    _searched(folder / "search", 0, f"{{RandomSearch: {{max_trials: {trials + 1}}}}}", 1)
    print("MB after each trial:", " ".join(f"{megabytes:.0f}" for megabytes in held[1:]))


if __name__ == "__main__":
    main()
