"""Serves SavedModels over TensorFlow Serving's REST and gRPC APIs, where its binary is not to be had.

It needs TensorFlow, and neither Keras nor the code that made the models.
"""

import asyncio
import contextlib
import signal
import socket

import uvicorn
import uvloop

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
    report=print,
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
        report: function, which is given a line that says where, once it serves.

    Raises:
        OSError: when a port is taken.
        ValueError: when no version of any model could be loaded.
    """
    served = Models(models, batching, seconds)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again, when all is done
    with _listening(host, rest_port) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(served, listener, f"{host}:{grpc_port}", most_requests, most_bytes, report))


async def _serve(served, listener, grpc_address, most_requests, most_bytes, report):
    metrics, admission = Metrics(), Admission(most_requests)
    rpcs, grpc_port = rpc.server(served, metrics, admission, most_bytes, grpc_address)
    await asyncio.to_thread(served.start)
    versions = [version for name in served.names() for version in served.versions(name)]
    if not any(version.state == "AVAILABLE" for version in versions):
        raise ValueError("no version of any model could be loaded")
    app = rest.application(served, metrics, admission, most_bytes)
    settings = {"log_level": "warning", "access_log": False, "timeout_graceful_shutdown": SECONDS_TO_DRAIN}
    host, port = listener.getsockname()[:2]
    await rpcs.start()
    where = f"http://{host}:{port} (REST, page), {host}:{grpc_port} (gRPC)"
    report(f"serving {', '.join(served.names())}: {where}")
    try:
        await uvicorn.Server(uvicorn.Config(app, **settings)).serve(sockets=[listener])
    finally:
        await rpcs.stop(SECONDS_TO_DRAIN)
        served.stop()


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
