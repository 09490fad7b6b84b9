"""Names of a package that are imported at first use: `tfvae.VAE` brings TensorFlow, `import tfvae` does not."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["import_when_used"]


def import_when_used(
    package: str, modules: tuple[str, ...], names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Give the functions `__getattr__` and `__dir__` of a package.

    Args:
        package: its name.
        modules: its public modules.
        names: other public names -> the module of the package that defines them.
    """

    def get_attribute(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name in names:
            return getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> list[str]:
        return sorted(["__version__", *modules, *names])

    return get_attribute, list_names
