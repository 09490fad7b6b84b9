"""The tables that are measured: all come with packages, and none is downloaded."""

import importlib.util
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["SETS", "LeftOut", "Table", "read"]

PENGUINS = pathlib.Path(__file__).parents[2] / "configs" / "tables" / "penguins.csv"


class LeftOut(Exception):
    """A table, or a peer, that is not to be had here; its message says why."""


class Table(NamedTuple):
    """A table, its cells in pandas' types; categories are text.

    Attributes:
        frame: the table.
        kinds: column -> kind, where it shall not be found out.
        target: the column that classifiers predict from the others.
    """

    frame: pd.DataFrame
    kinds: dict[str, str]
    target: str | None

    @property
    def categories(self) -> list[str]:
        """The columns of categories."""
        return [name for name in self.frame if not pd.api.types.is_numeric_dtype(self.frame[name])]

    @property
    def numbers(self) -> list[str]:
        """The columns of numbers."""
        return [name for name in self.frame if pd.api.types.is_numeric_dtype(self.frame[name])]


def read(name: str) -> Table:
    """Read a table by its name.

    Raises:
        LeftOut: when what brings it is not installed, or it would have to be downloaded.
    """
    return SETS[name]()


def _of_sklearn(loader: str, classes: bool = False) -> Table:
    """Read a table that comes with scikit-learn; its columns are numbers, and the target, if classes, a category."""
    from sklearn import datasets

    found = getattr(datasets, loader)(as_frame=True)
    frame = found.data.astype(float)
    if classes:
        frame["class"] = [str(found.target_names[index]) for index in found.target]
    return Table(frame, dict.fromkeys(found.data.columns, "number"), "class" if classes else None)


def _diabetes() -> Table:
    from sklearn import datasets

    frame = datasets.load_diabetes(as_frame=True, scaled=False).data
    frame = frame.assign(sex=frame["sex"].map({1.0: "one", 2.0: "two"}))
    return Table(frame, dict.fromkeys(frame.columns.drop("sex"), "number"), None)


def _california() -> Table:
    from sklearn import datasets

    try:
        frame = datasets.fetch_california_housing(as_frame=True, download_if_missing=False).data
    except OSError:
        raise LeftOut("california would have to be downloaded") from None
    return Table(frame, dict.fromkeys(frame.columns, "number"), None)


def _penguins() -> Table:
    frame = pd.read_csv(PENGUINS).astype({"year": str})
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    return Table(frame, dict.fromkeys(numbers, "number"), "species")


def _of_statsmodels(name: str, categories: tuple[str, ...], target: str, binary: Callable | None = None) -> Table:
    """Read a table that comes with statsmodels; `categories` are codes there, `binary` makes classes of the target."""
    if importlib.util.find_spec("statsmodels") is None:
        raise LeftOut(f"{name} comes with statsmodels, which is not installed")
    from statsmodels import datasets

    frame = getattr(datasets, name).load_pandas().data.astype(float)
    if binary is not None:
        frame[target] = binary(frame[target])
    for column in dict.fromkeys([*categories, target]):
        frame[column] = [f"c{code:g}" for code in frame[column]]
    return Table(frame, {name: "number" for name in frame if name not in (*categories, target)}, target)


SETS: dict[str, Callable[[], Table]] = {
    "breast_cancer": lambda: _of_sklearn("load_breast_cancer", classes=True),
    "wine": lambda: _of_sklearn("load_wine", classes=True),
    "diabetes": _diabetes,
    "california": _california,
    "penguins": _penguins,
    "anes96": lambda: _of_statsmodels("anes96", (), "vote"),
    "fair": lambda: _of_statsmodels(
        "fair", ("occupation", "occupation_husb"), "affairs", lambda affairs: np.where(affairs > 0, 1.0, 0.0)
    ),
}
