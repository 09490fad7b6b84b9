"""`Pictures`: the callback that draws what a VAE of images does while it trains."""

import pathlib
import sys
from typing import Any

import tensorflow as tf

from tfvae import figures, random
from tfvae.callbacks.looking import Looking, check_positive

__all__ = ["Pictures"]

COLUMNS = 10


class Pictures(Looking):
    """Draws fixed examples, their reconstructions, and samples of fixed noise while a VAE of images trains.

    After the first epoch, each `every` epochs and the last to RUN/pictures/epoch_0005.png and to TensorBoard; `tfvae
    plot` makes a GIF of them. A run that goes on keeps the pictures of its earlier epochs. For data that are no images
    it says so once and does nothing.

    Args:
        every: epochs between two pictures.
        data: examples to draw, for use outside of a run folder: an array, a pair, or `tf.data`.
        folder: where `pictures` and `tensorboard` are written; in a run, the run's.
    """

    def __init__(self, every: int = 5, data: Any = None, folder: str | pathlib.Path | None = None):
        super().__init__(data, folder)
        check_positive(every=every)
        self.every = every

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        if self.folder is None:
            raise ValueError("Pictures has no folder: outside of a run folder make it as Pictures(data=x, folder=path)")
        self._folder = self.folder / "pictures"
        try:
            figures.event_of_images(self.model)
        except figures.NotApplicable as reason:
            print(f"Pictures draws nothing: {reason}", file=sys.stderr)
            self._writes = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        last = epoch + 1 == self.params.get("epochs")
        if self._writes and (epoch == 0 or last or (epoch + 1) % self.every == 0):
            seed = random.seed(self.model.seed, random.Stream.SAMPLING)
            figure = figures.progress(self.model, self.examples(COLUMNS), seed, f"Epoch {epoch + 1}")
            path = figures.write(figure, self._folder / f"epoch_{epoch + 1:04d}.png")
            with self.summaries():
                tf.summary.image("pictures", tf.io.decode_png(path.read_bytes(), channels=3)[None], step=epoch)
