"""Experiments as yaml: `{Name: arguments}` for each part. The constructors are the schema.

A name is looked up in the `__all__` of the module for its kind, or it is the dotted path of one's own class.
"""

import inspect
import os
import pathlib
import typing

import keras
import tensorflow as tf
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tfvae import data as data_module
from tfvae import likelihoods, model, networks, objectives, posteriors, preprocessing, priors, replicas
from tfvae.callbacks import watch
from tfvae.config import schema
from tfvae.config.schema import ConfigError

__all__ = [
    "ConfigError",
    "Experiment",
    "assign",
    "callbacks",
    "compiled_vae",
    "difference",
    "evaluation_data",
    "experiment",
    "fit_arguments",
    "keys",
    "read",
    "strategy",
    "training_data",
    "write",
]


Part = dict[str, dict | None]
KINDS = {  # where the names of each kind of part are looked up
    "preprocessor": (preprocessing, keras.layers),
    "encoder": (networks,),
    "posterior": (posteriors,),
    "prior": (priors,),
    "decoder": (networks,),
    "likelihood": (likelihoods,),
    "objective": (objectives,),
}


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
    condition: str | list[str] | None = None
    channels: typing.Literal[1, 3, 4] | None = None
    evaluation: dict | None = None


class Compile(typing.NamedTuple):
    """The key `compile`: as for `keras.Model.compile`."""

    jit_compile: bool | typing.Literal["auto"] = "auto"
    steps_per_execution: int = 1
    run_eagerly: bool = False


class Fit(typing.NamedTuple):
    """The key `fit`: as for `keras.Model.fit`; callbacks by their names in `keras.callbacks`, or
    `Watch` and `Pictures` of `tfvae.callbacks`."""

    epochs: int = 1
    steps_per_epoch: int | None = None
    callbacks: list[Part] = ()


class Experiment(typing.NamedTuple):
    """The keys of a yaml."""

    data: dict
    latent_size: int | list[int]
    encoder: Part
    decoder: Part
    seed: int = 0
    strategy: typing.Literal["default", "mirrored", "multi_worker"] = "default"
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

    A yaml with the key `base`, the path of another, takes over the keys of that one which it does not set itself.

    Raises:
        ConfigError: for an unknown key or name, a wrong type, or yaml that cannot be read; FileNotFoundError.
    """
    try:
        return experiment(keys(path, overrides))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def keys(path, overrides=(), base=True):
    """The keys and values of a yaml, with those of its base (unless told to leave it), and with assignments such as
    "objective.ELBO.beta=4".

    Raises:
        ConfigError: for yaml that cannot be read, or assignments that are none; FileNotFoundError.
    """
    raw = _raw(pathlib.Path(path), base)
    for assignment in overrides:
        key, sign, text = assignment.partition("=")
        if not sign or not all(key.split(".")):
            raise ConfigError(f"--set {assignment}: must be a.b.c=value")
        assign(raw, key, _yaml().load(text), f"--set {assignment}")
    return raw


def _raw(path, base=True, above=()):
    if path.resolve() in above:
        raise ConfigError(f"{path}: base: is the base of itself")
    if not path.is_file():
        raise FileNotFoundError(f"no such config: {path}")
    try:
        raw = _yaml().load(path.read_text())
    except YAMLError as error:
        raise ConfigError(f"{path} is not yaml: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold keys and values")
    if not base or "base" not in raw:
        return raw
    below = raw.pop("base")
    if not isinstance(below, str):
        raise ConfigError(f"{path}: base: must be the path of a yaml, not {below!r}")
    return _raw(path.parent / below, True, (*above, path.resolve())) | raw


def experiment(raw):
    """Keys and values -> `Experiment`, checked.

    Raises:
        ConfigError: for an unknown key or name, or a wrong type.
    """
    made = schema.arguments(Experiment, raw, "")
    settings = schema.arguments(Data, made.data, "data")
    evaluation = settings.evaluation or {}
    schema.arguments(Data, {"name": "", **evaluation}, "data.evaluation")
    for key in {"name", "train", "validation", "test", "evaluation"} & evaluation.keys():
        raise ConfigError(f"data.evaluation.{key}: only how data is loaded can differ for evaluation")
    if os.path.exists(settings.name):  # a run folder outlives the working directory
        made = made._replace(data={**made.data, "name": os.path.abspath(settings.name)})
    schema.arguments(Compile, made.compile, "compile")
    epochs = schema.arguments(Fit, made.fit, "fit").epochs
    for key, value in (("latent_size", made.latent_size), ("fit.epochs", epochs)):
        if min(value if isinstance(value, list) else [value], default=0) < 1:
            raise ConfigError(f"{key}: must be 1 or more, not {value}")
    for kind, modules in KINDS.items():
        spec = getattr(made, kind)
        if spec is not None:
            schema.resolve(modules, spec, kind)
    _optimizer(made.optimizer)
    callbacks(made)
    return made


def strategy(name):
    """The `tf.distribute` strategy of this name, made. It is to be called before anything else is done with TensorFlow,
    as several workers must find each other first; and once, as TensorFlow confuses the messages of two."""
    made = tf.distribute.get_strategy()
    if name == "multi_worker":
        made = tf.distribute.MultiWorkerMirroredStrategy()
    elif name == "mirrored":
        made = tf.distribute.MirroredStrategy()
    return made if replicas.several(made) else tf.distribute.get_strategy()  # which is faster on one device


def difference(experiment, path):
    """The first key in which an experiment, or keys and values, differ from a yaml that `write` wrote, as
    "a.b: 1, there 2"; or None."""
    return _first_difference(_plain(_filled(experiment)), _yaml().load(pathlib.Path(path).read_text()), "")


def _first_difference(one, other, place):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            inner = f"{place}.{key}" if place else key
            found = _first_difference(one.get(key), other.get(key), inner)
            if found:
                return found
        return None
    return None if one == other else f"{place}: {one!r}, there {other!r}"


def write(experiment, path):
    """An experiment, every default filled in, or other keys and values, as yaml."""
    with open(path, "w") as file:
        _yaml().dump(_plain(_filled(experiment)), file)


def _filled(experiment):
    if isinstance(experiment, dict):
        return experiment
    return experiment._asdict() | {
        "data": schema.arguments(Data, experiment.data, "data")._asdict(),
        "compile": schema.arguments(Compile, experiment.compile, "compile")._asdict(),
        "fit": schema.arguments(Fit, experiment.fit, "fit")._asdict(),
    }


def training_data(experiment, position=None, kept=None):
    """The batches to train on, shuffled anew each epoch, and those to validate on, None where there are none.

    `position`, a `data.Position`, says how far the first are read; `kept` is as for `data.load`.
    """
    settings = schema.arguments(Data, experiment.data, "data")
    train = _load(settings, experiment.seed, settings.train, shuffle=True, position=position, kept=kept)
    return train, None if settings.validation is None else evaluation_data(experiment, "validation", kept)


def evaluation_data(experiment, split, kept=None):
    """The batches of a split, "train", "validation", "test" or TFDS' syntax, in order and as `data.evaluation` says.

    Static binarisation does not follow the experiment's seed: all seeds are measured on the same pixels.
    """
    settings = schema.arguments(Data, experiment.data, "data")
    chosen = getattr(settings, split) if split in ("train", "validation", "test") else split
    if chosen is None:
        raise ConfigError(f"data.{split}: is not set, so there is no such split")
    return _load(settings, 0, chosen, shuffle=False, kept=kept, **(settings.evaluation or {}))


def _load(settings, seed, split, **more):
    takes = inspect.signature(data_module.load).parameters
    arguments = {key: value for key, value in settings._asdict().items() if key in takes}
    return data_module.load(**(arguments | {"seed": seed, "split": split} | more))


def compiled_vae(experiment, data_spec):
    """The compiled VAE of an experiment, for data of this `element_spec`: a TensorSpec, or a pair, with conditions.

    Raises:
        ConfigError: when a part cannot be made as written, or parts do not fit.
    """
    spec, *condition = data_spec if isinstance(data_spec, tuple) else (data_spec,)
    event, latent = tuple(spec.shape[1:]), experiment.latent_size
    condition_size = condition[0].shape[-1] if condition else 0
    keras.utils.set_random_seed(experiment.seed)

    def part(kind, *args, **offered):
        spec = getattr(experiment, kind)
        return None if spec is None else schema.make(KINDS[kind], spec, kind, *args, **offered)

    conditional = {"condition_size": condition_size}
    prior = part("prior", latent, output_shape=event, **conditional)
    parts = {
        "preprocessor": part("preprocessor"),
        "encoder": part("encoder", event, **conditional),
        "posterior": part("posterior", latent),
        "prior": prior,
        "decoder": part("decoder", prior.decoder_shape, output_shape=event, **conditional),
        "likelihood": part("likelihood", event),
        "objective": part("objective"),
    }
    vae = schema.call(model.VAE, "model", (), parts | {"seed": experiment.seed} | conditional)
    optimizer = _optimizer(experiment.optimizer)
    vae.compile(optimizer, **schema.arguments(Compile, experiment.compile, "compile")._asdict())
    return vae


def _optimizer(spec):
    """{Name: arguments}; learning_rate is a number or {Name: arguments} of `keras.optimizers.schedules`."""
    constructor, kwargs = schema.resolve((keras.optimizers,), spec, "optimizer")
    place = f"optimizer.{next(iter(spec))}"
    rate = kwargs.get("learning_rate")
    if isinstance(rate, dict):
        kwargs = kwargs | {"learning_rate": schema.make((keras.optimizers.schedules,), rate, f"{place}.learning_rate")}
    return schema.call(constructor, place, (), kwargs)


def callbacks(experiment):
    """The callbacks that the experiment names: Keras', and those of `tfvae.callbacks.watch`."""
    named = schema.arguments(Fit, experiment.fit, "fit").callbacks
    return [schema.make((keras.callbacks, watch), spec, f"fit.callbacks[{index}]") for index, spec in enumerate(named)]


def fit_arguments(experiment):
    """What the experiment says for `fit`, but for the callbacks."""
    arguments = schema.arguments(Fit, experiment.fit, "fit")._asdict()
    arguments.pop("callbacks")
    return arguments


def assign(raw, key, value, place):
    """Sets a key such as "objective.ELBO.beta" of nested dicts; `place` is what an error names."""
    *parents, last = key.split(".")
    for parent in parents:
        if raw.get(parent) is None:
            raw[parent] = {}
        raw = raw[parent]
        if not isinstance(raw, dict):
            raise ConfigError(f"{place}: {parent} holds {raw!r}, not keys and values")
    raw[last] = value


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _yaml():
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 3e-3 is a number, no is a word
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    return yaml
