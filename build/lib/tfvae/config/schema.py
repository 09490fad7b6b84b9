"""Constructors are the schema: what a yaml says, held against the signatures of functions and classes."""

import difflib
import importlib
import inspect
import typing

import keras
import pydantic

__all__ = ["ConfigError", "arguments", "call", "check_keys", "keywords", "make", "resolve"]


class ConfigError(ValueError):
    """A mistake in a yaml: names the place, and how to mend it."""


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
    hints = typing.get_type_hints(schema)
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
        first = error.errors()[0]
        known = value if isinstance(value, dict) else ()
        inner = "".join(f".{part}" for part in first["loc"] if isinstance(part, int) or part in known)
        raise ConfigError(f"{place}{inner}: {first['msg']}, not {first['input']!r}") from None


def resolve(modules, spec, place):
    """{name: kwargs} -> the constructor, its arguments; ConfigError for what does not fit."""
    if not isinstance(spec, dict) or len(spec) != 1:
        raise ConfigError(f"{place}: must be one {{Name: arguments}}, not {spec!r}")
    ((name, kwargs),) = spec.items()
    kwargs = kwargs or {}
    if not isinstance(kwargs, dict):
        raise ConfigError(f"{_at(place, name)}: its arguments must be keys and values, not {kwargs!r}")
    constructor = _dotted(name, place) if "." in name else _named(modules, name, place)
    check_keys(kwargs, keywords(constructor), _at(place, name))
    hints = _hints(constructor)
    for key, value in kwargs.items():
        inner = _at(_at(place, name), key)
        if _is_part(hints.get(key)):
            resolve(modules, value, inner)
        elif key in hints:
            _typed(hints[key], value, inner)
    return constructor, kwargs


def _inits(constructor):
    """The functions whose arguments a function or class takes; a class passes on what its bases take."""
    return [c.__init__ for c in constructor.__mro__[-2::-1]] if inspect.isclass(constructor) else [constructor]


def _hints(constructor):
    hints = {}
    for init in _inits(constructor):
        hints |= typing.get_type_hints(init)
    return hints


def _is_part(hint):
    """Whether an argument is a part itself, {Name: arguments} again: a layer, or a layer or None."""
    return any(inspect.isclass(kind) and issubclass(kind, keras.Layer) for kind in (hint, *typing.get_args(hint)))


def keywords(constructor):
    """The names of the arguments that a function or class takes."""
    parameters = [p for init in _inits(constructor) for p in inspect.signature(init).parameters.values()]
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}


def _named(modules, name, place):
    for module in modules:
        if name in _names(module):
            return getattr(module, name)
    known = [known for module in modules for known in _names(module)]
    own = [module for module in modules if module.__name__.startswith("tfvae")] or modules
    there = [known for module in own for known in _names(module)]
    others = [f"those of {module.__name__}" for module in modules if module not in own]
    raise ConfigError(
        f"{_at(place, name)}: no such name (nor the dotted path of a class); {_nearest(name, known, there, others)}"
    )


def _names(module):
    return getattr(module, "__all__", None) or [name for name in dir(module) if name[:1].isupper()]


def _dotted(path, place):
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{_at(place, path)}: {error}; is its folder on PYTHONPATH?") from None


def make(modules, spec, place, *args, **offered):
    """What {name: kwargs} names in one of the modules, made of args, kwargs, and those of `offered` that it takes.

    An argument that is a part itself is made in the same way.
    """
    constructor, kwargs = resolve(modules, spec, place)
    place, hints = _at(place, next(iter(spec))), _hints(constructor)
    made = {
        key: make(modules, value, _at(place, key), *args, **offered) if _is_part(hints.get(key)) else value
        for key, value in kwargs.items()
    }
    takes = keywords(constructor)
    return call(constructor, place, args, {key: value for key, value in offered.items() if key in takes} | made)


def call(constructor, place, args, kwargs):
    """constructor(*args, **kwargs); what it refuses is a ConfigError at this place."""
    try:
        return constructor(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: {str(error).splitlines()[0]}") from error


def _nearest(name, known, there=None, others=()):
    """The one of the known names that a name is near to; or what there is, `known` unless given, and others."""
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join([*sorted(there or known), *others])}"


def _at(place, key):
    return f"{place}.{key}" if place else str(key)
