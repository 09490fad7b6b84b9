"""The libraries that only tables need: imported when a table is used, and not with tfvae."""

import importlib
from typing import Any

__all__ = ["optional", "pandas"]


def optional(name: str) -> Any:
    """Import a library that the extra `tables` brings.

    Args:
        name: The module, such as "pyarrow.csv".

    Returns:
        The module.

    Raises:
        ImportError: It is not installed; says what to install.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the library is there, and lacks one that it needs itself
        raise ImportError(f'tables need {error.name}: pip install "tfvae[tables]"') from None


def pandas() -> Any:
    """Import pandas.

    Raises:
        ImportError: It is not installed; says what to install.
    """
    return optional("pandas")
