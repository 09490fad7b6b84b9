"""Tables that are in memory already, and those of AnnData."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.extras import MissingLibrary
from tfvae.tables.arrow import check_arrow, frame_from_arrow
from tfvae.tables.errors import TableError
from tfvae.tables.optional import optional, pandas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_from_memory", "is_table_in_memory", "read_h5ad"]


def is_table_in_memory(source: Any) -> bool:
    """Return whether `frame_from_memory` may take it, as its type says; no library is imported."""
    library = type(source).__module__.split(".")[0]
    if library == "pandas":
        return hasattr(source, "columns")
    if library == "scipy":
        return hasattr(source, "tocsc")
    frame = any(hasattr(source, name) for name in ("__arrow_c_stream__", "__dataframe__"))
    return frame or library == "anndata" or isinstance(source, np.ndarray)


def frame_from_memory(source: Any) -> pd.DataFrame:
    """Return what is in memory as a DataFrame.

    Args:
        source: A pandas.DataFrame (returned as it is); AnnData; what has `__arrow_c_stream__` (pyarrow, polars) or
            `__dataframe__`; a SciPy sparse matrix or a NumPy array [N, D], whose columns are named x0, x1, ...; a NumPy
            array with named fields.

    Raises:
        TableError: It is none of these.
    """
    pd = pandas()
    if isinstance(source, pd.DataFrame):
        return source
    if type(source).__module__.split(".")[0] == "anndata":
        return _frame_from_anndata(source)
    if hasattr(source, "__arrow_c_stream__"):
        table = optional("pyarrow").table(source)
        check_arrow(table.schema, type(source).__name__)
        return frame_from_arrow(table)
    if hasattr(source, "__dataframe__"):
        table = optional("pyarrow.interchange").from_dataframe(source)
        check_arrow(table.schema, type(source).__name__)
        return frame_from_arrow(table)
    if isinstance(source, np.ndarray):
        return _frame_from_array(source)
    if type(source).__module__.split(".")[0] == "scipy" and hasattr(source, "tocsc"):
        if source.ndim != 2:
            raise TableError(f"a sparse array must be [N, D], not {list(source.shape)}")
        return pd.DataFrame.sparse.from_spmatrix(source, columns=_numbered(source.shape[1]))
    takes = "a path, a pandas.DataFrame, an Arrow or polars table, AnnData, a SciPy sparse matrix or a NumPy array"
    raise TableError(f"a table must be {takes}, not {type(source).__name__}: use pandas.DataFrame(...)")


def _numbered(count: int) -> list[str]:
    return [f"x{number}" for number in range(count)]


def _frame_from_array(array: np.ndarray) -> pd.DataFrame:
    pd = pandas()
    if array.dtype.names:
        return pd.DataFrame.from_records(np.ma.getdata(array))
    if array.ndim != 2:
        mend = "use array[:, None] for a single column" if array.ndim == 1 else "use array.reshape(len(array), -1)"
        raise TableError(f"an array must be [N, D], not {list(array.shape)}: {mend}")
    frame = pd.DataFrame(np.ma.getdata(array), columns=_numbered(array.shape[1]))
    if isinstance(array, np.ma.MaskedArray):
        frame = frame.mask(np.ma.getmaskarray(array))
    return frame.infer_objects() if array.dtype == object else frame


def _frame_from_anndata(data: Any) -> pd.DataFrame:
    """Return AnnData's X, with a column for each variable, and the columns of obs."""
    pd = pandas()
    names = [str(name) for name in data.var_names]
    obs = data.obs.reset_index(drop=True)
    for name in [*names, *obs.columns]:
        if [*names, *obs.columns].count(name) > 1:
            mend = "rename it in obs, or call var_names_make_unique()"
            raise TableError(f"AnnData: column {name!r} is there twice, in var_names or in obs: {mend}")
    if hasattr(data.X, "tocsc"):
        frame = pd.DataFrame.sparse.from_spmatrix(data.X, columns=names)
    else:
        frame = pd.DataFrame(np.asarray(data.X), columns=names)
    return pd.concat([frame, obs], axis=1)


def read_h5ad(path: str) -> pd.DataFrame:
    """Return an .h5ad file's table.

    Raises:
        ImportError: anndata is not installed; says what to install.
        TableError: The file cannot be read.
    """
    try:
        anndata: Any = importlib.import_module("anndata")
    except ModuleNotFoundError:
        raise MissingLibrary("anndata", f"{path}: .h5ad files") from None
    try:
        data = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise TableError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    return _frame_from_anndata(data)
