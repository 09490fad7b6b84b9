"""Search spaces: which values keys of a yaml may take, as hyperparameters of keras-tuner."""

import contextlib
import json
import math
from typing import Any, Literal

import keras_tuner

from tfvae.config import ConfigError
from tfvae.config.settings import Settings, read_settings

__all__ = ["Space"]


class Float(Settings):
    """A number from `min_value` to `max_value`; in equal steps where `step` is given, a factor if `sampling` is log."""

    min_value: float
    max_value: float
    step: float | None = None
    sampling: Literal["linear", "log", "reverse_log"] = "linear"
    default: float | None = None
    when: dict | None = None


class Int(Settings):
    """A whole number from `min_value` to `max_value`, both included."""

    min_value: int
    max_value: int
    step: int | None = None
    sampling: Literal["linear", "log", "reverse_log"] = "linear"
    default: int | None = None
    when: dict | None = None


class Choice(Settings):
    """One of `values`: numbers, words, lists, or parts such as `{FullNormal: }`."""

    values: list
    default: Any = None
    when: dict | None = None


class Boolean(Settings):
    """true or false."""

    default: bool = False
    when: dict | None = None


class Repeat(Settings):
    """The list [value, ..., value], `times` long: the widths of layers. Both are `{Int: ...}` or another kind."""

    value: Any
    times: Any
    when: dict | None = None


class Same(Settings):
    """The value of another key of the space."""

    key: str


Dimension = Float | Int | Choice | Boolean | Repeat | Same
KINDS: dict[str, type[Settings]] = {kind.__name__: kind for kind in (Float, Int, Choice, Boolean, Repeat, Same)}


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

    def __init__(self, spec: Any):
        if not isinstance(spec, dict) or not spec:
            raise ConfigError(f"space: must hold a key at least, as in {{latent_size: {{Int: ...}}}}, not {spec!r}")
        self.dimensions: dict[str, Dimension] = {}
        for key, what in spec.items():
            place = f"space.{key}"
            if not isinstance(key, str) or not all(key.split(".")):
                raise ConfigError(f"{place}: must be a key such as objective.ELBO.beta")
            dimension = _read_dimension(what, place)
            self._check_references(key, dimension, place)
            self.dimensions[key] = dimension

    def _check_references(self, key: str, dimension: Dimension, place: str) -> None:
        """Check that a dimension names others above it alone, and values that they have."""
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

    def draw(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Register the space with keras-tuner's `HyperParameters`; return the keys that are set, and their values."""
        values: dict[str, Any] = {}
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

    def alternatives(self) -> list[dict[str, Any]]:
        """Return hyperparameters to try before a search: the defaults, and each choice, with what it needs."""
        found: list[dict[str, Any]] = [{}]
        for key, dimension in self.dimensions.items():
            if isinstance(dimension, Choice):
                found += [self._needs(key) | {key: _code(value, dimension)} for value in dimension.values]
        return found

    def _needs(self, key: str) -> dict[str, Any]:
        """Return the values of other hyperparameters with which a key is set."""
        found: dict[str, Any] = {}
        for parent, allowed in _conditions(self.dimensions[key]).items():
            found |= self._needs(parent) | {parent: _code(allowed[0], self.dimensions[parent])}
        return found


def _read_dimension(what: Any, place: str) -> Dimension:
    """Return a {Kind: arguments} of the yaml, checked."""
    if not isinstance(what, dict) or len(what) != 1:
        raise ConfigError(f"{place}: must be one {{Kind: arguments}}, of {', '.join(KINDS)}, not {what!r}")
    ((name, arguments),) = what.items()
    if name not in KINDS:
        raise ConfigError(f"{place}.{name}: no such kind; there are {', '.join(KINDS)}")
    place = f"{place}.{name}"
    if name == "Same":
        arguments = {"key": arguments}
    dimension: Any = read_settings(KINDS[name], arguments, place)
    if isinstance(dimension, (Float, Int)):
        _check_numbers(dimension, place)
    elif isinstance(dimension, Choice):
        _check_choice(dimension, place)
    elif isinstance(dimension, Repeat):
        value, times = (_read_dimension(getattr(dimension, key), f"{place}.{key}") for key in ("value", "times"))
        if not isinstance(times, (Int, Choice)):
            raise ConfigError(f"{place}.times: must be an Int, or a Choice of whole numbers")
        if isinstance(value, (Repeat, Same)):
            raise ConfigError(f"{place}.value: must be a Float, Int, Choice or Boolean")
        return dimension.model_copy(update={"value": value, "times": times})
    return dimension


def _check_choice(dimension: Choice, place: str) -> None:
    if not dimension.values:
        raise ConfigError(f"{place}.values: is empty: give what to choose from")
    if any(value in dimension.values[:index] for index, value in enumerate(dimension.values)):
        raise ConfigError(f"{place}.values: has a value twice")
    if dimension.default is not None and dimension.default not in dimension.values:
        raise ConfigError(f"{place}.default: {dimension.default!r} is none of the values")


def _check_numbers(dimension: Float | Int, place: str) -> None:
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


def _conditions(dimension: Dimension) -> dict[str, list[Any]]:
    """Return, of each key on which a dimension depends, the values that it must have."""
    when = {} if isinstance(dimension, Same) else dimension.when or {}
    return {parent: value if isinstance(value, list) else [value] for parent, value in when.items()}


def _draw(hp: keras_tuner.HyperParameters, name: str, dimension: Any) -> Any:
    """Register one hyperparameter, or of a `Repeat` two, with keras-tuner; return the value."""
    if isinstance(dimension, Repeat):
        value, times = (_draw(hp, f"{name}.{part}", getattr(dimension, part)) for part in ("value", "times"))
        return [value] * int(times)
    if isinstance(dimension, Choice):
        codes = {_code(value, dimension): value for value in dimension.values}
        default = None if dimension.default is None else _code(dimension.default, dimension)
        return codes[hp.Choice(name, list(codes), default=default)]
    if isinstance(dimension, Boolean):
        return hp.Boolean(name, default=dimension.default)
    arguments = dimension.model_dump(exclude={"when"}, exclude_none=True)
    return getattr(hp, type(dimension).__name__)(name, **arguments)


def _code(value: Any, dimension: Any) -> Any:
    """Return a value as keras-tuner takes it: numbers and words as they are where all are of one type, else as JSON."""
    if not isinstance(dimension, Choice):
        return value
    kinds = {type(other) for other in dimension.values}
    return value if len(kinds) == 1 and kinds <= {int, float, str, bool} else json.dumps(value)
