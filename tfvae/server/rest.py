"""TensorFlow Serving's REST API, health, metrics, and the page, as an ASGI application."""

import importlib.resources
import json
import logging
import re
from typing import Any, NamedTuple

import anyio.to_thread
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tfvae.server import json_tensors
from tfvae.server.metrics import Metrics
from tfvae.server.models import Models
from tfvae.server.protos import model_status, signature_map
from tfvae.server.request_errors import HTTP_STATUS, RequestError
from tfvae.server.request_limits import RequestLimits, read_body
from tfvae.server.version import Version

__all__ = ["METRICS_PATH", "make_application"]

log = logging.getLogger(__name__)
MODEL = re.compile(r"(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?(?P<what>:\w+|/metadata)?")
METHODS = {None: "GET", "/metadata": "GET", ":predict": "POST", ":classify": "POST", ":regress": "POST"}
LARGE = 2**17  # bytes of a body above which it is parsed in a thread: the event loop would keep others waiting
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data: blob:"
)
AS_SERVING: dict[str, Any] = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
METRICS_PATH = "/monitoring/prometheus/metrics"


def make_application(models: Models, metrics: Metrics, limits: RequestLimits) -> Starlette:
    """Make the ASGI application that answers for these models."""
    endpoints = _Endpoints(models, metrics, limits)
    return Starlette(
        routes=[
            Route("/", endpoints.page),
            Route("/healthz", endpoints.health),
            Route(METRICS_PATH, endpoints.metrics_page),
            Route("/v1/models", endpoints.names),
            Route("/v1/models/{model:path}", endpoints.model, methods=["GET", "POST"]),
        ],
        exception_handlers={HTTPException: _answer_http_error, Exception: _answer_unexpected_error},
    )


class _Target(NamedTuple):
    """What a path below /v1/models/ asks for: a model's version, and what of it (":predict", "/metadata" or None)."""

    name: str
    number: int | None
    label: str | None
    what: str | None

    @property
    def version(self) -> tuple[str, int | None, str | None]:
        return self.name, self.number, self.label


class _Endpoints:
    """One method for each kind of path."""

    def __init__(self, models: Models, metrics: Metrics, limits: RequestLimits):
        self.models, self.metrics, self.limits = models, metrics, limits

    async def model(self, request: Request) -> Response:
        target = _parse_target(request)
        if target is None:
            return _error(400, f"Malformed request: {request.method} {request.url.path}")
        try:
            return Response(await self._answer(target, request), media_type="application/json")
        except RequestError as error:
            return _error(HTTP_STATUS[error.code], error.message)
        except ClientDisconnect:
            return _error(400, "the client went away")

    async def _answer(self, target: _Target, request: Request) -> str | bytes:
        if target.what is None:
            return json_format.MessageToJson(model_status(self.models.versions(*target.version)), **AS_SERVING)
        if target.what == "/metadata":
            return _metadata(self.models.available(*target.version))
        if target.what != ":predict":
            raise RequestError("UNIMPLEMENTED", f"{target.what[1:]} is not served: use predict")
        with self.metrics.measure(target.name, "REST"), self.limits.admit():
            return await self._predict(target, await read_body(request, self.limits.max_bytes))

    async def _predict(self, target: _Target, body: bytes) -> bytes:
        """Give the body of the answer to a predict request."""
        large = len(body) > LARGE
        parse = json_tensors.parse_object
        content = await anyio.to_thread.run_sync(parse, body) if large else parse(body)
        name = content.get("signature_name", "")
        if not isinstance(name, str):
            raise RequestError("INVALID_ARGUMENT", "signature_name must be a string")
        signature = self.models.available(*target.version).signature(name)
        read = json_tensors.read_inputs
        if large:
            inputs, by_row = await anyio.to_thread.run_sync(read, content, signature.specs)
        else:
            inputs, by_row = read(content, signature.specs)
        return json_tensors.write_outputs(await signature.answer(inputs), by_row)

    async def health(self, request: Request) -> Response:
        ready = self.models.ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def metrics_page(self, request: Request) -> Response:
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4")

    async def names(self, request: Request) -> Response:
        return JSONResponse({"models": self.models.names()})

    async def page(self, request: Request) -> Response:
        html = importlib.resources.files("tfvae.server").joinpath("page.html").read_bytes()
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": POLICY})


def _parse_target(request: Request) -> _Target | None:
    """Give what a request asks for; None where its path or method is not one of the API."""
    match = MODEL.fullmatch(request.path_params["model"])
    if not match or METHODS.get(match["what"]) != request.method:
        return None
    return _Target(match["name"], int(match["number"]) if match["number"] else None, match["label"], match["what"])


def _metadata(version: Version) -> str:
    """Give a version's signatures as JSON, as TensorFlow Serving writes them."""
    signatures = json_format.MessageToDict(signature_map(version), **AS_SERVING)
    spec = {"name": version.model, "signature_name": "", "version": str(version.number)}
    return json.dumps({"model_spec": spec, "metadata": {"signature_def": signatures}}, indent=1)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # the handler is registered for this class
    return _error(error.status_code, error.detail)


def _answer_unexpected_error(request: Request, error: Exception) -> Response:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _error(500, f"an error of the server's, {type(error).__name__}: it has written down more")
