"""The TFDS builder of `shapes`."""

import functools
import math

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae.shapes.drawing import FACTORS, SHAPES, SIDE, draw, factors_at

__all__ = ["Shapes"]

CELLS = math.prod(FACTORS.values())  # of the grid: 737,280
TRAIN = CELLS * 9 // 10
SPLITS = {"train": range(TRAIN), "test": range(TRAIN, CELLS)}  # places in the order of `order`
AT_ONCE = 256  # images drawn by a call of numpy


class Shapes(tfds.core.DatasetBuilder):
    """A grid of all combinations of five factors, like dSprites (Matthey, Higgins, Hassabis and Lerchner 2017).

    `image` uint8 [64, 64, 1], 0 or 255; `factors` int64 [5], in the order of FACTORS; `label`, the shape. The grid's
    737,280 cells are in one fixed random order; `train` is its first 90%, `test` the rest, so that "train[:10000]"
    is a fair sample. A square or ellipse looks the same in several rotations, so some images are in both splits.

    It is not a `GeneratorBasedBuilder`, because that writes every example to disk, even when a part is wanted: 737,280
    PNGs of 160 bytes, 120 MB, after minutes of encoding, which each pass would decode. Here `download_and_prepare`
    writes TFDS' description only, some kB. Images are drawn by NumPy when they are read, tens of thousands a second.
    """

    name = "shapes"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Square, ellipse and heart, in 6 scales, 40 rotations and 32 x 32 positions."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 1)),
                    "factors": tfds.features.Tensor(shape=(len(FACTORS),), dtype=np.int64),
                    "label": tfds.features.ClassLabel(names=SHAPES),
                }
            ),
            supervised_keys=("image", "label"),
            license="Apache-2.0",
        )

    def _download_and_prepare(self, dl_manager, download_config=None):
        del dl_manager, download_config  # nothing to download, nothing to write but what TFDS does itself
        self.info.set_file_format("tfrecord")  # there are no such files, but TFDS has no split without
        infos = [
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(places)],
                num_bytes=len(places) * SIDE**2,  # when drawn; TFDS then does not think that it fits in its cache
                filename_template=self._get_filename_template(split),
            )
            for split, places in SPLITS.items()
        ]
        self.info.set_splits(tfds.core.splits.SplitDict(infos))

    def _as_dataset(self, split, decoders=None, read_config=None, shuffle_files=False):
        del decoders  # images are not encoded
        config = read_config or tfds.ReadConfig()
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(self.info.splits)
        chosen = [SPLITS[part.splitname][part.from_ : part.to] for part in parts]
        first, *others = [tf.data.Dataset.range(cells.start, cells.stop) for cells in chosen]
        places = first
        for other in others:
            places = places.concatenate(other)
        if shuffle_files:
            places = places.shuffle(
                2**16, config.shuffle_seed, reshuffle_each_iteration=config.shuffle_reshuffle_each_iteration
            )
        return places.batch(AT_ONCE).map(_draw_examples, num_parallel_calls=2).unbatch()


def _draw_examples(places: tf.Tensor) -> dict[str, tf.Tensor]:
    """Draw the examples at places in the order, int64 [N]."""
    image, factors = tf.numpy_function(_draw_at, [places], [tf.uint8, tf.int64], stateful=False)
    image = tf.ensure_shape(image, [None, SIDE, SIDE, 1])
    factors = tf.ensure_shape(factors, [None, len(FACTORS)])
    return {"image": image, "factors": factors, "label": factors[:, 0]}


def _draw_at(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    factors = factors_at(order()[places])
    return draw(factors), factors


@functools.cache
def order() -> np.ndarray:
    """Give the cells of the grid in the order of the splits: int64 [737280].

    Sorted by their SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"): NumPy
    does not promise that its own permutations stay as they are.
    """
    key = (np.arange(CELLS, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(key ^ (key >> np.uint64(31)), kind="stable")
