"""TFDS data sets as a source: those that have one feature of images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae.data.messages import first_line
from tfvae.data.protocol import Part
from tfvae.data.resizing import crop_and_resize
from tfvae.data.tfds_prepare import is_known, prepare_builder

__all__ = ["TfdsSource", "from_name", "is_known"]


class TfdsSource(NamedTuple):
    """A source that TFDS reads from disk.

    Attributes:
        builder: of TFDS, its data on disk.
        key: of the feature of images.
        size: to which images are resized.
        encoders: each makes a condition float32 `[k]` of an example.
        classes, condition_size: see `Source`.
    """

    builder: Any
    key: str
    size: list[int] | None
    encoders: list[Callable[[Mapping[str, tf.Tensor]], tf.Tensor]]
    classes: list[tuple[str, ...] | None]
    condition_size: int

    @property
    def dtype(self) -> np.dtype:
        """See `Source`."""
        return np.dtype(np.uint8)

    @property
    def counts(self) -> dict[str, int]:
        """See `Source`."""
        return {split: info.num_examples for split, info in self.builder.info.splits.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Source`."""
        shape = self.builder.info.features[self.key].shape
        return (*(self.size or shape[:2]), shape[-1])

    def examples(self, part: Part, shuffle: int) -> tf.data.Dataset:
        """See `Source`; TFDS shuffles the files."""
        instruction = tfds.core.ReadInstruction(part.split, from_=part.start, to=part.stop, unit="abs")
        dataset = self.builder.as_dataset(
            split=instruction,
            shuffle_files=bool(shuffle),
            read_config=tfds.ReadConfig(
                shuffle_seed=shuffle or None, shuffle_reshuffle_each_iteration=False, try_autocache=False
            ),
        )
        return dataset.map(self._read)

    def _read(self, example: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        image = example[self.key]
        image = crop_and_resize(image, self.size) if self.size else image
        return (image, *([tf.concat([encode(example) for encode in self.encoders], axis=0)] if self.encoders else []))

    def blocks(self, part: Part, size: int) -> Iterator[tuple]:
        """See `Source`."""
        try:
            yield from self.examples(part, 0).batch(size)
        except tf.errors.OpError as error:
            raise ValueError(
                f"the data set {self.builder.name} in {self.builder.data_path} is damaged, remove that folder to have "
                f"it prepared anew: {first_line(error)}"
            ) from error

    def say(self, parts: Sequence[Part]) -> None:
        """Say nothing: TFDS' own pages describe its data sets."""


class _Encoder(NamedTuple):
    """Makes a feature of examples a condition of `size` numbers; `names` are those of classes."""

    encode: Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
    size: int
    names: tuple[str, ...] | None


def from_name(
    name: str,
    size: list[int] | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    conditions: Sequence[str] = (),
) -> TfdsSource:
    """Make the source of a TFDS data set; arguments and errors as for `data.load`."""
    builder = prepare_builder(name, data_dir, manual_dir)
    images = {key: f for key, f in builder.info.features.items() if isinstance(f, tfds.features.Image)}
    if len(images) != 1:
        raise ValueError(
            f"the TFDS data set {name} must have one feature of images; it has {sorted(builder.info.features)}"
        )
    ((key, feature),) = images.items()
    if None in feature.shape[:2] and size is None:
        raise ValueError(f"the images of {name} differ in size: give size=(height, width)")
    if feature.np_dtype != np.uint8:
        raise ValueError(f"the images of {name} are {feature.np_dtype}, not uint8")
    encoders = [_encoder(name, builder.info.features, condition) for condition in conditions]
    return TfdsSource(
        builder,
        key,
        size,
        [encoder.encode for encoder in encoders],
        [encoder.names for encoder in encoders],
        sum(encoder.size for encoder in encoders),
    )


def _encoder(name: str, features: Any, condition: str) -> _Encoder:
    """Make the encoder of a feature: one-hot classes, or numbers."""
    feature = features[condition] if condition in features else None
    if isinstance(feature, tfds.features.ClassLabel):
        count = feature.num_classes
        return _Encoder(lambda example: tf.one_hot(example[condition], count), count, tuple(feature.names))
    shape: Any = feature.shape if feature is not None and hasattr(feature, "shape") else (None,)
    if feature is None or None in shape or not np.issubdtype(feature.np_dtype, np.number):
        raise ValueError(
            f"the TFDS data set {name} cannot be conditioned on {condition}: it must be a class or numbers of a fixed "
            f"shape; its features are {sorted(features)}"
        )
    return _Encoder(
        lambda example: tf.reshape(tf.cast(example[condition], tf.float32), [-1]), int(np.prod(shape)), None
    )
