"""Where the keys of a yaml become objects: a typed `Experiment` -> a compiled VAE, callbacks and data."""

from typing import Any

import keras
import tensorflow as tf

from tfvae import data, model, preprocessing
from tfvae.config.constructors import call
from tfvae.config.experiment import Experiment
from tfvae.tables import Schema
from tfvae.yaml_files import ConfigError

__all__ = ["callbacks", "class_names", "compiled_vae", "evaluation_data", "optimizer", "table_schema", "training_data"]


def compiled_vae(experiment: Experiment, data_spec: Any, schema: Schema | None = None) -> model.VAE:
    """Make the compiled VAE of an experiment.

    Args:
        experiment: the keys of a yaml.
        data_spec: the data's `element_spec`: a TensorSpec, or a pair, with conditions.
        schema: of data that is a table, see `table_schema`; preprocessor and likelihood are given it, if they take it.

    Raises:
        ConfigError: when a part cannot be made as written, or parts do not fit.
    """
    spec, *condition = data_spec if isinstance(data_spec, tuple) else (data_spec,)
    event, latent = tuple(spec.shape[1:]), experiment.latent_size
    conditional = {"condition_size": condition[0].shape[-1] if condition else 0}
    keras.utils.set_random_seed(experiment.seed)
    prior = experiment.prior.make(latent, output_shape=event, **conditional)
    preprocessor = None if experiment.preprocessor is None else experiment.preprocessor.make(schema=schema)
    seen = event  # by the encoder
    if isinstance(preprocessor, preprocessing.Preprocessor):
        seen = preprocessor.seen_shape(event)
    maps = len(prior.arrangement) > 1
    shown = prior.arrangement if maps else prior.decoder_shape  # to the decoder
    parts = {
        "preprocessor": preprocessor,
        "encoder": experiment.encoder.make(seen, maps=maps, **conditional),
        "posterior": experiment.posterior.make(latent),
        "prior": prior,
        "decoder": experiment.decoder.make(shown, output_shape=event, **conditional),
        "likelihood": experiment.likelihood.make(event, schema=schema),
        "objective": experiment.objective.make(),
    }
    vae = call(model.VAE, "model", (), parts | {"seed": experiment.seed} | conditional)
    vae.compile(optimizer(experiment), **experiment.compile.model_dump())
    return vae


def optimizer(experiment: Experiment) -> keras.Optimizer:
    """Make the optimizer that an experiment names."""
    return experiment.optimizer.make()


def callbacks(experiment: Experiment) -> list[keras.callbacks.Callback]:
    """Make the callbacks that an experiment names: Keras', and those of `tfvae.callbacks`."""
    return [part.make() for part in experiment.fit.callbacks]


def training_data(
    experiment: Experiment, position: data.Position | None = None, kept: dict | None = None
) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
    """Load the batches to train on, shuffled anew each epoch, and those to validate on, None where there are none.

    Args:
        experiment: the keys of a yaml.
        position: says how far the first are read.
        kept: as for `data.load`.
    """
    settings = experiment.data
    train = data.load(
        **settings.loading(),
        split=settings.split("train") or "train",
        seed=experiment.seed,
        shuffle=True,
        position=position,
        kept=kept,
    )
    return train, None if settings.validation is None else evaluation_data(experiment, "validation", kept)


def evaluation_data(experiment: Experiment, split: str, kept: dict | None = None, **loading: Any) -> tf.data.Dataset:
    """Load the batches of a split, in order and as `data.evaluation` says.

    Static binarisation does not follow the experiment's seed: all seeds are measured on the same pixels. Rows of a
    table are encoded by the schema that is given, such as that of a trained VAE, or else by that of `table_schema`.

    Args:
        experiment: the keys of a yaml.
        split: "train", "validation", "test", or TFDS' syntax.
        kept: as for `data.load`.
        **loading: arguments of `data.load` in place of the experiment's.

    Raises:
        ConfigError: when the experiment has no such split.
    """
    settings = experiment.data
    chosen = settings.split(split)
    if chosen is None:
        raise ConfigError(f"data.{split}: is not set, so there is no such split")
    if "condition" in loading:
        loading["condition"] = _key_in_table(experiment, loading["condition"])
    arguments = settings.loading(evaluation=True) | loading
    arguments["schema"] = loading.get("schema") or table_schema(experiment)
    if arguments["schema"] is not None:
        arguments["columns"] = None  # the schema knows their kinds
    return data.load(**arguments, split=chosen, seed=0, shuffle=False, kept=kept)


def table_schema(experiment: Experiment) -> Schema | None:
    """Return the schema of the experiment's data; None where it is no table."""
    settings = experiment.data
    if not data.is_table(settings.name):
        return None
    return data.table_schema(settings.name, settings.columns, settings.labels, settings.condition)


def class_names(experiment: Experiment, key: str, schema: Schema | None = None) -> tuple[str, ...] | None:
    """Return the names of the classes that the data has under a key, in the order of their indices.

    Args:
        experiment: the keys of a yaml.
        key: the name of a condition.
        schema: of a table, as for `evaluation_data`.

    Returns:
        None where it has no such key, or the key has no classes.
    """
    settings = experiment.data
    key = _key_in_table(experiment, key)
    try:
        folders = settings.data_dir, settings.manual_dir
        return data.class_names(settings.name, key, *folders, columns=settings.columns, schema=schema)
    except ValueError:  # there is no such key
        return None


def _key_in_table(experiment: Experiment, key: Any) -> Any:
    """Return the column that a key stands for: of a table with labels, "label" is the first of these."""
    labels = experiment.data.labels
    if key != "label" or not labels or key == experiment.data.condition:
        return key
    return labels if isinstance(labels, str) else labels[0]
