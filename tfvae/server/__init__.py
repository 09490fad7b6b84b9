"""Serve SavedModels over TensorFlow Serving's REST and gRPC APIs, on machines that do not have its binary.

The server needs TensorFlow. It needs neither Keras nor the code that made the models.
"""

from tfvae.server.lifecycle import serve
from tfvae.server.models import Model
from tfvae.server.request_queue import Batching

__all__ = ["Batching", "Model", "serve"]
