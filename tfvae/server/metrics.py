"""Counts and latencies of requests, in Prometheus' format, under TensorFlow Serving's names."""

import contextlib
import time
from collections.abc import Iterator
from typing import Literal

import prometheus_client

from tfvae.server.request_errors import RequestError

__all__ = ["Metrics"]

BUCKETS = [10 * 1.8**k for k in range(33)]  # microseconds


class Metrics:
    """The counts of one server; two servers in one process have separate counts."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        # a Gauge, though it only rises: a Counter would add _total to TensorFlow Serving's name
        self._count = prometheus_client.Gauge(
            ":tensorflow:serving:request_count", "Requests.", ["model_name", "status"], registry=self.registry
        )
        self._latency = prometheus_client.Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds of a request, answered or refused.",
            ["model_name", "API", "entrypoint"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._in_progress = prometheus_client.Gauge(
            ":tfvae:requests_in_progress", "Requests that run or wait.", registry=self.registry
        )

    @contextlib.contextmanager
    def measure(self, model: str, entrypoint: Literal["REST", "GRPC"]) -> Iterator[None]:
        """Count the block as one request to a model, and measure how long it takes."""
        start, status = time.perf_counter(), "OK"
        self._in_progress.inc()
        try:
            yield
        except RequestError as error:
            status = error.code
            if status == "NOT_FOUND":
                model = ""  # else made-up names would fill the memory
            raise
        except BaseException:
            status = "INTERNAL"
            raise
        finally:
            self._in_progress.dec()
            self._count.labels(model, status).inc()
            self._latency.labels(model, "Predict", entrypoint).observe((time.perf_counter() - start) * 1e6)

    def page(self) -> bytes:
        """Give the page that Prometheus reads."""
        return prometheus_client.generate_latest(self.registry)
