"""The tables that `evaluate` and `tune` print."""

from collections.abc import Sequence
from typing import Any, Literal

from tfvae import progress

__all__ = ["print_evaluation", "print_trials"]

Column = tuple[str, Literal["left", "right"]]
EVALUATION_COLUMNS: tuple[Column, ...] = (("", "left"), ("mean", "right"), ("standard error", "right"), ("", "left"))
TRIAL_COLUMNS: tuple[Column, ...] = (("trial", "left"), ("nats", "right"), ("epochs", "right"), ("", "left"))
MAX_TRIALS = 10  # rows of the table of trials


def print_evaluation(run: str, result: dict[str, Any]) -> None:
    """Print what `evaluate` measured of a run."""
    from tfvae.training.report import tables

    progress.done()
    title = f"{run}, split {result['split']}, {result['examples']} examples"
    _print_table(title, EVALUATION_COLUMNS, tables.evaluation(result))
    for line in tables.notes(result):
        print(line)


def print_trials(folder: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the best trials of a search, how many failed, and what was written."""
    from tfvae.tuning import results

    completed = [row for row in rows if row["score"] is not None]
    best = sorted(completed, key=lambda row: row["score"], reverse=True)[:MAX_TRIALS]
    cells = [(row["trial"], f"{row['score']:.2f}", str(row["epochs"]), results.describe(row)) for row in best]
    _print_table(f"{folder}: the best of {len(rows)} trials", TRIAL_COLUMNS, [cells])
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        print(f"{len(failed)} failed, the first: {failed[0]['message']}")
    print(f"written: {folder} (best.yaml, best, trials.csv, figures, tensorboard)", flush=True)


def _print_table(title: str, columns: Sequence[Column], sections: Sequence[Sequence[Sequence[str]]]) -> None:
    """Print a table of sections of rows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for name, justify in columns:
        table.add_column(name, justify=justify)
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    Console().print(table)
