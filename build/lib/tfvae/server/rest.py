"""TensorFlow Serving's REST API, health, metrics, and the page, as an ASGI application."""

import importlib.resources
import json
import logging
import re

import anyio
import anyio.to_thread
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tfvae.server import json_tensors
from tfvae.server.errors import HTTP_STATUS, Refused
from tfvae.server.protos import model_status, signature_map

__all__ = ["application"]

log = logging.getLogger(__name__)
MODEL = re.compile(r"(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?(?P<what>:\w+|/metadata)?")
LARGE = 2**17  # bytes of a request, above which it is not read in the event loop, which others wait for
SECONDS_TO_SEND = 30  # that a client has for a request's body
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data: blob:"
)
AS_SERVING = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
METRICS_PATH = "/monitoring/prometheus/metrics"


def application(models, metrics, admission, most_bytes):
    """The application.

    Args:
        models: `models.Models`.
        metrics: `metrics.Metrics`.
        admission: `admission.Admission`.
        most_bytes: of a request's body.
    """

    async def model(request):
        match = MODEL.fullmatch(request.path_params["model"])
        what = match and match["what"]
        verbs = {None: "GET", "/metadata": "GET", ":predict": "POST", ":classify": "POST", ":regress": "POST"}
        if not match or what not in verbs or request.method != verbs[what]:
            return _error(400, f"Malformed request: {request.method} {request.url.path}")
        which = (match["name"], int(match["number"]) if match["number"] else None, match["label"])
        try:
            if what is None:
                return Response(_status(models.versions(*which)), media_type="application/json")
            if what == "/metadata":
                return Response(_metadata(models.available(*which)), media_type="application/json")
            if what != ":predict":
                raise Refused("UNIMPLEMENTED", f"{what[1:]} is not served: use predict")
            with metrics.measured(which[0], "REST"), admission.entered():
                body = await _body(request, most_bytes)
                return Response(await _predict(models, which, body), media_type="application/json")
        except Refused as refused:
            return _error(HTTP_STATUS[refused.code], refused.message)
        except ClientDisconnect:
            return _error(400, "the client went away")

    async def health(request):
        ready = models.ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def exposition(request):
        return Response(metrics.written(), media_type="text/plain; version=0.0.4")

    async def names(request):
        return JSONResponse({"models": models.names()})

    async def page(request):
        html = importlib.resources.files("tfvae.server").joinpath("page.html").read_bytes()
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": POLICY})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/healthz", health),
            Route(METRICS_PATH, exposition),
            Route("/v1/models", names),
            Route("/v1/models/{model:path}", model, methods=["GET", "POST"]),
        ],
        exception_handlers={
            HTTPException: lambda request, error: _error(error.status_code, error.detail),
            Exception: _unexpected,
        },
    )


def _error(status, message):
    return JSONResponse({"error": message}, status_code=status)


def _unexpected(request, error):
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _error(500, f"an error of the server's, {type(error).__name__}: it has written down more")


async def _body(request, most_bytes):
    """A request's body.

    Raises:
        Refused: when it is too large, or does not come.
    """
    too_large = Refused("TOO_LARGE", f"the request is larger than {most_bytes:,} bytes")
    if int(request.headers.get("content-length") or 0) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        with anyio.fail_after(SECONDS_TO_SEND):
            async for part in request.stream():
                body += part
                if len(body) > most_bytes:
                    raise too_large
    except TimeoutError:
        raise Refused("DEADLINE_EXCEEDED", f"the request did not come within {SECONDS_TO_SEND} seconds") from None
    return bytes(body)


async def _predict(models, which, body):
    """A request's body -> the response's."""
    large = len(body) > LARGE
    body = await anyio.to_thread.run_sync(json_tensors.parsed, body) if large else json_tensors.parsed(body)
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise Refused("INVALID_ARGUMENT", "signature_name must be a string")
    signature = models.available(*which).signature(name)
    if large:
        inputs, by_row = await anyio.to_thread.run_sync(json_tensors.read, body, signature.specs)
    else:
        inputs, by_row = json_tensors.read(body, signature.specs)
    return json_tensors.written(await signature.answer(inputs), by_row)


def _status(versions):
    """The states of versions, as GetModelStatusResponse."""
    return json_format.MessageToJson(model_status(versions), **AS_SERVING)


def _metadata(version):
    """A version's signatures, as TensorFlow Serving writes them."""
    signatures = json_format.MessageToDict(signature_map(version), **AS_SERVING)
    spec = {"name": version.model, "signature_name": "", "version": str(version.number)}
    return json.dumps({"model_spec": spec, "metadata": {"signature_def": signatures}}, indent=1)
