"""Rows of a table through the model of a finished run: encoded or imputed, piece by piece; and rows drawn from it."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import tensorflow as tf

from tfvae import compatibility, data, model, progress, random, tables
from tfvae.evaluation import over_batches
from tfvae.imputation import impute_rows
from tfvae.training import finished_run
from tfvae.training.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableRun", "Unknown", "encode_rows", "impute_table", "sample_rows", "write_pieces"]

Unknown = Literal["refuse", "allow"]
AT_ONCE = 2**14  # rows that are held in memory: whole batches, so that a row's numbers are the same to the last bit
DRAWN = 1024  # rows that are drawn together, however many are wanted


class TableRun(NamedTuple):
    """The model of a run that was trained on a table, the table's schema, and what is done with a category that it does
    not know: "refuse" it, or "allow" it, as a missing cell."""

    vae: model.VAE
    schema: tables.Schema
    unknown: Unknown = "refuse"

    @classmethod
    def load(cls, run: str | os.PathLike, unknown: Unknown = "refuse") -> "TableRun":
        """Load it; ValueError where the run is of other data than a table, or has no `preprocessing.Table`."""
        return cls.of(finished_run.load(run)[0], run, unknown)

    @classmethod
    def of(cls, vae: model.VAE, run: str | os.PathLike, unknown: Unknown = "refuse") -> "TableRun":
        """Give it of the model of a run; ValueError as `load`."""
        schema = vae.preprocessor_view.schema
        if schema is None:
            raise ValueError(
                f"{RunFolder(run)} was not trained on a table: its model has no schema of columns (train with the "
                "preprocessor Table, as configs/table.yaml does)"
            )
        return cls(vae, schema, unknown)

    def pieces(self, source: str | os.PathLike, doing: str) -> Iterator[tuple[int, "pd.DataFrame"]]:
        """Read a table in pieces: the index of the first row, and the rows."""
        first = 0
        for frame in tables.chunks(source, AT_ONCE, text=self.schema.text):
            progress.doing(f"{doing}, from row {first}")
            yield first, frame
            first += len(frame)

    def loaded(self, frame: "pd.DataFrame") -> Any:
        """Give rows as the model takes them: x `[N, D]`, or a pair with their conditions."""
        x, condition = self.schema.encode(frame, self.unknown), data.conditions_of(frame, self.schema)
        return x if condition is None else (x, condition)

    def beside(self, frame: "pd.DataFrame", found: dict[str, Any]) -> "pd.DataFrame":
        """Give the columns that the model does not look at (labels, conditions, and ignored ones), and what was found.

        Raises:
            TableError: when what was found has the name of such a column.
        """
        keys = [name for name in frame.columns if name not in self.schema.names]
        for name in keys:
            if name in found:
                raise tables.TableError(f"column {name!r}: the output has a column of this name: rename yours")
        return frame[keys].assign(**found)


def write_pieces(
    run: TableRun,
    source: str | os.PathLike,
    output: str | os.PathLike,
    doing: str,
    of_piece: Callable[[int, "pd.DataFrame"], "pd.DataFrame"],
) -> int:
    """Write of_piece(index of the first row, rows) of all rows of a table, read as `run` has it: how many there are."""
    pieces = run.pieces(source, doing)
    found = of_piece(*next(pieces))
    count = len(found)
    with tables.Writer(output, list(found.columns)) as writer:
        writer.write(found)
        for first, frame in pieces:
            writer.write(of_piece(first, frame))
            count += len(frame)
    return count


def encode_rows(
    run: str | os.PathLike, source: str | os.PathLike, output: str | os.PathLike, unknown: Unknown = "refuse"
) -> int:
    """Write the mean and standard deviation of q(z|x) of each row of a table.

    Args:
        run: a finished run, trained on a table.
        source: the table: a file, a folder of files or a pattern.
        output: a .csv or .parquet file: columns that the model does not look at (labels, ignored ones), then `mean_0`,
            ..., `stddev_0`, ...
        unknown: as for `TableRun`.

    Returns:
        how many rows there are.
    """
    table = TableRun.load(run, unknown)

    def of_piece(first: int, frame: "pd.DataFrame") -> "pd.DataFrame":
        found = over_batches(table.vae, _encode, table.loaded(frame), 0, 0)  # [2, N, n]
        named = {
            f"{name}_{unit}": found[row, :, unit]
            for row, name in enumerate(("mean", "stddev"))
            for unit in range(found.shape[2])
        }
        return table.beside(frame, named)

    return write_pieces(table, source, output, "encoding", of_piece)


def _encode(vae: model.VAE, setting: None, batch: Any, key: tf.Tensor) -> tf.Tensor:
    posterior = vae.encode(batch)
    return tf.stack([posterior.mean(), posterior.stddev()])  # [2, B, n]


def impute_table(
    run: str | os.PathLike,
    source: str | os.PathLike,
    output: str | os.PathLike,
    samples: int = 1000,
    draw: bool = False,
    seed: int = 0,
    unknown: Unknown = "refuse",
) -> int:
    """Write a table with its gaps filled; all other cells stay as they are.

    Args:
        run: a finished run, trained on a table.
        source: the table: a file, a folder of files or a pattern.
        output: a .csv or .parquet file, with the columns of the table.
        samples: importance samples for each row.
        draw: whether to fill gaps with a draw of p(x_missing|x_observed), else with its mean, or the likeliest
            category.
        seed: integer; a row's noise follows from it and from the row's index.
        unknown: as for `TableRun`.

    Returns:
        how many rows there are.
    """
    table = TableRun.load(run, unknown)

    def of_piece(first: int, frame: "pd.DataFrame") -> "pd.DataFrame":
        x, condition = table.schema.encode(frame, table.unknown), data.conditions_of(frame, table.schema)
        whole = impute_rows(table.vae, x, condition, 1 if draw else None, samples, seed, first)[0]
        filled = compatibility.fill_frame(table.schema, frame, whole)
        return frame.assign(**{name: filled[name] for name in filled.columns})

    return write_pieces(table, source, output, "imputing", of_piece)


def sample_rows(
    run: str | os.PathLike,
    output: str | os.PathLike,
    rows: int,
    given: dict[str, str] | None = None,
    seed: int = 0,
) -> int:
    """Write rows drawn from the model of a run, as its table has them: categories by name, integers as integers.

    Args:
        run: a finished run, trained on a table.
        output: a .csv or .parquet file.
        rows: how many.
        given: column -> value, of the columns that the model is conditioned on; all of them, or none where it is on
            none.
        seed: integer; a row's noise follows from it and from the row's index.
    """
    table = TableRun.load(run)
    condition = data.condition_from_text(given or {}, table.schema)
    with tables.Writer(output, table.schema) as writer:
        for first in range(0, rows, DRAWN):
            progress.at(f"{first} of {rows} rows")
            key = random.seed(seed, random.Stream.SAMPLING, row=first)
            x = table.vae.sample(DRAWN, condition, key, mean=False)[: rows - first]
            writer.write(table.schema.decode(x.numpy(), within=True))
    return rows
