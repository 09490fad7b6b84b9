"""Callbacks of `fit`: what they are told, and which of them look at single batches."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from tfvae.trainer.progress_bar import ProgressBar

__all__ = ["acts_on_batches", "add_progress_bar", "list_callbacks", "set_modes"]

HOOKS = tuple(f"on_{mode}batch_{end}" for mode in ("", "train_", "test_") for end in ("begin", "end"))


def list_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Give what Keras takes as `callbacks` as a list: one callback, several, a `CallbackList` or None."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or ())


def add_progress_bar(callbacks: Any, verbose: Any) -> Any:
    """Add a bar that counts steps, where a bar is wanted and none was made yet."""
    if verbose == 0 or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    return [*list_callbacks(callbacks), ProgressBar()]


def set_modes(callbacks: Iterable[keras.callbacks.Callback], directions: Mapping[str, str]) -> None:
    """Tell callbacks that monitor a value in mode "auto" in which direction it is better: Keras does not know, and says
    so only after the first epoch.

    Args:
        callbacks: of `fit`.
        directions: "min" or "max", of each value that is logged.

    Raises:
        ValueError: when another value is monitored in mode "auto".
    """
    for callback in callbacks:
        if getattr(callback, "mode", None) != "auto" or not hasattr(callback, "monitor_op"):
            continue
        name = callback.monitor.removeprefix("val_")
        if name not in directions:
            which = f"{type(callback).__name__}: is {callback.monitor!r} better higher or lower?"
            raise ValueError(f"{which} Give mode: max or mode: min")
        callback.mode = directions[name]


def acts_on_batches(callback: keras.callbacks.Callback) -> bool:
    """Say whether a callback does something at batches, other than to show progress.

    One with an attribute `acts_on_groups` that is true is content with groups of batches.
    """
    if getattr(callback, "acts_on_groups", False):
        return False
    if type(callback).__module__.startswith("keras."):
        saves, logs = getattr(callback, "save_freq", "epoch"), getattr(callback, "update_freq", "epoch")
        return isinstance(saves, int) or logs != "epoch" or any(hook in vars(callback) for hook in HOOKS)
    return any(getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook) for hook in HOOKS)
