"""Search spaces: which values keys of a yaml may take, as hyperparameters of keras-tuner."""

import contextlib
import json
import math
import typing

from tfvae.config import schema
from tfvae.config.schema import ConfigError

__all__ = ["Space"]


class Float(typing.NamedTuple):
    """A number from `min_value` to `max_value`; in equal steps where `step` is given, a factor if `sampling` is log."""

    min_value: float
    max_value: float
    step: float | None = None
    sampling: typing.Literal["linear", "log", "reverse_log"] = "linear"
    default: float | None = None
    when: dict | None = None


class Int(typing.NamedTuple):
    """A whole number from `min_value` to `max_value`, both included."""

    min_value: int
    max_value: int
    step: int | None = None
    sampling: typing.Literal["linear", "log", "reverse_log"] = "linear"
    default: int | None = None
    when: dict | None = None


class Choice(typing.NamedTuple):
    """One of `values`: numbers, words, lists, or parts such as `{FullNormal: }`."""

    values: list
    default: object = None
    when: dict | None = None


class Boolean(typing.NamedTuple):
    """true or false."""

    default: bool = False
    when: dict | None = None


class Repeat(typing.NamedTuple):
    """The list [value, ..., value], `times` long: the widths of layers. Both are `{Int: ...}` or another kind."""

    value: dict
    times: dict
    when: dict | None = None


class Same(typing.NamedTuple):
    """The value of another key of the space."""

    key: str


KINDS = {kind.__name__: kind for kind in (Float, Int, Choice, Boolean, Repeat, Same)}


class Space:
    """The key `space` of a yaml for `tfvae tune`: `{key: {Kind: arguments}}`.

    A key is that of an experiment's yaml, such as `objective.ELBO.beta`; a kind is `Float`, `Int`, `Choice` or
    `Boolean`, with the arguments of keras-tuner, `Repeat` or `Same`. With `when: {other key: value or list of values}`
    a key is searched, and set, only where the other has one of these values.

    Args:
        spec: dict, as in the yaml.

    Raises:
        ConfigError: for what cannot be searched: names the place, and how to mend it.
    """

    def __init__(self, spec):
        if not isinstance(spec, dict) or not spec:
            raise ConfigError(f"space: must hold a key at least, as in {{latent_size: {{Int: ...}}}}, not {spec!r}")
        self.dimensions = {}
        for key, what in spec.items():
            place = f"space.{key}"
            if not isinstance(key, str) or not all(key.split(".")):
                raise ConfigError(f"{place}: must be a key such as objective.ELBO.beta")
            dimension = _dimension(what, place)
            self._check_references(key, dimension, place)
            self.dimensions[key] = dimension

    def _check_references(self, key, dimension, place):
        if isinstance(dimension, Same) and dimension.key not in self.dimensions:
            known = ", ".join(self.dimensions) or "none"
            raise ConfigError(f"{place}.Same: {dimension.key!r} is no key of the space above it; there are: {known}")
        for parent, values in _conditions(dimension).items():
            other = self.dimensions.get(parent)
            where = f"{place}.{type(dimension).__name__}.when.{parent}"
            if not isinstance(other, (Choice, Boolean, Int, Float)):
                raise ConfigError(f"{where}: must be a key of the space above it, with one value")
            possible = other.values if isinstance(other, Choice) else (True, False)
            for value in values if isinstance(other, (Choice, Boolean)) else ():
                if value not in possible:
                    raise ConfigError(f"{where}: is never {value!r}, only {', '.join(map(repr, possible))}")

    def draw(self, hp):
        """Registers the space with keras-tuner's `HyperParameters`; gives the keys that are set, and their values."""
        values = {}
        for key, dimension in self.dimensions.items():
            if isinstance(dimension, Same):
                if dimension.key in values:
                    values[key] = values[dimension.key]
                continue
            with contextlib.ExitStack() as scopes:
                active = True
                for parent, allowed in _conditions(dimension).items():
                    codes = [_code(value, self.dimensions[parent]) for value in allowed]
                    scopes.enter_context(hp.conditional_scope(parent, codes))
                    active &= values.get(parent) in allowed
                value = _draw(hp, key, dimension)
            if active:
                values[key] = value
        return values

    def alternatives(self):
        """Hyperparameters to try before a search: the defaults, and each that may be chosen, with what it needs."""
        found = [{}]
        for key, dimension in self.dimensions.items():
            if isinstance(dimension, Choice):
                found += [self._needs(key) | {key: _code(value, dimension)} for value in dimension.values]
        return found

    def _needs(self, key):
        """The values of other hyperparameters with which a key is set."""
        found = {}
        for parent, allowed in _conditions(self.dimensions[key]).items():
            found |= self._needs(parent) | {parent: _code(allowed[0], self.dimensions[parent])}
        return found


def _dimension(what, place):
    if not isinstance(what, dict) or len(what) != 1:
        raise ConfigError(f"{place}: must be one {{Kind: arguments}}, of {', '.join(KINDS)}, not {what!r}")
    ((name, arguments),) = what.items()
    if name not in KINDS:
        raise ConfigError(f"{place}.{name}: no such kind; there are {', '.join(KINDS)}")
    place = f"{place}.{name}"
    if name == "Same":
        arguments = {"key": arguments}
    dimension = schema.arguments(KINDS[name], arguments, place)
    if isinstance(dimension, (Float, Int)):
        _check_numbers(dimension, place)
    elif isinstance(dimension, Choice):
        if not dimension.values:
            raise ConfigError(f"{place}.values: is empty: give what to choose from")
        if any(value in dimension.values[:index] for index, value in enumerate(dimension.values)):
            raise ConfigError(f"{place}.values: has a value twice")
        if dimension.default is not None and dimension.default not in dimension.values:
            raise ConfigError(f"{place}.default: {dimension.default!r} is none of the values")
    elif isinstance(dimension, Repeat):
        dimension = dimension._replace(
            value=_dimension(dimension.value, f"{place}.value"), times=_dimension(dimension.times, f"{place}.times")
        )
        if not isinstance(dimension.times, (Int, Choice)):
            raise ConfigError(f"{place}.times: must be an Int, or a Choice of whole numbers")
        if isinstance(dimension.value, (Repeat, Same)):
            raise ConfigError(f"{place}.value: must be a Float, Int, Choice or Boolean")
    return dimension


def _check_numbers(dimension, place):
    low, high = dimension.min_value, dimension.max_value
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{place}: min_value and max_value must be finite, not {low} and {high}")
    if low >= high:
        raise ConfigError(f"{place}: min_value {low} must be below max_value {high}")
    if dimension.sampling != "linear" and low <= 0:
        raise ConfigError(f"{place}: sampling {dimension.sampling} needs a min_value above 0, not {low}")
    if dimension.step is not None and dimension.step <= (dimension.sampling != "linear"):
        raise ConfigError(f"{place}.step: must be above {int(dimension.sampling != 'linear')}, not {dimension.step}")
    if dimension.step is not None and dimension.sampling == "reverse_log":
        raise ConfigError(f"{place}.step: sampling reverse_log takes none")
    if dimension.default is not None and not low <= dimension.default <= high:
        raise ConfigError(f"{place}.default: {dimension.default} is not within {low} and {high}")


def _conditions(dimension):
    """{parent: [values that it must have]}."""
    when = getattr(dimension, "when", None) or {}
    return {parent: value if isinstance(value, list) else [value] for parent, value in when.items()}


def _draw(hp, name, dimension):
    """One hyperparameter, or two; its value."""
    if isinstance(dimension, Repeat):
        value, times = (_draw(hp, f"{name}.{part}", getattr(dimension, part)) for part in ("value", "times"))
        return [value] * int(times)
    if isinstance(dimension, Choice):
        codes = {_code(value, dimension): value for value in dimension.values}
        default = None if dimension.default is None else _code(dimension.default, dimension)
        return codes[hp.Choice(name, list(codes), default=default)]
    if isinstance(dimension, Boolean):
        return hp.Boolean(name, default=dimension.default)
    arguments = {key: value for key, value in dimension._asdict().items() if key != "when" and value is not None}
    return getattr(hp, type(dimension).__name__)(name, **arguments)


def _code(value, dimension):
    """A value as keras-tuner takes it: numbers and words as they are where all are of one type, else as JSON."""
    if not isinstance(dimension, Choice):
        return value
    kinds = {type(other) for other in dimension.values}
    return value if len(kinds) == 1 and kinds <= {int, float, str, bool} else json.dumps(value)
