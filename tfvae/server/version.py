"""One version of a served model: its folder is loaded, warmed up, and gives its signatures."""

import logging
import pathlib
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfvae.server.request_errors import RequestError
from tfvae.server.request_queue import Batching
from tfvae.server.signature import Signature

__all__ = ["Version"]

log = logging.getLogger(__name__)


class Version:
    """A numbered folder of a model.

    Attributes:
        state: "LOADING", "AVAILABLE" or "END".
        error: why the folder could not be loaded; "" where it was.
        signatures: name -> `Signature`.
        definitions: name -> SignatureDef, for metadata.
    """

    def __init__(self, model: str, path: pathlib.Path):
        self.model, self.number, self.path = model, int(path.name), path
        self.state, self.error = "LOADING", ""
        self.signatures: dict[str, Signature] = {}
        self.definitions: dict[str, Any] = {}
        self._loaded: Any = None
        self._files = _list_files(path)

    def load(self, batching: Batching | None) -> None:
        """Load the folder and run its warm-up requests; where that fails `error` says why."""
        try:
            proto = saved_model_pb2.SavedModel.FromString((self.path / "saved_model.pb").read_bytes())
            definitions = proto.meta_graphs[0].signature_def
            self.definitions = {key: value for key, value in definitions.items() if not key.startswith("__")}
            loaded = self._loaded = tf.saved_model.load(str(self.path))  # its variables live as long as it does
            self.signatures = {name: Signature(name, loaded.signatures[name], batching) for name in self.definitions}
            self._warm_up()
            self.state = "AVAILABLE"
        except Exception as error:  # whatever lies in the folder: the other models are served all the same
            self.state, self.error = "END", " ".join(str(error).split())[:500]
            self.signatures, self._loaded = {}, None
            log.error("%s version %s could not be loaded: %s", self.model, self.number, self.error)

    def _warm_up(self) -> None:
        """Run the requests in `assets.extra/tf_serving_warmup_requests`."""
        from tensorflow_serving.apis import prediction_log_pb2

        path = self.path / "assets.extra" / "tf_serving_warmup_requests"
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name = request.model_spec.signature_name or "serving_default"
            self.signatures[name]({key: tf.make_ndarray(value) for key, value in request.inputs.items()})

    def should_load_again(self) -> bool:
        """Tell whether loading failed and the files have changed since, as while the folder is being copied."""
        return bool(self.error) and self._files != _list_files(self.path)

    def signature(self, name: str) -> Signature:
        """Give the signature of this name, `serving_default` where it is empty.

        Raises:
            RequestError: when there is none.
        """
        name = name or "serving_default"
        if name not in self.signatures:
            names = ", ".join(sorted(self.signatures))
            raise RequestError("INVALID_ARGUMENT", f"{self.model} has no signature {name}; there are {names}")
        return self.signatures[name]


def _list_files(path: pathlib.Path) -> set[tuple[pathlib.Path, int, int]]:
    """List what lies in a version's folder: path, size and time of each file."""
    found = [(file, file.stat()) for file in path.rglob("*")]
    return {(file, state.st_size, state.st_mtime_ns) for file, state in found}
