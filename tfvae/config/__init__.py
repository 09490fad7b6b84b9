"""Experiments as yaml: `{Name: arguments}` for each part. The constructors are the schema.

A name is looked up in the `__all__` of the module for its kind, or it is the dotted path of one's own class.
"""

import inspect
import os
import pathlib
import typing

import keras
import tensorflow as tf
from pydantic import Field

from tfvae import data as data_module
from tfvae import (
    distributions,
    likelihoods,
    model,
    networks,
    objectives,
    posteriors,
    preprocessing,
    priors,
    rendezvous,
    replicas,
    yaml_files,
)
from tfvae.callbacks import watch
from tfvae.config import schema
from tfvae.config.stored import load_model
from tfvae.yaml_files import ConfigError, assign, keys

__all__ = [
    "ConfigError",
    "Experiment",
    "assign",
    "callbacks",
    "class_names",
    "compiled_vae",
    "difference",
    "evaluation_data",
    "experiment",
    "fit_arguments",
    "keys",
    "load_model",
    "of_run",
    "read",
    "strategy",
    "training_data",
    "write",
]


Part = dict[str, dict | None]
Most = typing.Annotated[int, Field(le=2**20)]
Count = typing.Annotated[int, Field(ge=1, le=2**20)]
Fraction = typing.Annotated[float, Field(ge=0, lt=1)]
Size = typing.Annotated[list[typing.Annotated[int, Field(ge=1, le=2**14)]], Field(min_length=2, max_length=2)]
Positive = typing.Annotated[float, Field(gt=0, allow_inf_nan=False)]


class OfOptimizers(typing.NamedTuple):
    """What arguments of optimizers and schedules may be: Keras takes any."""

    learning_rate: Positive
    initial_learning_rate: typing.Annotated[float, Field(ge=0, allow_inf_nan=False)]  # a warm-up may begin at 0
    decay_steps: typing.Annotated[int, Field(ge=1)]
    clipnorm: Positive
    clipvalue: Positive
    global_clipnorm: Positive
    weight_decay: typing.Annotated[float, Field(ge=0, allow_inf_nan=False)]
    gradient_accumulation_steps: typing.Annotated[int, Field(ge=2, le=2**20)]
    epsilon: Positive
    beta_1: Fraction
    beta_2: Fraction
    momentum: typing.Annotated[float, Field(ge=0, le=1)]
    rho: Fraction
    ema_momentum: typing.Annotated[float, Field(ge=0, le=1)]
    ema_overwrite_frequency: Count
    loss_scale_factor: Positive


class OfCallbacks(typing.NamedTuple):
    """What arguments of callbacks may be: Keras warns of some, and fails later of others."""

    monitor: str
    mode: typing.Literal["auto", "min", "max"]
    patience: typing.Annotated[int, Field(ge=0)]


class OfParts(typing.NamedTuple):
    """How large sizes may be: beyond, memory or time would end first."""

    samples: Most
    groups: Most
    components: Most
    classes: Most
    units: list[Most]
    filters: list[Most]


TRAINING = ("chief", "worker")  # the jobs of a cluster that TensorFlow's strategy waits for
PROGRAMS = (  # what takes functions, loads programs, or sends what it sees
    *(getattr(keras.layers, name) for name in ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper")),
    *(getattr(keras.callbacks, name) for name in ("LambdaCallback", "LearningRateScheduler", "RemoteMonitor")),
)
SCHEDULE = schema.Kind((keras.optimizers.schedules,), keras.optimizers.schedules.LearningRateSchedule, OfOptimizers)
OPTIMIZER = schema.Kind((keras.optimizers,), keras.Optimizer, OfOptimizers, {"learning_rate": SCHEDULE})
WRAPPED = OPTIMIZER._replace(parts={**OPTIMIZER.parts, "inner_optimizer": OPTIMIZER})
CALLBACK = schema.Kind((keras.callbacks, watch), keras.callbacks.Callback, OfCallbacks, without=PROGRAMS)
PARTS = {  # of a VAE
    "preprocessor": schema.Kind((preprocessing, keras.layers), keras.Layer, without=PROGRAMS),
    "encoder": schema.Kind((networks,), keras.Model, OfParts),
    "posterior": schema.Kind((posteriors,), distributions.Conditional, OfParts),
    "prior": schema.Kind((priors,), distributions.Prior, OfParts),
    "decoder": schema.Kind((networks,), keras.Model, OfParts),
    "likelihood": schema.Kind((likelihoods,), distributions.Conditional, OfParts),
    "objective": schema.Kind((objectives,), objectives.Objective, OfParts),
}


class Data(typing.NamedTuple):
    """The key `data`: what `data.load` takes, and which splits are for what."""

    name: str
    batch_size: Count = 100
    train: str = "train"
    validation: str | None = None
    test: str = "test"
    binarize: typing.Literal["static", "threshold"] | None = None
    size: Size | None = None
    in_memory: bool | None = None
    data_dir: str | None = None
    manual_dir: str | None = None
    condition: str | list[str] | None = None
    channels: typing.Literal[1, 3, 4] | None = None
    evaluation: dict | None = None


class Compile(typing.NamedTuple):
    """The key `compile`: as for `keras.Model.compile`."""

    jit_compile: bool | typing.Literal["auto"] = "auto"
    steps_per_execution: Count = 1
    run_eagerly: bool = False


class Fit(typing.NamedTuple):
    """The key `fit`: as for `keras.Model.fit`; callbacks by their names in `keras.callbacks`, or
    `Watch` and `Pictures` of `tfvae.callbacks`."""

    epochs: Count = 1
    steps_per_epoch: typing.Annotated[int, Field(ge=1)] | None = None
    callbacks: list[Part] = ()


class Experiment(typing.NamedTuple):
    """The keys of a yaml."""

    data: dict
    latent_size: Count | typing.Annotated[list[Count], Field(min_length=1)]
    encoder: Part
    decoder: Part
    seed: typing.Annotated[int, Field(ge=0, lt=2**31 - 1)] = 0
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


def of_run(run):
    """The experiment of a run folder, as far as its model and its data need it.

    The modules of one's own classes that the model has are imported, when these are of the right kind. Nothing is made,
    and callbacks are not looked at.

    Raises:
        ConfigError: for an unknown key, a wrong type, or a part of another kind; FileNotFoundError.
    """
    path = pathlib.Path(run) / "config.yaml"
    try:
        made = _checked(keys(path))
        for key, kind in {**PARTS, "optimizer": WRAPPED}.items():
            if getattr(made, key) is not None:
                schema.find(kind, getattr(made, key), key)
        return made
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def experiment(raw):
    """Keys and values -> `Experiment`, checked.

    Raises:
        ConfigError: for an unknown key or name, or a wrong type.
    """
    made = _checked(raw)
    for key, kind in PARTS.items():
        if getattr(made, key) is not None:
            schema.resolve(kind, getattr(made, key), key)
    _optimizer(made.optimizer)
    callbacks(made)
    return made


def _checked(raw):
    """Keys and values -> `Experiment`, without a look at its parts."""
    made = schema.arguments(Experiment, raw, "")
    settings = schema.arguments(Data, made.data, "data")
    evaluation = settings.evaluation or {}
    schema.arguments(Data, {"name": "", **evaluation}, "data.evaluation")
    for key in {"name", "train", "validation", "test", "evaluation"} & evaluation.keys():
        raise ConfigError(f"data.evaluation.{key}: only how data is loaded can differ for evaluation")
    if ":" in settings.name and not os.path.exists(settings.name):
        raise ConfigError(
            f"data.name: {settings.name} is of a community's data sets, which bring programs: none is loaded"
        )
    if os.path.exists(settings.name):  # a run folder outlives the working directory
        made = made._replace(data={**made.data, "name": os.path.abspath(settings.name)})
    schema.arguments(Compile, made.compile, "compile")
    schema.arguments(Fit, made.fit, "fit")
    return made


def strategy(name):
    """The `tf.distribute` strategy of this name, made. It is to be called before anything else is done with TensorFlow,
    as several workers must find each other first; and once, as TensorFlow confuses the messages of two."""
    made = tf.distribute.get_strategy()
    if name == "multi_worker":
        _meet()
        made = tf.distribute.MultiWorkerMirroredStrategy()
    elif name == "mirrored":
        made = tf.distribute.MirroredStrategy()
    return made if replicas.has_several(made) else tf.distribute.get_strategy()  # which is faster on one device


def _meet():
    """Waits for the other workers, if there are any."""
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    own = cluster.task_type, cluster.task_id
    places = cluster.cluster_spec().as_dict()
    addresses = {(kind, i): place for kind in TRAINING for i, place in enumerate(places.get(kind, ()))}
    if own in addresses:  # else TensorFlow says what is wrong
        rendezvous.meet(addresses.pop(own), list(addresses.values()))


def difference(experiment, path):
    """The first key in which an experiment, or keys and values, differ from a yaml that `write` wrote, as
    "a.b: 1, there 2"; or None."""
    return _first_difference(yaml_files.plain(_filled(experiment), str(path)), yaml_files.read(path), "")


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
    yaml_files.write(_filled(experiment), path)


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


def class_names(experiment, key):
    """Names of the classes that the data has under a key, in the order of their indices; None where it has none."""
    places = {name: experiment.data.get(name) for name in ("data_dir", "manual_dir")}
    try:
        return data_module.class_names(experiment.data["name"], key, **places)
    except ValueError:  # there is no such key
        return None


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
        return None if spec is None else schema.make(PARTS[kind], spec, kind, *args, **offered)

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
    return schema.make(WRAPPED, spec, "optimizer")


def callbacks(experiment):
    """The callbacks that the experiment names: Keras', and those of `tfvae.callbacks.watch`."""
    named = schema.arguments(Fit, experiment.fit, "fit").callbacks
    return [schema.make(CALLBACK, spec, f"fit.callbacks[{index}]") for index, spec in enumerate(named)]


def fit_arguments(experiment):
    """What the experiment says for `fit`, but for the callbacks."""
    arguments = schema.arguments(Fit, experiment.fit, "fit")._asdict()
    arguments.pop("callbacks")
    return arguments
