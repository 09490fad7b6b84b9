"""Constructors are the schema: what a yaml says of a part, held against the signature of a function or class."""

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras

from tfvae.config import classes
from tfvae.config.settings import at, check_keys, check_value, name_nearest
from tfvae.yaml_files import ConfigError

__all__ = ["Kind", "PartSpec", "call", "find_part", "keywords"]

BOLD = re.compile(r"\x1b\[\d+m")  # as Keras has it in its messages
NUMBERS = int | float | list[int | float]
LIKE = {bool: bool, int: NUMBERS, float: NUMBERS}  # what may be given, by the type of the default
NOTHING: Mapping[str, Any] = types.MappingProxyType({})


class Kind(NamedTuple):
    """What a key of a yaml may make.

    Attributes:
        modules: where names without dots are looked up.
        base: the class from which it derives, or which a function is annotated to give.
        limits: of what type arguments of these names must be, whatever it is that takes them.
        parts: of which kind arguments of these names are, where they are written as {Name: arguments}.
        without: classes that are refused.
    """

    modules: tuple[types.ModuleType, ...]
    base: type
    limits: Mapping[str, Any] = NOTHING
    parts: Mapping[str, "Kind"] = NOTHING
    without: tuple[type, ...] = ()


@dataclass(frozen=True)
class PartSpec:
    """A part as a yaml has it, `{Name: arguments}`. Its constructor was found; nothing is made until `make`.

    Two are equal when the same is written.

    Attributes:
        name: as written, of the package's or Keras' lists, or a dotted path.
        written: the arguments as written, keys and values, or None.
        constructor: the class or function of this name.
        kind: what the key of the yaml may make.
        place: of the part in the yaml, such as "posterior.PlanarFlow".
    """

    name: str
    written: dict[str, Any] | None
    constructor: Callable[..., Any] = field(compare=False)
    kind: Kind = field(compare=False, repr=False)
    place: str = field(compare=False)

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        """The arguments, checked against the constructor's signature once; those that are parts are `PartSpec`s, and
        those that are parts by name dictionaries of them.

        Raises:
            ConfigError: for an unknown argument or a value of a wrong type.
        """
        given = self.written or {}
        check_keys(given, keywords(self.constructor), self.place)
        hints, defaults = _hints(self.constructor), _defaults(self.constructor)
        found = {}
        for key, value in given.items():
            inner = _kind_of_argument(self.kind, hints.get(key), key, value)
            if inner is not None:
                found[key] = _find_inner(inner, hints.get(key), value, at(self.place, key))
                continue
            types_of_value = [hints[key]] if key in hints else []
            if value is not None:
                own = None if key in hints else LIKE.get(type(defaults.get(key)))
                types_of_value += [hint for hint in (self.kind.limits.get(key), own) if hint is not None]
            for hint in types_of_value:
                check_value(hint, value, at(self.place, key))
            found[key] = value
        return found

    def make(self, *args: Any, **offered: Any) -> Any:
        """Make the part, and the parts among its arguments in the same way.

        Args:
            *args: given to the constructor first.
            **offered: given to it where it takes arguments of these names and the yaml does not set them.

        Raises:
            ConfigError: for what the constructor refuses.
        """
        takes = keywords(self.constructor)
        given = {key: value for key, value in offered.items() if key in takes}
        for key, value in self.arguments.items():
            given[key] = _make_inner(value, args, offered)
        return call(self.constructor, self.place, args, given)

    def as_keys(self) -> dict[str, dict[str, Any] | None]:
        """Return the part as it was written."""
        return {self.name: self.written}


def find_part(kind: Kind, written: Any, place: str) -> PartSpec:
    """Find the constructor of a part; its arguments are not looked at yet.

    Args:
        kind: what the key may make.
        written: the value of the key, {Name: arguments}.
        place: of the key in the yaml.

    Raises:
        ConfigError: when there is no such constructor, or it is of another kind.
    """
    if not isinstance(written, dict) or len(written) != 1:
        raise ConfigError(f"{place}: must be one {{Name: arguments}}, not {written!r}")
    ((name, arguments),) = written.items()
    inner = at(place, name)
    if not isinstance(arguments, (dict, types.NoneType)):
        raise ConfigError(f"{inner}: its arguments must be keys and values, not {arguments!r}")
    constructor = classes.find(name, kind.base, inner) if "." in name else _find_named(kind, name, inner)
    if inspect.isclass(constructor) and issubclass(constructor, kind.without):
        raise ConfigError(f"{inner}: takes a function, or does what no yaml shows: make it in Python")
    return PartSpec(name, arguments, constructor, kind, inner)


def call(constructor: Callable[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return constructor(*args, **kwargs).

    Raises:
        ConfigError: for what it refuses; it names the place.
    """
    try:
        return constructor(*args, **kwargs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # Keras raises all of these
        said = BOLD.sub("", str(error)).partition("Arguments received by")[0]
        raise ConfigError(f"{place}: {' '.join(said.split()) or type(error).__name__}") from error


def keywords(constructor: Callable[..., Any]) -> set[str]:
    """Return the names of the arguments that a function or class takes."""
    parameters = _parameters(constructor)
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}


def _functions(constructor: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return the functions whose arguments a function or class takes; a class passes on what its bases take."""
    if not inspect.isclass(constructor):
        return [constructor]
    return [vars(base)["__init__"] for base in constructor.__mro__[-2::-1] if "__init__" in vars(base)]


def _parameters(constructor: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for function in _functions(constructor) for p in inspect.signature(function).parameters.values()]


def _hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for function in _functions(constructor):
        hints |= typing.get_type_hints(function)
    return hints


def _defaults(constructor: Callable[..., Any]) -> dict[str, Any]:
    return {p.name: p.default for p in _parameters(constructor)}


def _kind_of_argument(kind: Kind, hint: Any, key: str, value: Any) -> Kind | None:
    """Return the kind of an argument that is a part itself, {Name: arguments} again, or a part for each of several
    names; None of one that is neither."""
    if key in kind.parts and isinstance(value, dict):
        return kind.parts[key]
    layers = [c for c in _alternatives(hint) if inspect.isclass(c) and issubclass(c, keras.Layer)]
    return kind._replace(base=layers[0]) if layers else None


def _alternatives(hint: Any) -> list[Any]:
    """Return the types that a hint allows, and those of the values of dictionaries that it allows."""
    types_of_value = [hint, *typing.get_args(hint)]
    return types_of_value + [typing.get_args(each)[1] for each in types_of_value if typing.get_origin(each) is dict]


def _find_inner(kind: Kind, hint: Any, value: Any, place: str) -> PartSpec | dict[str, PartSpec]:
    """Find the part of an argument, or the part for each name, and check their arguments."""
    if any(typing.get_origin(each) is dict for each in _alternatives(hint)):
        if not isinstance(value, dict):
            raise ConfigError(f"{place}: must be {{name: {{Name: arguments}}}}, not {value!r}")
        return {str(name): _find_checked(kind, part, at(place, name)) for name, part in value.items()}
    return _find_checked(kind, value, place)


def _find_checked(kind: Kind, written: Any, place: str) -> PartSpec:
    part = find_part(kind, written, place)
    _ = part.arguments  # are checked
    return part


def _make_inner(value: Any, args: tuple[Any, ...], offered: Mapping[str, Any]) -> Any:
    """Make an argument that is a part, or parts by name; give others as they are."""
    if isinstance(value, dict) and value and all(isinstance(part, PartSpec) for part in value.values()):
        return {name: part.make(*args, **offered) for name, part in value.items()}
    return value.make(*args, **offered) if isinstance(value, PartSpec) else value


def _find_named(kind: Kind, name: str, place: str) -> Callable[..., Any]:
    """Return what a name without dots stands for in the modules of a kind."""
    names = {module: _names(module, kind) for module in kind.modules}
    for module, there in names.items():
        if name in there:
            return getattr(module, name)
    known = [known for there in names.values() for known in there]
    own = [module for module in names if module.__name__.startswith("tfvae")] or list(names)
    listed = [known for module in own for known in names[module]]
    others = [f"those of {module.__name__}" for module in names if module not in own]
    raise ConfigError(
        f"{place}: no such name (nor the dotted path of a class); {name_nearest(name, known, listed, others)}"
    )


def _names(module: types.ModuleType, kind: Kind) -> list[str]:
    names = getattr(module, "__all__", None) or [name for name in dir(module) if name[:1].isupper()]
    return [name for name in names if classes.makes(getattr(module, name), kind.base)]
