"""Trains and evaluates the cells of the IWAE paper's table, and tabulates them: `python -m benchmarks.reproduce RUNS`.

Each cell of configs/reproduce is a run folder, RUNS/CELL-SEED, which goes on where it was stopped: so the table may be
filled in several sittings. See docs/results.md.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time
from typing import Any

from tfvae import config, files, training

CONFIGS = pathlib.Path(__file__).parent.parent / "configs" / "reproduce"
CELLS = {  # the cell's yaml: (what it is, seeds, test log p(x) of the paper, nats)
    "elbo_1": ("1 layer, ELBO, k = 1", 3, -86.76),
    "elbo_5": ("1 layer, ELBO, k = 5", 1, -86.47),
    "iwae_5": ("1 layer, IWAE, k = 5", 1, -85.54),
    "iwae_50": ("1 layer, IWAE, k = 50", 1, -84.78),
    "two_layers_elbo_1": ("2 layers, ELBO, k = 1", 1, -85.33),
    "two_layers_iwae_5": ("2 layers, IWAE, k = 5", 1, -83.89),
    "standard_prior": ("1 layer, standard normal prior, as the next", 1, None),
    "vampprior": ("1 layer, VampPrior, 200 pseudo-inputs", 1, None),
}

__all__ = ["main"]


def main() -> None:
    """Train what is missing, evaluate what is trained, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.reproduce", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=pathlib.Path, help="folder of the run folders, made or gone on with")
    parser.add_argument("--cells", default=",".join(CELLS), help=f"some of {','.join(CELLS)}")
    parser.add_argument("--seeds", type=int, help="of each cell, in place of the table's")
    parser.add_argument("--data", help="folder of MNIST's original files; else TFDS downloads them")
    parser.add_argument("--set", action="append", default=[], metavar="a.b.c=value", help="of every cell; repeatable")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples per image")
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    for cell in options.cells.split(","):
        for seed in range(options.seeds or CELLS[cell][1]):
            run = options.runs / f"{cell}-{seed}"
            if not options.only_table:
                _train(CONFIGS / f"{cell}.yaml", run, seed, options)
                _evaluate(run, options.samples)
    print(_table(options.runs))


def _train(path: pathlib.Path, run: pathlib.Path, seed: int, options: argparse.Namespace) -> None:
    """Train a cell to its end, unless it is there."""
    if (run / "model.keras").is_file():
        return
    more = [f"seed={seed}", *([f"data.manual_dir={options.data}"] if options.data else []), *options.set]
    _note_sitting(run)
    print(f"{run.name}: training", flush=True)
    start = time.perf_counter()
    training.train(path, run, more, resume=True)
    print(f"{run.name}: {(time.perf_counter() - start) / 60:.1f} minutes in this sitting", flush=True)


def _note_sitting(run: pathlib.Path) -> None:
    """Remember the commit of each sitting, in order, in the run folder."""
    run.mkdir(exist_ok=True)
    commits = _read(run, "commits") if (run / "commits.json").is_file() else []
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=CONFIGS)
    files.write_json(run / "commits.json", list(dict.fromkeys([*commits, done.stdout.strip() or "unknown"])))


def _evaluate(run: pathlib.Path, samples: int) -> None:
    """Evaluate on all 10,000 test images, unless that is done."""
    path = run / "evaluation.json"
    if path.is_file() and json.loads(path.read_text())["log_marginal_samples"] == samples:
        return
    print(f"{run.name}: evaluating", flush=True)
    training.evaluate(run, "test", samples, more=False)


def _table(runs: pathlib.Path) -> str:
    """Return markdown: a row for each run that is trained and evaluated; of several seeds also mean and spread."""
    lines = [
        "| cell | seed | paper | log p(x) | ELBO | active units | schedule | minutes | commit |",
        "|---|---:|---:|---:|---:|---:|---|---:|---|",
    ]
    for cell, (title, _, paper) in CELLS.items():
        done = [run for run in sorted(runs.glob(f"{cell}-[0-9]*")) if (run / "evaluation.json").is_file()]
        lines += [_row(run, title, paper) for run in done]
        if len(done) > 1:
            values = [_read(run, "evaluation")["log_marginal"]["mean"] for run in done]
            spread = f"{statistics.mean(values):.2f}, spread {statistics.stdev(values):.2f}"
            lines.append(f"| {title} | {len(done)} seeds | {paper or ''} | {spread} | | | | | |")
    return "\n".join(lines)


def _row(run: pathlib.Path, title: str, paper: float | None) -> str:
    found = _read(run, "evaluation")
    values = [f"{found[name]['mean']:.2f} ± {found[name]['standard_error']:.2f}" for name in ("log_marginal", "elbo")]
    units = f"{found['active_units']} of {found['latent_units']}"
    minutes, commits = round(_read(run, "run")["seconds"] / 60), " ".join(_read(run, "commits"))
    cells = [title, run.name.rsplit("-", 1)[1], paper or "", *values, units, _schedule(run), minutes, commits]
    return "| " + " | ".join(map(str, cells)) + " |"


def _schedule(run: pathlib.Path) -> str:
    keys = config.keys(run / "config.yaml")
    ((optimizer, arguments),) = keys["optimizer"].items()
    ((_, rate),) = arguments["learning_rate"].items()
    epochs = (run / "history.csv").read_text().count("\n") - 1
    return f"{epochs} epochs, batch {keys['data']['batch_size']}, {optimizer} {rate['warmup_target']:g}"


def _read(run: pathlib.Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text())


if __name__ == "__main__":
    main()
