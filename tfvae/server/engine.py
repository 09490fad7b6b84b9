"""TensorFlow Serving's own binary in place of this package's server, with the same options."""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence

from tensorflow_serving.config import model_server_config_pb2

from tfvae.server.models import Model

__all__ = ["NAME", "command", "run"]

NAME = "tensorflow_model_server"
EVERYWHERE = ("0.0.0.0", "::")


def run(
    models: Sequence[Model], host: str, rest_port: int, grpc_port: int, batching_file: str | None, seconds: float
) -> None:
    """Replace this process by `tensorflow_model_server`; do not return.

    Raises:
        FileNotFoundError: when the binary is not on the path.
        ValueError: when it is to listen on one address; it listens on all.
    """
    binary = shutil.which(NAME)
    if binary is None:
        raise FileNotFoundError(f"{NAME} is not on the path: leave out --engine, and tfvae serves by itself")
    if host not in EVERYWHERE:
        raise ValueError(f"{NAME} listens on all addresses, not on {host} alone: say so with --host 0.0.0.0")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tfvae-serve-"))
    arguments = command(models, rest_port, grpc_port, batching_file, seconds, folder)
    os.execv(binary, [binary, *arguments])


def command(
    models: Sequence[Model],
    rest_port: int,
    grpc_port: int,
    batching_file: str | None,
    seconds: float,
    folder: pathlib.Path,
) -> list[str]:
    """Give the binary's arguments, and write the configuration that they name into `folder`."""
    (folder / "models.config").write_text(_models_config(models))
    (folder / "monitoring.config").write_text(
        'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
    )
    arguments = [
        f"--port={grpc_port}",
        f"--rest_api_port={rest_port}",
        f"--model_config_file={folder / 'models.config'}",
        f"--monitoring_config_file={folder / 'monitoring.config'}",
        f"--file_system_poll_wait_seconds={max(1, round(seconds))}",
        "--allow_version_labels_for_unavailable_models=true",
    ]
    if _any_needs_xla(models):
        arguments.append("--xla_cpu_compilation_enabled=true")  # else a signature that XLA compiles fails on a CPU
    if batching_file:
        arguments += ["--enable_batching=true", f"--batching_parameters_file={pathlib.Path(batching_file).resolve()}"]
    return arguments


def _any_needs_xla(models: Sequence[Model]) -> bool:
    """Tell whether a version of a model was exported for XLA, as its `model.json` says."""
    records = [path for model in models for path in model.base_path.glob("*/model.json")]
    return any(json.loads(path.read_text()).get("jit_compile") for path in records)


def _models_config(models: Sequence[Model]) -> str:
    """Write models as a ModelServerConfig."""
    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        entry = config.model_config_list.config.add(
            name=model.name, base_path=str(model.base_path.resolve()), model_platform="tensorflow"
        )
        if model.policy == "all":
            entry.model_version_policy.all.SetInParent()
        elif model.policy == "latest":
            entry.model_version_policy.latest.num_versions = model.numbers[0]
        else:
            entry.model_version_policy.specific.versions.extend(model.numbers)
        for label, number in model.labels.items():
            entry.version_labels[label] = number
    return str(config)
