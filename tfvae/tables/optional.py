"""The libraries that only tables need: imported when a table is used, and not with tfvae."""

import importlib
from typing import Any

from tfvae.extras import require_extra

__all__ = ["optional", "pandas"]


def optional(name: str) -> Any:
    """Import a library that the extra `tables` brings.

    Args:
        name: The module, such as "pyarrow.csv".

    Returns:
        The module.

    Raises:
        MissingExtra: It is not installed; says what to install.
    """
    with require_extra("tables"):
        return importlib.import_module(name)


def pandas() -> Any:
    """Import pandas.

    Raises:
        MissingExtra: It is not installed; says what to install.
    """
    return optional("pandas")
