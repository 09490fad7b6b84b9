"""`Epochs`: the seconds and the loss of each epoch of a training run."""

import time

__all__ = ["Epochs"]


class Epochs:
    """Seconds run from one epoch's end to the next, the first from when this was made: nothing between is left out."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._since = time.perf_counter()

    def end(self, loss: float) -> None:
        """Note that an epoch has ended, with this mean loss in nats per example."""
        now = time.perf_counter()
        self.seconds.append(now - self._since)
        self.losses.append(float(loss))
        self._since = now
