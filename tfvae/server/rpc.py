"""TensorFlow Serving's gRPC API: Predict, GetModelMetadata, GetModelStatus, and gRPC's health service."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfvae.server import protos
from tfvae.server.metrics import Metrics
from tfvae.server.models import Models
from tfvae.server.request_errors import RequestError
from tfvae.server.request_limits import RequestLimits

__all__ = ["make_server"]

OTHER_CALLS = 8  # at the same time beyond `max_requests`: they ask for states and metadata


def make_server(models: Models, metrics: Metrics, limits: RequestLimits, address: str) -> tuple[Any, int]:
    """Make a `grpc.aio.Server` in the running event loop, not started; give it and the port that it listens on.

    Args:
        models, metrics, limits: as for `rest.make_application`.
        address: "host:port"; port 0 is any that is free.

    Raises:
        OSError: when the port is taken.
    """
    server = aio.server(
        maximum_concurrent_rpcs=limits.max_requests + OTHER_CALLS,
        options=[
            ("grpc.max_receive_message_length", limits.max_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else two servers would share a port, and nobody would be told
        ],
    )
    predictions = _Predictions(models, metrics, limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(predictions, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_States(models), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)  # SERVING from the start
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"cannot listen on {address}: the port is taken, or the host is not this machine's")
    return server, port


@contextlib.asynccontextmanager
async def _end_with_code(context: Any) -> AsyncIterator[None]:
    """End the call with the code of a `RequestError` that the block raises."""
    try:
        yield
    except RequestError as error:
        await context.abort(getattr(grpc.StatusCode, error.code), error.message)


def _wanted_version(spec: Any) -> tuple[str, int | None, str | None]:
    """Give name, version number and label of a ModelSpec; None for what is not set."""
    number = spec.version.value if spec.HasField("version") else None
    return spec.name, number, spec.version_label or None


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Models, metrics: Metrics, limits: RequestLimits):
        self.models, self.metrics, self.limits = models, metrics, limits

    async def Predict(self, request: Any, context: Any) -> Any:
        async with _end_with_code(context):
            return await self._predict(request)

    async def _predict(self, request: Any) -> Any:
        spec = request.model_spec
        with self.metrics.measure(spec.name, "GRPC"), self.limits.admit():
            version = self.models.available(*_wanted_version(spec))
            signature = version.signature(spec.signature_name)
            inputs = {
                name: protos.read_tensor(name, proto, self.limits.max_bytes) for name, proto in request.inputs.items()
            }
            outputs = await signature.answer(inputs)
            unknown = sorted(set(request.output_filter) - set(outputs))
            if unknown:
                raise RequestError("INVALID_ARGUMENT", f"output_filter: there is no output {', '.join(unknown)}")
            response = predict_pb2.PredictResponse()
            response.model_spec.name, response.model_spec.version.value = version.model, version.number
            response.model_spec.signature_name = signature.name
            for name, value in outputs.items():
                if not request.output_filter or name in request.output_filter:
                    protos.write_tensor(value, response.outputs[name])
            return response

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:
        async with _end_with_code(context):
            version = self.models.available(*_wanted_version(request.model_spec))
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name, response.model_spec.version.value = version.model, version.number
            for field in request.metadata_field:
                if field != "signature_def":
                    message = f"metadata field {field} is not supported: ask for signature_def"
                    raise RequestError("INVALID_ARGUMENT", message)
                response.metadata[field].Pack(protos.signature_map(version))
            return response


class _States(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models):
        self.models = models

    async def GetModelStatus(self, request: Any, context: Any) -> Any:
        async with _end_with_code(context):
            return protos.model_status(self.models.versions(*_wanted_version(request.model_spec)))
