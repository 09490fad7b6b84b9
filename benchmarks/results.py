"""Measurements -> medians and ratios -> a table, on the terminal and in markdown."""

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers import PEERS
from benchmarks.tasks import TASKS

__all__ = ["markdown", "number", "remarks", "show", "summarise", "tables"]


Summary = dict[str, dict[str, dict[str, Any]]]  # task -> row (a peer, or a point of `scaling`) -> medians and ratio
LeftOut = dict[str, list[str]]  # peer -> packages that it needs


def summarise(measurements: Iterable[dict[str, Any]]) -> Summary:
    """Return the medians of measurements, and the ratios of these to tfvae's.

    Args:
        measurements: dicts of `task`, `row`, `peer`, and either `figures` (title -> number or None) or `error`.

    Returns:
        For each row `figures`, the medians over the runs; `low` and `high` of the first figure; `ratio`, the first
        figure of tfvae over the row's, None where there is none; `runs`, and `errors`, those of runs that failed.
    """
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for measurement in measurements:
        rows.setdefault(measurement["task"], {}).setdefault(measurement["row"], []).append(measurement)
    summary = {task: {row: _median(found) for row, found in its.items()} for task, its in rows.items()}
    for its in summary.values():
        ours = _first(its.get("tfvae"))
        for row in its.values():
            theirs = _first(row)
            row["ratio"] = ours / theirs if ours and theirs else None
    return summary


def _median(measurements: list[dict[str, Any]]) -> dict[str, Any]:
    done = [m["figures"] for m in measurements if "figures" in m]
    errors = [m["error"] for m in measurements if "error" in m]
    figures: dict[str, float | None] = {}
    low, high = None, None
    for title in reversed(done[0] if done else []):  # the first comes last, and leaves its bounds
        values = [f[title] for f in done if f[title] is not None]
        figures[title] = statistics.median(values) if values else None
        low, high = (min(values), max(values)) if values else (None, None)
    figures = dict(reversed(figures.items()))
    return {"figures": figures, "low": low, "high": high, "runs": len(measurements), "errors": errors}


def _first(row: dict[str, Any] | None) -> float | None:
    return next(iter(row["figures"].values()), None) if row else None


def tables(summary: Summary) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Give (title, header, rows of strings) of each task."""
    for task, its in summary.items():
        titles = next((list(row["figures"]) for row in its.values() if row["figures"]), [])
        compared = len(TASKS[task].peers) > 1
        header = ["", *titles[:1], "lowest - highest", *titles[1:], *(["tfvae / peer"] if compared else [])]
        yield TASKS[task].title, header, [_cells(name, row, titles, compared) for name, row in its.items()]


def _cells(name: str, row: dict[str, Any], titles: list[str], compared: bool) -> list[str]:
    medians = [number(row["figures"].get(title)) for title in titles]
    bounds = f"{number(row['low'])} - {number(row['high'])}" if row["figures"] else "failed"
    return [name, *medians[:1], bounds, *medians[1:], *([number(row["ratio"])] if compared else [])]


def number(value: float | None) -> str:
    """Return a number as tables show it; `?` for None."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def remarks(summary: Summary, left_out: LeftOut) -> list[str]:
    """Return a line for each peer that was left out, each run that failed, and each peer that is in a table."""
    shown = {row for its in summary.values() for row in its}
    lines = [f"{name}: {peer.about}" for name, peer in PEERS.items() if name in shown]
    lines += [f"left out: {peer}, which needs {', '.join(packages)}" for peer, packages in left_out.items()]
    for task, its in summary.items():
        for name, row in its.items():
            if row["errors"]:
                lines.append(f"failed: {name}, {task}, {len(row['errors'])} of {row['runs']} runs: {row['errors'][-1]}")
    return lines


def show(console: Console, summary: Summary, left_out: LeftOut) -> None:
    """Print the tables and remarks."""
    for title, header, rows in tables(summary):
        table = Table(title=title, title_justify="left")
        for index, heading in enumerate(header):
            table.add_column(heading, justify="right" if index else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in remarks(summary, left_out):
        console.print(line, markup=False, highlight=False)


def markdown(summary: Summary, left_out: LeftOut, about: str) -> str:
    """Return the tables and remarks as markdown; `about` is a line on the run."""
    lines = ["# tfvae beside its peers", "", about]
    for title, header, rows in tables(summary):
        lines += ["", f"## {title}", "", _line(header), _line(["---", *["---:"] * (len(header) - 1)])]
        lines += [_line(row) for row in rows]
    return "\n".join([*lines, "", *(f"- {line}" for line in remarks(summary, left_out)), ""])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
