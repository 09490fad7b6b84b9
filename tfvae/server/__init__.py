"""Serves SavedModels over TensorFlow Serving's REST and gRPC APIs, where its binary is not to be had.

It needs TensorFlow, and neither Keras nor the code that made the models.
"""

import asyncio
import contextlib
import signal
import socket
import sys

import uvicorn

from tfvae.server import rest, rpc
from tfvae.server.admission import Admission
from tfvae.server.metrics import Metrics
from tfvae.server.models import Model, Models
from tfvae.server.signature import Batching

__all__ = ["Batching", "Model", "serve"]

MOST_REQUESTS = 256  # that run or wait
MOST_BYTES = 2**24  # of a request
SECONDS_TO_DRAIN = 30  # after SIGTERM


def serve(
    models,
    host="127.0.0.1",
    rest_port=8501,
    grpc_port=8500,
    batching=None,
    seconds=1.0,
    most_requests=MOST_REQUESTS,
    most_bytes=MOST_BYTES,
):
    """Serves until SIGTERM or Ctrl-C; then no more is taken in, and what runs is answered.

    Args:
        models: `Model`s, or a function that gives them, asked at each look.
        host: address to listen on; the default is this machine alone.
        rest_port, grpc_port: 0 is any that is free.
        batching: `Batching`, or None: each request runs alone.
        seconds: between looks for new versions.
        most_requests: that may run or wait at a time; further ones are refused.
        most_bytes: of a request.

    Raises:
        OSError: when a port is taken.
        ValueError: when no version of any model could be loaded.
    """
    served, metrics, admission = Models(models, batching, seconds), Metrics(), Admission(most_requests)
    with _listening(host, rest_port) as listener:
        rpcs, grpc_port = rpc.server(served, metrics, admission, most_bytes, f"{host}:{grpc_port}")
        served.start()
        failed = [v for name in served.names() for v in served.versions(name) if v.error]
        for version in failed:
            print(f"not served: {version.model} version {version.number}: {version.error}", file=sys.stderr)
        if not any(v.state == "AVAILABLE" for name in served.names() for v in served.versions(name)):
            raise ValueError("no version of any model could be loaded")

        @contextlib.asynccontextmanager
        async def lifespan(app):
            rpcs.start()
            rest_port = listener.getsockname()[1]
            where = f"http://{host}:{rest_port} (REST, page), {host}:{grpc_port} (gRPC)"
            print(f"serving {', '.join(served.names())}: {where}", flush=True)
            yield
            await asyncio.to_thread(rpcs.stop(SECONDS_TO_DRAIN).wait)
            served.stop()

        app = rest.application(served, metrics, admission, most_bytes, lifespan)
        settings = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_DRAIN, access_log=False
        )
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again, when all is done
        uvicorn.Server(settings).run(sockets=[listener])


@contextlib.contextmanager
def _listening(host, port):
    """A socket that listens.

    Raises:
        OSError: when the port is taken.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        listener.listen(1024)
        yield listener
