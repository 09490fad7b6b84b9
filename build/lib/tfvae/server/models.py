"""The models that are served: folders of versions, loaded when they appear, and let go of when they vanish."""

import gc
import logging
import pathlib
import threading
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfvae.server.errors import Refused
from tfvae.server.signature import Signature

__all__ = ["Model", "Models", "Version"]

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """What is served under a name: a folder of versions, which of them (see `wanted`), and labels, name -> number."""

    name: str
    base_path: pathlib.Path
    policy: str = "all"
    numbers: tuple = ()  # of the policy specific; of latest, how many
    labels: dict = {}

    def wanted(self):
        """The numbers of the versions that are to be served, of those that are there."""
        try:
            found = sorted(int(path.name) for path in self.base_path.iterdir() if path.name.isdigit() and path.is_dir())
        except FileNotFoundError:
            found = []
        if self.policy == "latest":
            return found[-self.numbers[0] :]
        return [number for number in found if number in self.numbers] if self.policy == "specific" else found


class Version:
    """One version of a model. Its state is LOADING, AVAILABLE, or END; one that could not be loaded has an error."""

    def __init__(self, model, number):
        self.model, self.number, self.path = model.name, number, model.base_path / str(number)
        self.state, self.error = "LOADING", ""
        self.files = _files(self.path)
        self.signatures, self.definitions = {}, {}

    def load(self, batching):
        """Loads and warms up; what fails is kept in `error`."""
        try:
            proto = saved_model_pb2.SavedModel.FromString((self.path / "saved_model.pb").read_bytes())
            definitions = proto.meta_graphs[0].signature_def
            self.definitions = {key: value for key, value in definitions.items() if not key.startswith("__")}
            loaded = tf.saved_model.load(str(self.path))
            self.loaded = loaded  # its variables live as long as it does
            self.signatures = {name: Signature(name, loaded.signatures[name], batching) for name in self.definitions}
            self._warm_up()
            self.state = "AVAILABLE"
        except Exception as error:  # of whatever lies in the folder: the others are served all the same
            self.state, self.error = "END", " ".join(str(error).split())[:500]
            self.signatures, self.loaded = {}, None
            log.error("%s version %s could not be loaded: %s", self.model, self.number, self.error)

    def _warm_up(self):
        """Runs what lies in `assets.extra/tf_serving_warmup_requests`."""
        from tensorflow_serving.apis import prediction_log_pb2

        path = self.path / "assets.extra" / "tf_serving_warmup_requests"
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name = request.model_spec.signature_name or "serving_default"
            self.signatures[name]({key: tf.make_ndarray(value) for key, value in request.inputs.items()})

    def signature(self, name):
        """The signature of this name, `serving_default` where it is empty.

        Raises:
            Refused: when there is none.
        """
        name = name or "serving_default"
        if name not in self.signatures:
            there = ", ".join(sorted(self.signatures))
            raise Refused("INVALID_ARGUMENT", f"{self.model} has no signature {name}; there are {there}")
        return self.signatures[name]


class Models:
    """Looks after models: a thread looks for new versions each few seconds, and loads them beside those that are there.

    Args:
        models: `Model`s, or a function that gives them, asked each time.
        batching: `signature.Batching`, or None.
        seconds: between looks.
    """

    def __init__(self, models, batching=None, seconds=1.0):
        self._models = models if callable(models) else lambda: models
        self._batching, self._seconds = batching, seconds
        self._known = {}  # name -> Model
        self._versions = {}  # (name, number) -> Version
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)

    def start(self):
        """Loads what is there, and goes on looking."""
        self.look()
        self._thread.start()

    def stop(self):
        """Stops looking."""
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(self._seconds):
            try:
                self.look()
            except Exception:
                log.exception("looking for versions failed; it is tried again")

    def look(self):
        """Loads versions that are new or whose files have changed, then lets go of those that are no longer wanted.

        The last that is loaded stays until another is, however little is left of its folder.
        """
        self._known = {model.name: model for model in self._models()}
        wanted = {(model.name, number): model for model in self._known.values() for number in model.wanted()}
        for key, model in wanted.items():
            have = self._versions.get(key)
            if have is None or (have.error and have.files != _files(have.path)):
                version = Version(model, key[1])
                if have is None:
                    self._versions = self._versions | {key: version}  # anew: others are reading
                version.load(self._batching)
                self._versions = self._versions | {key: version}
                gc.collect()
                gc.freeze()  # a million objects of graphs, through which a collection takes a fifth of a second
        kept = {}
        for key, version in self._versions.items():
            if key in wanted or (key[0] in self._known and not any(name == key[0] for name, _ in wanted)):
                kept[key] = version
            else:
                log.warning("%s version %s is no longer served", *key)
        self._versions = kept

    def versions(self, name, number=None, label=None):
        """The versions of a model, newest first; of a number or label, that one.

        Raises:
            Refused: when there is none.
        """
        if number is not None and label is not None:
            raise Refused("INVALID_ARGUMENT", "a version and a label were given: give one of them")
        if label is not None:
            labels = self._known[name].labels if name in self._known else {}
            if label not in labels:
                raise Refused("INVALID_ARGUMENT", f"{name} has no version with the label {label}")
            number = labels[label]
        found = [v for (its, _), v in self._versions.items() if its == name and number in (None, v.number)]
        if not found:
            which = f"{name}, version {number}" if number is not None else name
            raise Refused("NOT_FOUND", f"Servable not found for request: {which}")
        return sorted(found, key=lambda version: -version.number)

    def available(self, name, number=None, label=None):
        """The newest version of a model that is ready; of a number or label, that one.

        Raises:
            Refused: when there is none.
        """
        versions = self.versions(name, number, label)
        ready = [version for version in versions if version.state == "AVAILABLE"]
        if not ready:
            raise Refused("UNAVAILABLE", f"{name}: no version is ready: {versions[0].error or 'it is being loaded'}")
        return ready[0]

    def names(self):
        return list(self._known)

    def ready(self):
        """Whether each model has a version that is ready."""
        ready = {version.model for version in self._versions.values() if version.state == "AVAILABLE"}
        return bool(self._known) and ready >= set(self._known)


def _files(path):
    """What lies in a version's folder: what failed to load is tried again when that has changed, as by a copy."""
    found = [(file, file.stat()) for file in path.rglob("*")]
    return {(file, state.st_size, state.st_mtime_ns) for file, state in found}
