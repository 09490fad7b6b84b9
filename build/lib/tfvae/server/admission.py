"""How many requests may run or wait at a time, over REST and gRPC together."""

import contextlib
import threading

from tfvae.server.errors import Refused

__all__ = ["Admission"]


class Admission:
    """Lets so many in; the others are refused at once, which costs nothing, rather than kept waiting without end."""

    def __init__(self, most):
        self.most = most
        self._free = threading.Semaphore(most)

    @contextlib.contextmanager
    def entered(self):
        """Within, a request counts.

        Raises:
            Refused: when there are too many.
        """
        if not self._free.acquire(blocking=False):
            raise Refused("RESOURCE_EXHAUSTED", f"{self.most} requests are running or waiting: try again later")
        try:
            yield
        finally:
            self._free.release()
