"""Measurements -> means over seeds -> tables in markdown."""

import statistics
from collections.abc import Iterable
from typing import Any

__all__ = ["line", "markdown", "means"]

ABOUT = ("task", "table", "missing", "seed", "method")
BETTER = {"rmse": min, "accuracy": max, "quality": max, "auroc": max}  # which is printed bold
Measured = dict[str, Any]


def line(measured: Measured) -> str:
    """Give a measurement as a line."""
    about = [str(measured[name]) for name in ABOUT if name in measured]
    return f"{' '.join(about)}: " + ", ".join(
        f"{name} {_number(value)}" for name, value in measured.items() if name not in ABOUT
    )


def means(found: Iterable[Measured]) -> list[Measured]:
    """Give the means over seeds, in the order of the first ones."""
    groups: dict[tuple, list[Measured]] = {}
    for measured in found:
        groups.setdefault(tuple(measured.get(name) for name in ABOUT if name != "seed"), []).append(measured)
    result = []
    for its in groups.values():
        mean = {name: its[0][name] for name in ABOUT if name in its[0] and name != "seed"}
        for name in (name for name in its[0] if name not in ABOUT):
            values = [measured[name] for measured in its if measured.get(name) is not None]
            mean[name] = statistics.mean(values) if values else None
        result.append(mean | {"seeds": len(its)})
    return result


def markdown(found: Iterable[Measured], left_out: Iterable[str], about: str) -> str:
    """Give the tables, and what was left out; the best of each group is bold."""
    rows, lines = means(found), ["# Tables: tfvae beside its peers", "", about]
    for task in dict.fromkeys(row["task"] for row in rows):
        its = [row for row in rows if row["task"] == task]
        names = list(dict.fromkeys(name for row in its for name in row if name != "task"))
        lines += ["", f"## {task}", "", _cells(names), _cells(["---"] * len(names))]
        lines += [_cells([_cell(row, name, its) for name in names]) for row in its]
    return "\n".join([*lines, "", *(f"- left out: {reason}" for reason in dict.fromkeys(left_out)), ""])


def _cell(row: Measured, name: str, its: list[Measured]) -> str:
    value = row.get(name)
    rivals = [r for r in its if (r["table"], r.get("missing")) == (row["table"], row.get("missing"))]
    values = [r[name] for r in rivals if r.get(name) is not None and r["method"] != "real rows"]
    rival = row["method"] != "real rows" and value is not None
    best = name in BETTER and rival and len(values) > 1 and value == BETTER[name](values)
    return f"**{_number(value)}**" if best else _number(value)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
