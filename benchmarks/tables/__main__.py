"""`python -m benchmarks.tables`: tfvae and its peers on tables, in one run and in turn. See ../README.md."""

import argparse
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from benchmarks.tables import NAMES

TASKS = ("imputation", "synthesis", "counts", "anomalies")
PACKAGES = ("tfvae", "tensorflow", "scikit-learn", "statsmodels", "ctgan", "rdt", "sdmetrics", "pyod", "torch")
PEERS = {"tvae": "ctgan", "iforest": "pyod", "pca": "pyod", "ecod": "pyod", "vae of pyod": "pyod"}  # what they need
SYNTHETIC = ("breast_cancer", "wine", "penguins", "anes96", "fair")

Job = tuple[str, Callable[[], Iterator[dict[str, Any]]]]


def main() -> int:
    """Measure, show, write."""
    options = _parser().parse_args()
    _limit(options.threads)
    from rich.console import Console

    from benchmarks.tables import report

    console, found, left_out = Console(), [], _left_out()
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "tables.jsonl").open("w") as file:
        about = {name: _version(name) for name in PACKAGES} | {"threads": options.threads, "set": options.set}
        file.write(json.dumps({"task": "about", "left out": left_out} | about) + "\n")
        for name, job in _jobs(options):
            try:
                for measured in job():
                    found.append(measured)
                    file.write(json.dumps(measured) + "\n")
                    file.flush()
                    console.print(report.line(measured), markup=False, highlight=False)
            except _reasons() as error:
                left_out.append(f"{name}: {error}")
                console.print(f"left out: {name}: {error}", markup=False, highlight=False)
    text = report.markdown(found, left_out, _about(options))
    (options.out / "tables.md").write_text(text)
    console.print(text, markup=False, highlight=False)
    return 0


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Give the measurements, in order; peers take turns within each."""
    from benchmarks.tables import anomalies, counts, imputation, sets, synthesis

    seeds, more = range(options.seeds), options.set
    there = [name for name in options.sets if not options.quick or name in ("wine", "penguins")]
    if "imputation" in options.only:
        for name in there:
            for share in options.missing:
                for seed in seeds:
                    methods = list(imputation.METHODS)
                    yield (
                        name,
                        lambda a=(name, share, seed, methods): imputation.measure(a[0], sets.read(a[0]), *a[1:], more),
                    )
    if "synthesis" in options.only:
        for name in (name for name in there if name in SYNTHETIC):
            for seed in seeds:
                methods = _present(synthesis.METHODS)
                yield name, lambda a=(name, seed, methods): synthesis.measure(a[0], sets.read(a[0]), *a[1:], more)
    if "counts" in options.only:
        for seed in seeds:
            yield "counts", lambda seed=seed: counts.measure(seed, 300 if options.quick else 1_500, more)
        if not options.quick:
            yield "celltypist", lambda: counts.measure_evidence(0, more)
    if "anomalies" in options.only and options.adbench:
        for path in sorted(options.adbench.glob("*.npz")):
            for seed in anomalies.SEEDS:
                methods = _present(anomalies.METHODS)
                yield path.stem, lambda path=path, seed=seed, its=methods: anomalies.measure(path, seed, its)


def _reasons() -> tuple[type[Exception], ...]:
    from benchmarks.tables.sets import LeftOut

    return LeftOut, ModuleNotFoundError


def _present(methods: dict[str, Any]) -> list[str]:
    return [name for name in methods if name not in PEERS or importlib.util.find_spec(PEERS[name])]


def _left_out() -> list[str]:
    """Give a line for each peer that is not installed."""
    needed = {name: package for name, package in PEERS.items() if not importlib.util.find_spec(package)}
    lines = [f"{name} needs {package}, which is not installed" for name, package in needed.items()]
    if not importlib.util.find_spec("sdmetrics"):
        lines.append("the quality score needs sdmetrics, which is not installed")
    return lines


def _about(options: argparse.Namespace) -> str:
    versions = [f"{name} {_version(name)}" for name in PACKAGES if _version(name)]
    changed = f" With {', '.join(options.set)}." if options.set else ""
    return f"Means of {options.seeds} seeds, {options.threads} threads, {', '.join(versions)}.{changed}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _limit(threads: int) -> None:
    """Leave the process so many cores, before anything is imported that counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def _parser() -> argparse.ArgumentParser:
    about = "VAEs of tables beside their peers, in turn, on the CPU."
    parser = argparse.ArgumentParser("python -m benchmarks.tables", description=about)
    parser.add_argument("--only", type=_names, default=list(TASKS), help=f"some of {','.join(TASKS)}")
    parser.add_argument("--sets", type=_names, default=list(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--missing", type=_shares, default=[0.2, 0.5], help="shares of cells to hide, as 0.2,0.5")
    parser.add_argument("--seeds", type=int, default=3, help="of each measurement; ADBench has its own")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=value", help="of the yaml; repeatable")
    parser.add_argument("--adbench", type=pathlib.Path, help="folder of ADBench's .npz files, for anomalies")
    parser.add_argument("--threads", type=int, default=1, help="1 unless given: networks are small")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/tables"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="two small tables: does everything work?")
    return parser


def _names(text: str) -> list[str]:
    unknown = [name for name in text.split(",") if name not in (*TASKS, *NAMES)]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join([*TASKS, *NAMES])}")
    return text.split(",")


def _shares(text: str) -> list[float]:
    return [float(share) for share in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
