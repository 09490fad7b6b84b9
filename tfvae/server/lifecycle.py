"""Start the server, run it, and end it: the models, the REST and the gRPC side, and the event loop of both."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

from tfvae.extras import require_extra

with require_extra("serve"):  # the first import of this package: without the extra, one line says how to install it
    import uvicorn

    from tfvae.server import rest, rpc
    from tfvae.server.metrics import Metrics
    from tfvae.server.models import Models, ModelSource
    from tfvae.server.request_limits import RequestLimits
    from tfvae.server.request_queue import Batching

__all__ = ["MAX_BYTES", "MAX_REQUESTS", "serve"]

MAX_REQUESTS = 256  # that run or wait
MAX_BYTES = 2**24  # of a request
SECONDS_TO_DRAIN = 30  # after SIGTERM


def serve(
    models: ModelSource,
    host: str = "127.0.0.1",
    rest_port: int = 8501,
    grpc_port: int = 8500,
    batching: Batching | None = None,
    seconds: float = 1.0,
    max_requests: int = MAX_REQUESTS,
    max_bytes: int = MAX_BYTES,
    report: Callable[[str], object] = print,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then refuse new requests, answer those that run, and return.

    Args:
        models: list of `Model`s, or a function that gives it; the function is called at each look for new versions.
        host: address to listen on; the default is this machine alone.
        rest_port, grpc_port: 0 means any free port.
        batching: how requests are run together; None runs each request alone.
        seconds: between looks for new versions.
        max_requests: that may run or wait at the same time; further requests are refused.
        max_bytes: size of the largest request that is accepted.
        report: function that is called with one line, the addresses, once the server is ready.

    Raises:
        OSError: when a port is taken.
        ValueError: when no version of any model could be loaded.
    """
    served = Models(models, batching, seconds)
    limits = RequestLimits(max_requests, max_bytes)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises SIGTERM again when all requests are answered
    with _listen(host, rest_port) as listener, asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(_serve(served, limits, listener, f"{host}:{grpc_port}", report))


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """Make uvloop's event loop, or asyncio's where there is no uvloop, as on Windows."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(
    served: Models,
    limits: RequestLimits,
    listener: socket.socket,
    grpc_address: str,
    report: Callable[[str], object],
) -> None:
    metrics = Metrics()
    rpcs, grpc_port = rpc.make_server(served, metrics, limits, grpc_address)
    await asyncio.to_thread(served.start)
    versions = [version for name in served.names() for version in served.versions(name)]
    if not any(version.state == "AVAILABLE" for version in versions):
        raise ValueError("no version of any model could be loaded")
    app = rest.make_application(served, metrics, limits)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_TO_DRAIN)
    host, port = listener.getsockname()[:2]
    await rpcs.start()
    addresses = f"http://{host}:{port} (REST, page), {host}:{grpc_port} (gRPC)"
    report(f"serving {', '.join(served.names())}: {addresses}")
    try:
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        await rpcs.stop(SECONDS_TO_DRAIN)
        served.stop()


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """Open a socket that listens, and close it at the end.

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
