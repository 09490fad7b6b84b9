"""Import the parts as soon as Keras is imported: `keras.saving.load_model` finds only classes that it knows by then.

Programs that never import Keras do not wait for the parts: the command `tfvae` answers `--help` without TensorFlow.
"""

import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence

from tfvae import tensorflow_output

__all__ = ["import_parts_with_keras"]

PARTS = ("likelihoods", "model", "objectives", "posteriors", "preprocessing", "priors")  # they register with Keras


def import_parts_with_keras() -> None:
    """Import the parts now, if Keras is imported, or else right after it will have been."""
    if "keras" in sys.modules:
        _import_parts()
    else:
        sys.meta_path.insert(0, _KerasFinder())


def _import_parts() -> None:
    for part in PARTS:
        tensorflow_output.import_quietly(f"tfvae.{part}")


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Watch the imports of Keras and of tfvae's modules; the other finders find them.

    Where a module of tfvae is what imports Keras, the parts are imported when that module is ready.
    """

    def __init__(self) -> None:
        self.depth = 0  # imports that are running now, one within the other

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "keras" and not name.startswith("tfvae."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._watch(spec.loader.exec_module)  # type: ignore[assignment, method-assign]
        return spec

    def _watch(self, run: Callable[[types.ModuleType], None]) -> Callable[[types.ModuleType], None]:
        def exec_module(module: types.ModuleType) -> None:
            self.depth += 1
            try:
                with tensorflow_output.quietly() if self.depth == 1 else contextlib.nullcontext():
                    run(module)
            finally:
                self.depth -= 1
            if not self.depth and "keras" in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_parts()

        return exec_module
