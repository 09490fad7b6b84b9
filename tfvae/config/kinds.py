"""Which classes a key of a yaml may name, and within which limits their arguments must be."""

from typing import Annotated, Any, Literal

import keras
from pydantic import Field

from tfvae import distributions, likelihoods, networks, objectives, posteriors, preprocessing, priors
from tfvae.callbacks import pictures, watch
from tfvae.config.constructors import Kind

__all__ = [
    "CALLBACK",
    "DECODER",
    "ENCODER",
    "LIKELIHOOD",
    "OBJECTIVE",
    "OPTIMIZER",
    "POSTERIOR",
    "PREPROCESSOR",
    "PRIOR",
    "Count",
    "MaxSize",
]

MAX_SIZE = 2**20
MaxSize = Annotated[int, Field(le=MAX_SIZE)]
Count = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

OF_OPTIMIZERS: dict[str, Any] = {  # and of schedules: Keras takes anything
    "learning_rate": Positive,
    "initial_learning_rate": NotNegative,  # a warm-up may begin at 0
    "decay_steps": Annotated[int, Field(ge=1)],
    "clipnorm": Positive,
    "clipvalue": Positive,
    "global_clipnorm": Positive,
    "weight_decay": NotNegative,
    "gradient_accumulation_steps": Annotated[int, Field(ge=2, le=MAX_SIZE)],
    "epsilon": Positive,
    "beta_1": Fraction,
    "beta_2": Fraction,
    "momentum": Annotated[float, Field(ge=0, le=1)],
    "rho": Fraction,
    "ema_momentum": Annotated[float, Field(ge=0, le=1)],
    "ema_overwrite_frequency": Count,
    "loss_scale_factor": Positive,
}
OF_CALLBACKS: dict[str, Any] = {  # Keras warns of some, and fails later of others
    "monitor": str,
    "mode": Literal["auto", "min", "max"],
    "patience": Annotated[int, Field(ge=0)],
}
OF_PARTS: dict[str, Any] = {  # beyond, memory or time would end first
    "samples": MaxSize,
    "groups": MaxSize,
    "components": MaxSize,
    "classes": MaxSize,
    "units": list[MaxSize],
    "filters": list[MaxSize],
}
PROGRAMS = (  # what takes functions, loads programs, or sends what it sees
    *(getattr(keras.layers, name) for name in ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper")),
    *(getattr(keras.callbacks, name) for name in ("LambdaCallback", "LearningRateScheduler", "RemoteMonitor")),
)

PREPROCESSOR = Kind((preprocessing, keras.layers), keras.Layer, without=PROGRAMS)
ENCODER = DECODER = Kind((networks,), keras.Model, OF_PARTS)
POSTERIOR = Kind((posteriors,), distributions.Conditional, OF_PARTS)
PRIOR = Kind((priors,), distributions.Prior, OF_PARTS)
LIKELIHOOD = Kind((likelihoods,), distributions.Conditional, OF_PARTS)
OBJECTIVE = Kind((objectives,), objectives.Objective, OF_PARTS)

SCHEDULE = Kind((keras.optimizers.schedules,), keras.optimizers.schedules.LearningRateSchedule, OF_OPTIMIZERS)
PLAIN_OPTIMIZER = Kind((keras.optimizers,), keras.Optimizer, OF_OPTIMIZERS, {"learning_rate": SCHEDULE})
OPTIMIZER = PLAIN_OPTIMIZER._replace(parts={**PLAIN_OPTIMIZER.parts, "inner_optimizer": PLAIN_OPTIMIZER})
CALLBACK = Kind((keras.callbacks, pictures, watch), keras.callbacks.Callback, OF_CALLBACKS, without=PROGRAMS)
