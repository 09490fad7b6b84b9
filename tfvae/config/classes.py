"""Classes and functions by their dotted path, which are known to be of the right kind before their module is imported.

What is named in a file should not run a program by being named. A module that was imported is asked for the name; of
another the source is read, and it is imported only when the class is seen to derive from the right one.
"""

import ast
import importlib
import importlib.machinery
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tfvae.yaml_files import ConfigError

__all__ = ["find", "makes"]

MAX_STEPS = 30  # imports and bases that are followed


def makes(constructor: Any, base: type) -> bool:
    """Return whether it is a class that derives from base, or a function whose annotation says that it gives such."""
    if inspect.isclass(constructor):
        return issubclass(constructor, base)
    given = typing.get_type_hints(constructor).get("return") if inspect.isfunction(constructor) else None
    return inspect.isclass(given) and issubclass(given, base)


def find(path: str, base: type, place: str) -> Callable[..., Any]:
    """Find the class, or function, of a dotted path `module.Name`, which makes objects of the class `base`.

    Args:
        path: the dotted path.
        base: the class.
        place: where the path is written, for messages.

    Raises:
        ConfigError: when there is none, or it is of another kind. Then no module was imported.
    """
    module, _, name = path.rpartition(".")
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(f"{place}: is no dotted path of a class")
    try:
        right = _makes(*_definition(module, name, MAX_STEPS), base, MAX_STEPS)
    except (LookupError, SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: {error.args[0]}") from None
    if right:
        found = _import(module, name, place)
        right = makes(found, base)
    if not right:
        raise ConfigError(
            f"{place}: is no {base.__name__}: a dotted path must name a class that derives from it, or a function that "
            "is annotated to give it, at the top of a module"
        )
    return found


def _import(module: str, name: str, place: str) -> Any:
    """Import a module; return what a name stands for in it, or None."""
    try:
        return vars(importlib.import_module(module)).get(name)
    except Exception as error:  # it is the user's module, and may raise anything
        raise ConfigError(f"{place}: importing {module} failed: {type(error).__name__}: {error}") from error


def _definition(module: str, name: str, left: int) -> tuple[str, Any]:
    """Find what a name stands for at the top of a module, without importing it.

    Args:
        module: its dotted path.
        name: at the top of it.
        left: how many more imports may be followed.

    Returns:
        the name of the module where it is defined; the object, or the `ast` node of a module that is not imported.

    Raises:
        LookupError: when there is no such module or name.
    """
    if not left:
        raise LookupError(f"{module}.{name} is imported from too far away")
    live = sys.modules.get(module)
    if live is not None:
        if name not in vars(live):
            raise LookupError(f"module {module} has no {name}")
        return module, vars(live)[name]
    found: tuple[str, Any] | None = None
    for node in _statements(ast.parse(_source(module)).body):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            found = module, node
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    found = _origin(module, node), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if name == (alias.asname or alias.name.partition(".")[0]):
                    found = alias.name if alias.asname else name, None
    if found is None:
        raise LookupError(f"module {module} has no class {name}")
    where, what = found
    if isinstance(what, str):
        return _definition_or_module(where, what, left - 1)
    return where, sys.modules.get(where) if what is None else what


def _definition_or_module(module: str, name: str, left: int) -> tuple[str, Any]:
    """Find what `from module import name` brings, where name may be a module too."""
    try:
        return _definition(module, name, left)
    except LookupError:
        inner = f"{module}.{name}"
        if inner not in sys.modules and _spec(inner) is None:
            raise
        return inner, sys.modules.get(inner)


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Give the statements of a module, those within `if` and `try` too."""
    for node in body:
        yield node
        for part in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler)):
                yield from _statements(getattr(node, part, []))


def _origin(module: str, node: ast.ImportFrom) -> str:
    """Return the module that a `from ... import` names, in `module`."""
    if not node.level:
        return node.module or ""
    spec = _spec(module)
    assert spec is not None  # its source was read
    package = module.split(".") if spec.submodule_search_locations is not None else module.split(".")[:-1]
    return ".".join(package[: len(package) - node.level + 1] + ([node.module] if node.module else []))


def _makes(module: str, what: Any, base: type, left: int) -> bool:
    """Return `makes` of an object, or of an `ast` node in a module that is not imported."""
    if isinstance(what, ast.ClassDef):
        return any(_names(module, expression, base, left) for expression in what.bases)
    if isinstance(what, ast.FunctionDef):
        return what.returns is not None and _names(module, what.returns, base, left)
    return makes(what, base)


def _names(module: str, expression: ast.AST, base: type, left: int) -> bool:
    """Return whether an expression such as `keras.layers.Layer`, in a module that is not imported, names a `base`."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        expression = ast.parse(expression.value, mode="eval").body
    parts = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name) or not left:
        return False
    try:
        where, what = _definition(module, expression.id, left - 1)
        for part in reversed(parts):
            if not (what is None or inspect.ismodule(what)):
                return False  # no attributes but those of modules
            where, what = _definition_or_module(what.__name__ if what else where, part, left - 1)
        return _makes(where, what, base, left - 1)
    except LookupError:
        return False


def _source(module: str) -> str:
    """Return the source of a module that is not imported.

    Raises:
        LookupError: when there is no such module, or it has no source.
    """
    spec = _spec(module)
    if spec is None:
        above = module.rpartition(".")[0]
        missing = above if above and _spec(above) is None else module
        raise LookupError(f"No module named {missing!r}; is its folder on PYTHONPATH?")
    get_source = getattr(spec.loader, "get_source", None)  # of loaders of source files
    source = get_source(module) if get_source is not None else None
    if source is None:
        raise LookupError(f"module {module} has no source to read; import it first")
    return source


def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Find the spec of a module without importing the packages that it is in; None where there is none."""
    above, _, _ = module.rpartition(".")
    places = None
    if above:
        package = sys.modules.get(above) or _spec(above)
        places = getattr(package, "__path__", None) or getattr(package, "submodule_search_locations", None)
        if not places:
            return None
    for finder in sys.meta_path:
        spec = finder.find_spec(module, places) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None
