"""Experiments as yaml: `{Name: arguments}` for each part. The constructors are the schema.

reading.py gives a yaml as an `Experiment` (experiment.py), typed and checked; objects.py makes what it names. Which
classes a key may name is in kinds.py; constructors.py holds a yaml against their signatures, and classes.py finds one's
own by their dotted path.
"""

from tfvae.config.experiment import Compile, Data, Experiment, Fit
from tfvae.config.model_file import load_model
from tfvae.config.objects import (
    callbacks,
    class_names,
    compiled_vae,
    evaluation_data,
    optimizer,
    table_schema,
    training_data,
)
from tfvae.config.reading import from_keys, of_run, read
from tfvae.config.strategy import make_strategy
from tfvae.config.writing import difference, write
from tfvae.yaml_files import ConfigError, assign, keys

__all__ = [
    "Compile",
    "ConfigError",
    "Data",
    "Experiment",
    "Fit",
    "assign",
    "callbacks",
    "class_names",
    "compiled_vae",
    "difference",
    "evaluation_data",
    "from_keys",
    "keys",
    "load_model",
    "make_strategy",
    "of_run",
    "optimizer",
    "read",
    "table_schema",
    "training_data",
    "write",
]
