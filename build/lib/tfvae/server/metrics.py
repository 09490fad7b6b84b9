"""Counts and latencies of requests, in Prometheus' format, under TensorFlow Serving's names."""

import contextlib
import time

import prometheus_client

from tfvae.server.errors import Refused

__all__ = ["Metrics"]

BUCKETS = [10 * 1.8**k for k in range(33)]  # microseconds


class Metrics:
    """What is counted; an object each server, so that two in one process do not meet."""

    def __init__(self):
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
        self._waiting = prometheus_client.Gauge(
            ":tfvae:requests_in_progress", "Requests that run or wait.", registry=self.registry
        )

    @contextlib.contextmanager
    def measured(self, model, entrypoint):
        """Counts what happens within as a request of a model, by "REST" or "GRPC"."""
        start, status = time.perf_counter(), "OK"
        self._waiting.inc()
        try:
            yield
        except Refused as refused:
            status = refused.code
            if status == "NOT_FOUND":
                model = ""  # else names that are made up would fill the memory
            raise
        except BaseException:
            status = "INTERNAL"
            raise
        finally:
            self._waiting.dec()
            self._count.labels(model, status).inc()
            self._latency.labels(model, "Predict", entrypoint).observe((time.perf_counter() - start) * 1e6)

    def written(self):
        """The page, bytes."""
        return prometheus_client.generate_latest(self.registry)
