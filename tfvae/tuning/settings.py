"""The keys of a yaml for `tfvae tune`."""

from tfvae.config.settings import Settings

__all__ = ["SearchSettings"]


class SearchSettings(Settings):
    """The keys of a yaml for `tfvae tune`.

    Attributes:
        base: path of an experiment's yaml, from the folder of this one.
        space: `Space`, as keys and values.
        tuner: {Name: arguments} of an oracle of keras-tuner.
        objective: what is made as high as can be.
        samples: importance samples per example for `val_log_marginal`.
        set: assignments to the base, {key: value}.
    """

    base: str
    space: dict
    tuner: dict = {"RandomSearch": {"max_trials": 20}}
    objective: str = "val_elbo"
    samples: int = 100
    set: dict = {}
