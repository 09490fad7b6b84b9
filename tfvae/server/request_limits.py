"""Limits of requests: how many run or wait at the same time, how large a request is, how long it takes to arrive."""

import contextlib
import threading
from collections.abc import Iterator

import anyio
from starlette.requests import Request

from tfvae.server.request_errors import RequestError

__all__ = ["RequestLimits", "read_body"]

SECONDS_TO_SEND = 30  # that a client has to send a request's body


class RequestLimits:
    """The limits of a server, for REST and gRPC together.

    Args:
        max_requests: that may run or wait at the same time. Further requests are refused at once, which costs nothing;
            they do not wait without end.
        max_bytes: size of a request's body.
    """

    def __init__(self, max_requests: int, max_bytes: int):
        self.max_requests, self.max_bytes = max_requests, max_bytes
        self._free = threading.Semaphore(max_requests)

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Count a request while the block runs.

        Raises:
            RequestError: when there are too many requests.
        """
        if not self._free.acquire(blocking=False):
            message = f"{self.max_requests} requests are running or waiting: try again later"
            raise RequestError("RESOURCE_EXHAUSTED", message)
        try:
            yield
        finally:
            self._free.release()


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the body of an HTTP request.

    Raises:
        RequestError: when the body is too large, or does not arrive in time.
    """
    too_large = RequestError("TOO_LARGE", f"the request is larger than {max_bytes:,} bytes")
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        with anyio.fail_after(SECONDS_TO_SEND):
            async for part in request.stream():
                body += part
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        message = f"the request did not come within {SECONDS_TO_SEND} seconds"
        raise RequestError("DEADLINE_EXCEEDED", message) from None
    return bytes(body)
