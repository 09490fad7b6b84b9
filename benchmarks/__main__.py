"""`python -m benchmarks`: runs tfvae and its peers in turn, and writes tables of medians. See README.md."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from importlib import metadata
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import images, results, scaling
from benchmarks.peers import PEERS, missing_packages
from benchmarks.tasks import TASKS
from tfvae import files

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("tfvae", "tensorflow", "keras", "jax", "optax", "torch", "pythae", "numpy")


def main() -> int:
    """Measure, show, write; return 1, the exit status, when a measurement failed."""
    options = _parser().parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    console, left_out = Console(), {peer: missing_packages(peer) for peer in options.peers if missing_packages(peer)}
    peers = [peer for peer in options.peers if peer not in left_out]
    arrays = images.read(options.data)
    settings: dict[str, dict[str, Any]] = {}
    for task in options.only:
        chosen = TASKS[task].quick if options.quick else TASKS[task].settings
        settings[task] = chosen | {"count": min(chosen["count"], len(arrays["train"]))}
    with tempfile.TemporaryDirectory() as folder:
        file = str(pathlib.Path(folder) / "images.npz")
        np.savez(file, **arrays)
        measurements = []
        for job in _jobs(settings, peers, options.runs):
            measurements.append(_measure(job, file, options.threads))
            console.print(_progress(measurements[-1], options.runs), markup=False, highlight=False)
    summary = results.summarise(measurements)
    results.show(console, summary, left_out)
    _write(options, settings, measurements, summary, left_out)
    console.print(f"written: {options.out}/results.md, results.json", markup=False, highlight=False)
    return int(any("error" in measurement for measurement in measurements))


def _jobs(settings: dict[str, dict[str, Any]], peers: list[str], runs: int) -> Iterator[dict[str, Any]]:
    """Give the measurements to make, in order: within a task the peers take turns, A B A B."""
    for task, its in settings.items():
        for run in range(1, runs + 1):
            if task == "scaling":
                rows = [("tfvae", row, point) for row, _, _, point in scaling.points(its) if "tfvae" in peers]
            else:
                rows = [(peer, peer, its) for peer in peers if peer in TASKS[task].peers]
            for peer, row, chosen in rows:
                yield {"task": task, "run": run, "peer": peer, "row": row, "settings": chosen}


def _measure(job: dict[str, Any], file: str, threads: int) -> dict[str, Any]:
    """Run a worker; return the job with its `figures`, or with `error`, the last line that it wrote."""
    settings = job["settings"] | {"file": file, "threads": threads, "started": time.time()}
    command = [sys.executable, "-m", "benchmarks.worker", job["peer"], job["task"], json.dumps(settings)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(threads), capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}, and nothing said"]
        return job | {"error": lines[-1]}
    return job | {"figures": json.loads(done.stdout.splitlines()[-1])}


def _environment(threads: int) -> dict[str, str]:
    """Return the variables of a worker: all on the CPU, with the same number of threads."""
    names = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS".split()
    cpu = {
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    return os.environ | cpu | dict.fromkeys(names, str(threads))


def _progress(measurement: dict[str, Any], runs: int) -> str:
    figures = measurement.get("figures")
    said = ", ".join(f"{title} {results.number(value)}" for title, value in (figures or {}).items())
    said = said or f"failed: {measurement['error']}"
    return f"{measurement['task']}, run {measurement['run']} of {runs}, {measurement['row']}: {said}"


def _write(
    options: argparse.Namespace,
    settings: dict[str, dict[str, Any]],
    measurements: list[dict[str, Any]],
    summary: results.Summary,
    left_out: results.LeftOut,
) -> None:
    """Write results.json, results.md and, where it was measured, scaling.png."""
    options.out.mkdir(parents=True, exist_ok=True)
    versions = {name: _version(name) for name in PACKAGES}
    run = {"threads": options.threads, "runs": options.runs, "quick": options.quick, "data": options.data or "digits"}
    found = {"run": run, "settings": settings, "versions": versions, "left_out": left_out, "summary": summary}
    about = f"Medians of {options.runs} runs, {options.threads} threads, "
    about += ", ".join(f"{name} {version}" for name, version in versions.items() if version) + "."
    if options.quick:
        about += " A quick run, to see that all works: its figures say nothing."
    files.write_text(options.out / "results.json", json.dumps(found | {"measurements": measurements}, indent=1))
    files.write_text(options.out / "results.md", results.markdown(summary, left_out, about))
    if "scaling" in summary:
        scaling.draw(summary["scaling"], settings["scaling"], options.out / "scaling.png")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description="tfvae beside its peers, in turn, on the CPU.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--runs", type=int, help="measurements of each figure; 3 unless given, 1 with --quick")
    parser.add_argument("--only", type=_names(TASKS), default=list(TASKS), help=f"some of {','.join(TASKS)}")
    parser.add_argument("--peers", type=_names(PEERS), default=list(PEERS), help=f"some of {','.join(PEERS)}")
    parser.add_argument(
        "--data", default=os.environ.get("TFVAE_MNIST"), help="folder of MNIST's original files; else digits"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("runs/benchmarks"), help="folder for the results"
    )
    parser.add_argument("--threads", type=int, default=cores, help="of each measurement; all cores unless given")
    parser.add_argument("--quick", action="store_true", help="few images: does everything work?")
    return parser


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a type for argparse: names joined by commas, each of them known."""

    def names(text: str) -> list[str]:
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return [name for name in known if name in text.split(",")]

    return names


if __name__ == "__main__":
    sys.exit(main())
