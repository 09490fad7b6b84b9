"""Experiments as yaml: `{Name: arguments}` for each part. The constructors are the schema.

A name is looked up in the `__all__` of the module for its kind, or it is the dotted path of one's own class.
"""

import difflib
import importlib
import inspect
import os
import pathlib
import typing

import keras
import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tfvae import data as data_module
from tfvae import likelihoods, model, networks, objectives, posteriors, preprocessing, priors

__all__ = [
    "ConfigError",
    "Experiment",
    "callbacks",
    "compiled_vae",
    "evaluation_data",
    "fit_arguments",
    "read",
    "training_data",
    "write",
]


class ConfigError(ValueError):
    """A mistake in a yaml: names the place, and how to mend it."""


Part = dict[str, dict | None]


class Data(typing.NamedTuple):
    """The key `data`: what `data.load` takes, and which splits are for what."""

    name: str
    batch_size: int = 100
    train: str = "train"
    validation: str | None = None
    test: str = "test"
    binarize: typing.Literal["static", "threshold"] | None = None
    size: list[int] | None = None
    in_memory: bool | None = None
    data_dir: str | None = None
    manual_dir: str | None = None
    evaluation: dict | None = None


class Compile(typing.NamedTuple):
    """The key `compile`: as for `keras.Model.compile`."""

    jit_compile: bool = True
    steps_per_execution: int = 1
    run_eagerly: bool = False


class Fit(typing.NamedTuple):
    """The key `fit`: as for `keras.Model.fit`; callbacks by their names in `keras.callbacks`."""

    epochs: int = 1
    steps_per_epoch: int | None = None
    validation_freq: int = 1
    callbacks: list[Part] = ()


class Experiment(typing.NamedTuple):
    """The keys of a yaml."""

    data: dict
    latent_size: int
    encoder: Part
    decoder: Part
    seed: int = 0
    strategy: typing.Literal["default"] = "default"
    preprocessor: Part | None = None
    adapt: bool = True
    posterior: Part = {"DiagonalNormal": None}
    prior: Part = {"StandardNormal": None}
    likelihood: Part = {"Bernoulli": None}
    objective: Part = {"ELBO": None}
    optimizer: Part = {"Adam": {"learning_rate": 1e-3}}
    compile: dict = {}
    fit: dict = {}


def read(path, overrides=()):
    """A yaml file, and assignments such as "objective.ELBO.beta=4" -> `Experiment`, checked.

    Raises:
        ConfigError: for an unknown key or name, a wrong type, or yaml that cannot be read; FileNotFoundError.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such config: {path}")
    try:
        raw = _yaml().load(path.read_text())
    except YAMLError as error:
        raise ConfigError(f"{path} is not yaml: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold keys and values")
    for assignment in overrides:
        _override(raw, assignment)
    try:
        return _checked(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def write(experiment, path):
    """The experiment as yaml, every default filled in."""
    filled = experiment._asdict() | {
        "data": _arguments(Data, experiment.data, "data")._asdict(),
        "compile": _arguments(Compile, experiment.compile, "compile")._asdict(),
        "fit": _arguments(Fit, experiment.fit, "fit")._asdict(),
    }
    with open(path, "w") as file:
        _yaml().dump(_plain(filled), file)


def training_data(experiment):
    """The batches to train on, shuffled anew each epoch, and those to validate on, None where there are none."""
    settings = _arguments(Data, experiment.data, "data")
    train = _load(settings, experiment.seed, settings.train, shuffle=True)
    return train, None if settings.validation is None else evaluation_data(experiment, "validation")


def evaluation_data(experiment, split):
    """The batches of a split, "train", "validation", "test" or TFDS' syntax, in order and as `data.evaluation` says."""
    settings = _arguments(Data, experiment.data, "data")
    chosen = getattr(settings, split) if split in ("train", "validation", "test") else split
    if chosen is None:
        raise ConfigError(f"data.{split}: is not set, so there is no such split")
    return _load(settings, experiment.seed, chosen, shuffle=False, **(settings.evaluation or {}))


def _load(settings, seed, split, **more):
    takes = inspect.signature(data_module.load).parameters
    arguments = {key: value for key, value in settings._asdict().items() if key in takes}
    return data_module.load(**(arguments | {"seed": seed, "split": split} | more))


def compiled_vae(experiment, event_shape):
    """The compiled VAE of an experiment, for data of this event shape.

    Raises:
        ConfigError: when a part cannot be made as written, or parts do not fit.
    """
    event, latent = tuple(event_shape), experiment.latent_size
    keras.utils.set_random_seed(experiment.seed)
    preprocessor = experiment.preprocessor and _make(
        preprocessing, experiment.preprocessor, "preprocessor", keras.layers
    )
    parts = {
        "encoder": _make(networks, experiment.encoder, "encoder", None, event),
        "posterior": _make(posteriors, experiment.posterior, "posterior", None, latent),
        "prior": _make(priors, experiment.prior, "prior", None, latent),
        "decoder": _make(networks, experiment.decoder, "decoder", None, latent, output_shape=event),
        "likelihood": _make(likelihoods, experiment.likelihood, "likelihood", None, event),
        "objective": _make(objectives, experiment.objective, "objective"),
    }
    vae = _call(model.VAE, "model", (), parts | {"preprocessor": preprocessor, "seed": experiment.seed})
    optimizer = _optimizer(experiment.optimizer)
    vae.compile(optimizer, **_arguments(Compile, experiment.compile, "compile")._asdict())
    return vae


def _optimizer(spec):
    """{Name: arguments}; learning_rate is a number or {Name: arguments} of `keras.optimizers.schedules`."""
    constructor, kwargs = _resolve((keras.optimizers,), spec, "optimizer")
    place = f"optimizer.{next(iter(spec))}"
    rate = kwargs.get("learning_rate")
    if isinstance(rate, dict):
        kwargs = kwargs | {"learning_rate": _make(keras.optimizers.schedules, rate, f"{place}.learning_rate")}
    return _call(constructor, place, (), kwargs)


def callbacks(experiment):
    """The Keras callbacks that the experiment names."""
    named = _arguments(Fit, experiment.fit, "fit").callbacks
    return [_make(keras.callbacks, spec, f"fit.callbacks[{index}]") for index, spec in enumerate(named)]


def fit_arguments(experiment):
    """What the experiment says for `fit`, but for the callbacks."""
    arguments = _arguments(Fit, experiment.fit, "fit")._asdict()
    arguments.pop("callbacks")
    return arguments


# checks


def _checked(raw):
    experiment = _arguments(Experiment, raw, "")
    settings = _arguments(Data, experiment.data, "data")
    evaluation = settings.evaluation or {}
    _arguments(Data, {"name": "", **evaluation}, "data.evaluation")
    for key in {"name", "train", "validation", "test", "evaluation"} & evaluation.keys():
        raise ConfigError(f"data.evaluation.{key}: only how data is loaded can differ for evaluation")
    if os.path.exists(settings.name):  # a run folder outlives the working directory
        experiment = experiment._replace(data={**experiment.data, "name": os.path.abspath(settings.name)})
    _arguments(Compile, experiment.compile, "compile")
    _arguments(Fit, experiment.fit, "fit")
    if experiment.latent_size < 1:
        raise ConfigError(f"latent_size: must be 1 or more, not {experiment.latent_size}")
    kinds = {
        "preprocessor": (preprocessing, keras.layers),
        "encoder": (networks,),
        "posterior": (posteriors,),
        "prior": (priors,),
        "decoder": (networks,),
        "likelihood": (likelihoods,),
        "objective": (objectives,),
    }
    for kind, modules in kinds.items():
        spec = getattr(experiment, kind)
        if spec is not None:
            _resolve(modules, spec, kind)
    _optimizer(experiment.optimizer)
    callbacks(experiment)
    return experiment


def _arguments(schema, values, place):
    """values as the NamedTuple `schema`; ConfigError for what does not fit."""
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: must hold keys and values, not {values!r}")
    _check_keys(values, schema._fields, place)
    missing = [key for key in schema._fields if key not in values and key not in schema._field_defaults]
    if missing:
        raise ConfigError(f"{_at(place, missing[0])}: is missing")
    hints = typing.get_type_hints(schema)
    return schema(**{key: _typed(hints[key], value, _at(place, key)) for key, value in values.items()})


def _check_keys(values, known, place):
    for key in values:
        if key not in known:
            raise ConfigError(f"{_at(place, key)}: no such key; {_nearest(str(key), known)}")


def _typed(hint, value, place):
    try:
        return pydantic.TypeAdapter(hint).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        inner = "".join(f".{part}" for part in first["loc"] if isinstance(part, int) or part in (value or ()))
        raise ConfigError(f"{place}{inner}: {first['msg']}, not {first['input']!r}") from None


def _resolve(modules, spec, place):
    """{name: kwargs} -> the constructor, its arguments; ConfigError for what does not fit."""
    if not isinstance(spec, dict) or len(spec) != 1:
        raise ConfigError(f"{place}: must be one {{Name: arguments}}, not {spec!r}")
    ((name, kwargs),) = spec.items()
    kwargs = kwargs or {}
    if not isinstance(kwargs, dict):
        raise ConfigError(f"{_at(place, name)}: its arguments must be keys and values, not {kwargs!r}")
    constructor = _dotted(name, place) if "." in name else _named(modules, name, place)
    _check_keys(kwargs, _keywords(constructor), _at(place, name))
    hints = typing.get_type_hints(constructor if inspect.isfunction(constructor) else constructor.__init__)
    for key, value in kwargs.items():
        if key in hints:
            _typed(hints[key], value, _at(_at(place, name), key))
    return constructor, kwargs


def _keywords(constructor):
    """The names of the arguments that a function or class takes; a class passes on what its bases take."""
    inits = [c.__init__ for c in constructor.__mro__[:-1]] if inspect.isclass(constructor) else [constructor]
    parameters = [p for init in inits for p in inspect.signature(init).parameters.values()]
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}


def _named(modules, name, place):
    for module in modules:
        known = getattr(module, "__all__", None) or [n for n in dir(module) if n[:1].isupper()]
        if name in known:
            return getattr(module, name)
    known = getattr(modules[0], "__all__", None) or [n for n in dir(modules[0]) if n[:1].isupper()]
    raise ConfigError(f"{_at(place, name)}: no such name (nor the dotted path of a class); {_nearest(name, known)}")


def _dotted(path, place):
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{_at(place, path)}: {error}; is its folder on PYTHONPATH?") from None


def _make(module, spec, place, also=None, *args, **offered):
    constructor, kwargs = _resolve((module, also) if also else (module,), spec, place)
    takes = inspect.signature(constructor).parameters
    offered = {key: value for key, value in offered.items() if key in takes}
    return _call(constructor, _at(place, next(iter(spec))), args, offered | kwargs)


def _call(constructor, place, args, kwargs):
    try:
        return constructor(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: {str(error).splitlines()[0]}") from error


def _override(raw, assignment):
    path, sign, text = assignment.partition("=")
    if not sign or not all(path.split(".")):
        raise ConfigError(f"--set {assignment}: must be a.b.c=value")
    *parents, key = path.split(".")
    for parent in parents:
        if raw.get(parent) is None:
            raw[parent] = {}
        raw = raw[parent]
        if not isinstance(raw, dict):
            raise ConfigError(f"--set {assignment}: {parent} holds {raw!r}, not keys and values")
    raw[key] = _yaml().load(text)


def _nearest(name, known):
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"


def _at(place, key):
    return f"{place}.{key}" if place else str(key)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _yaml():
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 3e-3 is a number, no is a word
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    return yaml
