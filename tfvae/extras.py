"""Packages that only some functions need: what the extras of the package bring, such as `pip install "tfvae[plot]"`."""

import contextlib
import importlib.util
from collections.abc import Iterator

__all__ = ["MODULES", "MissingExtra", "MissingLibrary", "check_extra", "require_extra"]

MODULES = {  # extra: modules that only it brings; a test compares them with pyproject.toml
    "evaluate": ("scipy", "sklearn"),
    "export": ("tensorflow_serving",),
    "plot": ("matplotlib", "sklearn"),
    "serve": (
        "anyio",
        "google.protobuf",
        "grpc",
        "grpc_health",
        "httptools",
        "orjson",
        "prometheus_client",
        "starlette",
        "tensorflow_serving",
        "uvicorn",
    ),
    "tables": ("pandas", "pyarrow"),
}


class MissingExtra(ImportError):
    """A module is not installed that an extra brings; the message says how to install it."""

    def __init__(self, extra: str, module: str):
        super().__init__(f'{module} is not installed: pip install "tfvae[{extra}]" brings it', name=module)


class MissingLibrary(MissingExtra):
    """A module is not installed that no extra brings; the message says what needs it."""

    def __init__(self, module: str, what: str):
        ImportError.__init__(self, f"{what} need {module}: pip install {module}", name=module)


@contextlib.contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Import, in the block, modules of an extra.

    Raises:
        MissingExtra: when one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == __package__:
            raise
        raise MissingExtra(extra, error.name) from None


def check_extra(extra: str) -> None:
    """Look whether an extra is installed, without importing anything of it.

    Raises:
        MissingExtra: when a module of it is not installed.
    """
    for module in MODULES[extra]:
        with require_extra(extra):
            if importlib.util.find_spec(module) is None:
                raise MissingExtra(extra, module)
