"""The models that are served: folders of versions. New versions are loaded, those whose folder is gone are dropped."""

import gc
import logging
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tfvae.server.request_errors import RequestError
from tfvae.server.request_queue import Batching
from tfvae.server.version import Version

__all__ = ["Model", "ModelSource", "Models"]

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """What is served under a name: a folder of versions, and which of them.

    Attributes:
        name: under which clients ask for the model.
        base_path: folder whose subfolders 1, 2, ... are the versions.
        policy: "all" versions, the "latest", or "specific" ones.
        numbers: of policy "specific" the versions; of "latest" how many.
        labels: label -> number of a version.
    """

    name: str
    base_path: pathlib.Path
    policy: str = "all"
    numbers: tuple[int, ...] = ()
    labels: dict[str, int] = {}

    def wanted_versions(self) -> list[int]:
        """List the versions to serve, of those that are in the folder."""
        try:
            found = sorted(int(path.name) for path in self.base_path.iterdir() if path.name.isdigit() and path.is_dir())
        except FileNotFoundError:
            found = []
        if self.policy == "latest":
            return found[-self.numbers[0] :]
        return [number for number in found if number in self.numbers] if self.policy == "specific" else found


ModelSource = Sequence[Model] | Callable[[], Sequence[Model]]  # models, or a function that gives them


class Models:
    """Keep models loaded: a thread looks for new versions every few seconds, and loads them beside the others.

    Args:
        models: list of `Model`s, or a function that gives it, called at each look.
        batching: how requests are run together; None runs each alone.
        seconds: between looks.
    """

    def __init__(self, models: ModelSource, batching: Batching | None = None, seconds: float = 1.0):
        self._models = models
        self._batching, self._seconds = batching, seconds
        self._known: dict[str, Model] = {}
        self._versions: dict[tuple[str, int], Version] = {}  # replaced and never changed: requests read it meanwhile
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._refresh_until_end, name="versions", daemon=True)

    def start(self) -> None:
        """Load the versions that there are, and start the thread that looks for more."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _refresh_until_end(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.refresh()
            except Exception:
                log.exception("looking for versions failed; it is tried again")

    def refresh(self) -> None:
        """Load versions that are new or whose files have changed, then drop those that are no longer wanted.

        A model's last version stays until another is loaded, even when its folder is gone.
        """
        models = self._models() if callable(self._models) else self._models
        self._known = {model.name: model for model in models}
        wanted = {
            (model.name, number): model.base_path / str(number)
            for model in self._known.values()
            for number in model.wanted_versions()
        }
        for key, path in wanted.items():
            present = self._versions.get(key)
            if present is None or present.should_load_again():
                self._load(key, Version(key[0], path))
        self._drop_all_but(set(wanted))

    def _load(self, key: tuple[str, int], version: Version) -> None:
        if key not in self._versions:
            self._versions = self._versions | {key: version}  # shown as LOADING meanwhile
        version.load(self._batching)
        self._versions = self._versions | {key: version}
        gc.collect()
        gc.freeze()  # a graph is a million objects: each collection would take a fifth of a second to go through them

    def _drop_all_but(self, wanted: set[tuple[str, int]]) -> None:
        kept = {}
        for key, version in self._versions.items():
            last_of_its_model = key[0] in self._known and not any(name == key[0] for name, _ in wanted)
            if key in wanted or last_of_its_model:
                kept[key] = version
            else:
                log.warning("%s version %s is no longer served", *key)
        self._versions = kept

    def versions(self, name: str, number: int | None = None, label: str | None = None) -> list[Version]:
        """List the versions of a model, newest first; with a number or label, that one.

        Raises:
            RequestError: when there is none.
        """
        if number is not None and label is not None:
            raise RequestError("INVALID_ARGUMENT", "a version and a label were given: give one of them")
        if label is not None:
            labels = self._known[name].labels if name in self._known else {}
            if label not in labels:
                raise RequestError("INVALID_ARGUMENT", f"{name} has no version with the label {label}")
            number = labels[label]
        found = [v for (its, _), v in self._versions.items() if its == name and number in (None, v.number)]
        if not found:
            which = f"{name}, version {number}" if number is not None else name
            raise RequestError("NOT_FOUND", f"Servable not found for request: {which}")
        return sorted(found, key=lambda version: -version.number)

    def available(self, name: str, number: int | None = None, label: str | None = None) -> Version:
        """Give the newest version of a model that is ready; with a number or label, that one.

        Raises:
            RequestError: when there is none.
        """
        versions = self.versions(name, number, label)
        ready = [version for version in versions if version.state == "AVAILABLE"]
        if not ready:
            reason = versions[0].error or "it is being loaded"
            raise RequestError("UNAVAILABLE", f"{name}: no version is ready: {reason}")
        return ready[0]

    def names(self) -> list[str]:
        """List the names of the models."""
        return list(self._known)

    def ready(self) -> bool:
        """Tell whether each model has a version that is ready."""
        ready = {version.model for version in self._versions.values() if version.state == "AVAILABLE"}
        return bool(self._known) and ready >= set(self._known)
