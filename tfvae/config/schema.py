"""Constructors are the schema: what a yaml says, held against the signatures of functions and classes."""

import difflib
import inspect
import re
import types
import typing

import keras
import pydantic

from tfvae.config import classes
from tfvae.yaml_files import ConfigError

__all__ = ["ConfigError", "Kind", "arguments", "call", "check_keys", "find", "keywords", "make", "resolve"]

BOLD = re.compile(r"\x1b\[\d+m")
NUMBERS = int | float | list[int | float]
LIKE = {bool: bool, int: NUMBERS, float: NUMBERS}  # what may be given, by the type of the default


class Kind(typing.NamedTuple):
    """What a key of a yaml may make.

    Attributes:
        modules: where names without dots are looked up.
        base: the class from which it derives, or which a function is annotated to give.
        limits: NamedTuple, what arguments of some names may be, whatever it is that takes them.
        parts: dict, of which kind arguments of some names are, when they are written as {Name: arguments}.
        without: classes that are refused.
    """

    modules: tuple
    base: type
    limits: type = typing.NamedTuple("Any", [])
    parts: dict = types.MappingProxyType({})
    without: tuple = ()


def arguments(schema, values, place):
    """values as the NamedTuple `schema`; ConfigError for what does not fit."""
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: must hold keys and values, not {values!r}")
    check_keys(values, schema._fields, place)
    missing = [key for key in schema._fields if key not in values and key not in schema._field_defaults]
    if missing:
        raise ConfigError(f"{_at(place, missing[0])}: is missing")
    hints = typing.get_type_hints(schema, include_extras=True)
    return schema(**{key: _typed(hints[key], value, _at(place, key)) for key, value in values.items()})


def check_keys(values, known, place):
    """ConfigError for a key that is not among the known."""
    for key in values:
        if key not in known:
            raise ConfigError(f"{_at(place, key)}: no such key; {_nearest(str(key), known)}")


def _typed(hint, value, place):
    try:
        return pydantic.TypeAdapter(hint).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        found = error.errors()  # of each type that it may be; most telling is one of a value that is of the type
        first = next((e for e in found if not e["type"].endswith(("_type", "literal_error"))), found[0])
        known = value if isinstance(value, dict) else ()
        inner = "".join(f".{part}" for part in first["loc"] if isinstance(part, int) or part in known)
        raise ConfigError(f"{place}{inner}: {first['msg']}, not {first['input']!r}") from None


def resolve(kind, spec, place):
    """{name: kwargs} -> the constructor, its arguments; ConfigError for what does not fit. Nothing is called."""
    constructor, name, kwargs = _looked_up(kind, spec, place)
    place = _at(place, name)
    check_keys(kwargs, keywords(constructor), place)
    hints, limits = _hints(constructor), typing.get_type_hints(kind.limits, include_extras=True)
    like = {key: LIKE.get(type(default)) for key, default in _defaults(constructor).items() if key not in hints}
    for key, value in kwargs.items():
        inner, part = _at(place, key), _part(kind, hints.get(key), key, value)
        if part:
            resolve(part, value, inner)
            continue
        if key in hints:
            _typed(hints[key], value, inner)
        for hint in (limits.get(key), like.get(key)):
            if hint is not None and value is not None:
                _typed(hint, value, inner)
    return constructor, kwargs


def find(kind, spec, place):
    """{name: kwargs} -> the constructor; ConfigError when it is of another kind. The arguments are not looked at."""
    return _looked_up(kind, spec, place)[0]


def _looked_up(kind, spec, place):
    if not isinstance(spec, dict) or len(spec) != 1:
        raise ConfigError(f"{place}: must be one {{Name: arguments}}, not {spec!r}")
    ((name, kwargs),) = spec.items()
    kwargs = {} if kwargs is None else kwargs
    if not isinstance(kwargs, dict):
        raise ConfigError(f"{_at(place, name)}: its arguments must be keys and values, not {kwargs!r}")
    constructor = classes.find(name, kind.base, _at(place, name)) if "." in name else _named(kind, name, place)
    if inspect.isclass(constructor) and issubclass(constructor, kind.without):
        raise ConfigError(f"{_at(place, name)}: takes a function, or does what no yaml shows: make it in Python")
    return constructor, name, kwargs


def _inits(constructor):
    """The functions whose arguments a function or class takes; a class passes on what its bases take."""
    return [c.__init__ for c in constructor.__mro__[-2::-1]] if inspect.isclass(constructor) else [constructor]


def _hints(constructor):
    hints = {}
    for init in _inits(constructor):
        hints |= typing.get_type_hints(init)
    return hints


def _defaults(constructor):
    parameters = [p for init in _inits(constructor) for p in inspect.signature(init).parameters.values()]
    return {p.name: p.default for p in parameters}


def _part(kind, hint, key, value):
    """Of which kind an argument is that is a part itself, {Name: arguments} again; None of one that is not."""
    if key in kind.parts and isinstance(value, dict):
        return kind.parts[key]
    layers = [c for c in (hint, *typing.get_args(hint)) if inspect.isclass(c) and issubclass(c, keras.Layer)]
    return kind._replace(base=layers[0]) if layers else None


def keywords(constructor):
    """The names of the arguments that a function or class takes."""
    parameters = [p for init in _inits(constructor) for p in inspect.signature(init).parameters.values()]
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}


def _named(kind, name, place):
    names = {module: _names(module, kind) for module in kind.modules}
    for module, there in names.items():
        if name in there:
            return getattr(module, name)
    known = [known for there in names.values() for known in there]
    own = [module for module in names if module.__name__.startswith("tfvae")] or list(names)
    there = [known for module in own for known in names[module]]
    others = [f"those of {module.__name__}" for module in names if module not in own]
    raise ConfigError(
        f"{_at(place, name)}: no such name (nor the dotted path of a class); {_nearest(name, known, there, others)}"
    )


def _names(module, kind):
    names = getattr(module, "__all__", None) or [name for name in dir(module) if name[:1].isupper()]
    return [name for name in names if classes.makes(getattr(module, name), kind.base)]


def make(kind, spec, place, *args, **offered):
    """What {name: kwargs} names, made of args, kwargs, and those of `offered` that it takes.

    An argument that is a part itself is made in the same way.
    """
    constructor, kwargs = resolve(kind, spec, place)
    place, hints, made = _at(place, next(iter(spec))), _hints(constructor), {}
    for key, value in kwargs.items():
        part = _part(kind, hints.get(key), key, value)
        made[key] = make(part, value, _at(place, key), *args, **offered) if part else value
    takes = keywords(constructor)
    return call(constructor, place, args, {key: value for key, value in offered.items() if key in takes} | made)


def call(constructor, place, args, kwargs):
    """constructor(*args, **kwargs); what it refuses is a ConfigError at this place."""
    try:
        return constructor(*args, **kwargs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # Keras raises all of these
        said = BOLD.sub("", str(error)).partition("Arguments received by")[0]
        raise ConfigError(f"{place}: {' '.join(said.split()) or type(error).__name__}") from error


def _nearest(name, known, there=None, others=()):
    """The one of the known names that a name is near to; or what there is, `known` unless given, and others."""
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return (
        f"did you mean {near[0]}?" if near else f"there are {', '.join([*sorted(there or known), *others]) or 'none'}"
    )


def _at(place, key):
    return f"{place}.{key}" if place else str(key)
