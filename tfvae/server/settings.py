"""What is served, and how: read from a folder of servables, or from TensorFlow Serving's models.config and
batching.config."""

import os
import pathlib
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from tfvae.server.models import Model
from tfvae.server.request_queue import Batching

__all__ = ["models_of_folder", "read_batching_file", "read_models_file"]

MOUNTED = "/models/"  # where the container of TensorFlow Serving has the folder of servables


def models_of_folder(folder: str | os.PathLike) -> list[Model]:
    """List the models of a folder: each subfolder that holds a version, with all its versions.

    Raises:
        FileNotFoundError: when there is none.
    """
    folder = pathlib.Path(folder)
    paths = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    found = [Model(path.name, path) for path in paths if any(child.name.isdigit() for child in path.iterdir())]
    if not found:
        raise FileNotFoundError(f"{folder} holds no servable: make some with tfvae export RUN {folder}")
    return found


def read_models_file(path: str | os.PathLike, folder: str | os.PathLike) -> list[Model]:
    """Read models.config, a ModelServerConfig as text.

    Args:
        path: of the file.
        folder: that its paths /models/... stand for.

    Raises:
        ValueError: when the file cannot be read; FileNotFoundError: when it, or a model's folder, is missing.
    """
    from tensorflow_serving.config import model_server_config_pb2

    config = _parse(path, model_server_config_pb2.ModelServerConfig())
    if not config.model_config_list.config:
        raise ValueError(f"{path}: model_config_list has no config")
    found = [_model(entry, pathlib.Path(folder)) for entry in config.model_config_list.config]
    for model in found:
        if not model.base_path.is_dir():
            raise FileNotFoundError(f"{path}: {model.name}: there is no folder {model.base_path}")
    return found


def _model(entry: Any, folder: pathlib.Path) -> Model:
    base: str = entry.base_path
    path = folder / base.removeprefix(MOUNTED) if base.startswith(MOUNTED) else pathlib.Path(base)
    kind = entry.model_version_policy.WhichOneof("policy_choice") or "latest"
    numbers = tuple(entry.model_version_policy.specific.versions) if kind == "specific" else ()
    if kind == "latest":
        numbers = (entry.model_version_policy.latest.num_versions or 1,)
    return Model(entry.name, path, kind, numbers, dict(entry.version_labels))


def read_batching_file(path: str | os.PathLike) -> Batching:
    """Read batching.config, BatchingParameters as text.

    Raises:
        ValueError: when the file cannot be read; FileNotFoundError: when it is missing.
    """
    found = _parse(path, _batching_parameters()())
    given = {field.name: getattr(found, field.name).value for field, _ in found.ListFields() if not field.is_repeated}
    sizes = tuple(found.allowed_batch_sizes)
    batching = Batching(**(given | {"allowed_batch_sizes": sizes}))
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != batching.max_batch_size):
        raise ValueError(
            f"{path}: allowed_batch_sizes must rise, and end with max_batch_size, {batching.max_batch_size}"
        )
    return batching


def _batching_parameters() -> Any:
    """Make the class of TensorFlow Serving's message BatchingParameters, which its published package leaves out."""
    file = descriptor_pb2.FileDescriptorProto(name="tfvae/batching.proto", package="tfvae", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(("max_batch_size", "batch_timeout_micros", "max_enqueued_batches"), start=1):
        message.field.add(name=name, number=number, label=1, type=11, type_name=".google.protobuf.Int64Value")
    message.field.add(name="num_batch_threads", number=4, label=1, type=11, type_name=".google.protobuf.Int64Value")
    message.field.add(name="allowed_batch_sizes", number=6, label=3, type=3)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tfvae.BatchingParameters"))


def _parse(path: str | os.PathLike, message: Any) -> Any:
    try:
        return text_format.Parse(pathlib.Path(path).read_text(), message)
    except text_format.ParseError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
