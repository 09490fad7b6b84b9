"""TensorFlow Serving's gRPC API: Predict, GetModelMetadata, GetModelStatus, and gRPC's health service."""

import contextlib
import logging

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfvae.server import protos
from tfvae.server.errors import Refused

__all__ = ["server"]

log = logging.getLogger(__name__)


def server(models, metrics, admission, most_bytes, address):
    """A `grpc.aio.Server` of the running event loop, not started, and the port that it has.

    Args:
        models, metrics, admission, most_bytes: as for `rest.application`.
        address: "host:port"; port 0 is any that is free.

    Raises:
        OSError: when the port is taken.
    """
    made = grpc.aio.server(
        maximum_concurrent_rpcs=admission.most + 8,  # of which some ask for states
        options=[
            ("grpc.max_receive_message_length", most_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else two servers would share a port in silence
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Predictions(models, metrics, admission, most_bytes), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_States(models), made)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), made)  # SERVING from the start
    try:
        port = made.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"cannot listen on {address}: the port is taken, or the host is not this machine's")
    return made, port


@contextlib.asynccontextmanager
async def _answering(context):
    """What is refused within ends the call with its code."""
    try:
        yield
    except Refused as refused:
        await context.abort(getattr(grpc.StatusCode, refused.code), refused.message)


def _which(spec):
    """A ModelSpec -> (name, version or None, label or None)."""
    number = spec.version.value if spec.HasField("version") else None
    return spec.name, number, spec.version_label or None


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models, metrics, admission, most_bytes):
        self.models, self.metrics, self.admission, self.most_bytes = models, metrics, admission, most_bytes

    async def Predict(self, request, context):
        async with _answering(context):
            return await self._predicted(request)

    async def _predicted(self, request):
        spec = request.model_spec
        with self.metrics.measured(spec.name, "GRPC"), self.admission.entered():
            version = self.models.available(*_which(spec))
            signature = version.signature(spec.signature_name)
            inputs = {name: protos.array(name, proto, self.most_bytes) for name, proto in request.inputs.items()}
            outputs = await signature.answer(inputs)
            unknown = sorted(set(request.output_filter) - set(outputs))
            if unknown:
                raise Refused("INVALID_ARGUMENT", f"output_filter: there is no output {', '.join(unknown)}")
            response = predict_pb2.PredictResponse()
            response.model_spec.name, response.model_spec.version.value = version.model, version.number
            response.model_spec.signature_name = signature.name
            for name, value in outputs.items():
                if not request.output_filter or name in request.output_filter:
                    protos.tensor(value, response.outputs[name])
            return response

    async def GetModelMetadata(self, request, context):
        async with _answering(context):
            version = self.models.available(*_which(request.model_spec))
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name, response.model_spec.version.value = version.model, version.number
            for field in request.metadata_field:
                if field != "signature_def":
                    raise Refused("INVALID_ARGUMENT", f"metadata field {field} is not supported: ask for signature_def")
                response.metadata[field].Pack(protos.signature_map(version))
            return response


class _States(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    async def GetModelStatus(self, request, context):
        async with _answering(context):
            return protos.model_status(self.models.versions(*_which(request.model_spec)))
