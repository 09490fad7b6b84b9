"""`Experiment`: the keys of a yaml, typed all the way down."""

import glob
import os
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field
from pydantic_core import core_schema

from tfvae.config import kinds
from tfvae.config.constructors import Kind, PartSpec, find_part
from tfvae.config.kinds import Count
from tfvae.config.settings import Settings, at
from tfvae.config.shares import SPLITS, check_shares, is_share
from tfvae.yaml_files import ConfigError

__all__ = ["IN_RUN", "Compile", "Data", "Experiment", "Fit", "Loading"]

IN_RUN = "in_run"  # of a validation's context: the yaml is a run folder's, of which no argument and no callback matters
Written = dict[str, dict | None]  # a part as a yaml has it: {Name: arguments}
Size = Annotated[list[Annotated[int, Field(ge=1, le=2**14)]], Field(min_length=2, max_length=2)]


class _OfKind:
    """Makes a field a `PartSpec` of a kind: found, and, but in a run folder, with checked arguments."""

    def __init__(self, kind: Kind, place: str):
        self.kind, self.place = kind, place

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(
            self._read,
            handler.generate_schema(Written),  # type: ignore[attr-defined]
            serialization=core_schema.plain_serializer_function_ser_schema(lambda part: part.as_keys()),
        )

    def _read(self, written: Written, info: pydantic.ValidationInfo) -> PartSpec:
        part = find_part(self.kind, written, self.place)
        if not _in_run(info):
            _ = part.arguments  # are checked
        return part


class _ListOfKind(_OfKind):
    """Makes a field a list of `PartSpec`s of a kind: none, in a run folder."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(
            self._read_all,
            handler.generate_schema(list[Written]),  # type: ignore[attr-defined]
            serialization=core_schema.plain_serializer_function_ser_schema(lambda parts: [p.as_keys() for p in parts]),
        )

    def _read_all(self, written: list[Written], info: pydantic.ValidationInfo) -> tuple[PartSpec, ...]:
        if _in_run(info):
            return ()
        parts = [find_part(self.kind, one, f"{self.place}[{index}]") for index, one in enumerate(written)]
        for part in parts:
            _ = part.arguments  # are checked
        return tuple(parts)


def _in_run(info: pydantic.ValidationInfo) -> bool:
    return bool((info.context or {}).get(IN_RUN))


class Loading(Settings):
    """How `data.load` reads data: its arguments of the same names."""

    batch_size: Count = 100
    binarize: Literal["static", "threshold"] | None = None
    size: Size | None = None
    in_memory: bool | None = None
    data_dir: str | None = None
    manual_dir: str | None = None
    condition: str | list[str] | None = None
    channels: Literal[1, 3, 4] | None = None


class Data(Loading):
    """The key `data`: what `data.load` takes, which splits are for what, and how loading differs for evaluation.

    Splits of a table may be shares, such as 80%: random parts of its rows.
    """

    name: str
    train: str = "train"
    validation: str | None = None
    test: str | None = "test"
    columns: dict[str, str] | None = None
    labels: str | list[str] | None = None
    stratify: str | None = None
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    evaluation: Loading | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _leave_out_test(cls, given: Any) -> Any:
        """Where other splits are shares, there is no test data unless it is one too."""
        if isinstance(given, dict) and "test" not in given and any(is_share(given.get(purpose)) for purpose in SPLITS):
            return given | {"test": None}
        return given

    @pydantic.model_validator(mode="after")
    def _check_splits(self) -> Self:
        check_shares({purpose: getattr(self, purpose) for purpose in SPLITS})
        for key in ("stratify", "split_seed"):
            if getattr(self, key) is not None and not self.shares:
                raise ConfigError(f"data.{key}: is for random parts of a table: write train, test, ... as train: 80%")
        return self

    @pydantic.field_validator("name")
    @classmethod
    def _find_name(cls, name: str) -> str:
        if os.path.exists(name) or (glob.has_magic(name) and glob.glob(name)):
            # a run folder outlives the working directory
            return os.path.abspath(name)
        if ":" in name:
            raise ConfigError(f"data.name: {name} is of a community's data sets, which bring programs: none is loaded")
        return name

    @pydantic.field_validator("evaluation", mode="before")
    @classmethod
    def _refuse_other_data(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key in cls.model_fields and key not in Loading.model_fields:
                raise ConfigError(f"{at('data.evaluation', key)}: only how data is loaded can differ for evaluation")
        return given

    @pydantic.field_serializer("evaluation")
    def _leave_out_unset(self, evaluation: Loading | None) -> dict[str, Any] | None:
        return None if evaluation is None else evaluation.model_dump(exclude_unset=True)

    @property
    def shares(self) -> dict[str, str]:
        """The splits that are random parts of a table, and their shares."""
        return {purpose: getattr(self, purpose) for purpose in SPLITS if is_share(getattr(self, purpose))}

    def split(self, purpose: str) -> str | None:
        """Return the split for a purpose, as `data.load` takes it, or what is no purpose as it is; None where the
        experiment has none."""
        if purpose not in SPLITS or purpose in self.shares:
            return purpose
        return getattr(self, purpose)

    def loading(self, evaluation: bool = False) -> dict[str, Any]:
        """Return arguments of `data.load`, of training or of evaluation."""
        found = self.model_dump(include={"name", "columns", "labels", "stratify", *Loading.model_fields})
        found |= {"splits": self.shares or None, "split_seed": self.split_seed or 0}
        return found | (self.evaluation.model_dump(exclude_unset=True) if evaluation and self.evaluation else {})


class Compile(Settings):
    """The key `compile`: as for `keras.Model.compile`."""

    jit_compile: bool | Literal["auto"] = "auto"
    steps_per_execution: Count = 1
    run_eagerly: bool = False


class Fit(Settings):
    """The key `fit`: as for `keras.Model.fit`; callbacks by their names in `keras.callbacks`, or `Watch` and `Pictures`
    of `tfvae.callbacks`."""

    epochs: Count = 1
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    callbacks: Annotated[tuple[PartSpec, ...], _ListOfKind(kinds.CALLBACK, "fit.callbacks")] = ()

    def arguments(self) -> dict[str, Any]:
        """Return what there is for `fit`, but for the callbacks."""
        return self.model_dump(exclude={"callbacks"})


def _default(name: str, arguments: dict[str, Any] | None = None) -> Any:
    return Field(default={name: arguments}, validate_default=True)


class Experiment(Settings):
    """The keys of a yaml: see docs/design.md. What is written was checked; `config.objects` makes it."""

    data: Data
    latent_size: Count | Annotated[list[Count], Field(min_length=1)]
    encoder: Annotated[PartSpec, _OfKind(kinds.ENCODER, "encoder")]
    decoder: Annotated[PartSpec, _OfKind(kinds.DECODER, "decoder")]
    seed: Annotated[int, Field(ge=0, lt=2**31 - 1)] = 0
    strategy: Literal["default", "mirrored", "multi_worker"] = "default"
    preprocessor: Annotated[PartSpec, _OfKind(kinds.PREPROCESSOR, "preprocessor")] | None = None
    adapt: bool = True
    posterior: Annotated[PartSpec, _OfKind(kinds.POSTERIOR, "posterior")] = _default("DiagonalNormal")
    prior: Annotated[PartSpec, _OfKind(kinds.PRIOR, "prior")] = _default("StandardNormal")
    likelihood: Annotated[PartSpec, _OfKind(kinds.LIKELIHOOD, "likelihood")] = _default("Bernoulli")
    objective: Annotated[PartSpec, _OfKind(kinds.OBJECTIVE, "objective")] = _default("ELBO")
    optimizer: Annotated[PartSpec, _OfKind(kinds.OPTIMIZER, "optimizer")] = _default("Adam", {"learning_rate": 1e-3})
    compile: Compile = Compile()
    fit: Fit = Fit()

    def with_epochs(self, epochs: int) -> Self:
        """Return the same experiment, trained for so many epochs."""
        return self.model_copy(update={"fit": self.fit.model_copy(update={"epochs": epochs})})

    def as_keys(self) -> dict[str, Any]:
        """Return the keys and values of a yaml that says the same, with every default."""
        keys = self.model_dump()
        return keys | {"data": {"name": self.data.name, **keys["data"]}}
