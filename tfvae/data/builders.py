"""TFDS data sets as a source: those with one feature of images."""

import contextlib
import difflib
import io
import json
import pathlib
import re
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae import digits, shapes  # makes their builders known to TFDS
from tfvae.data.protocol import one_line
from tfvae.data.sizes import resized

__all__ = ["Prepared", "known", "of_name"]

SECONDS_TO_ANSWER = 5  # for the host of a download
CLASS_KEYS = ("pythonClassName", "python_class_name", "type")  # of a features.json, for the class of a feature


class Prepared(NamedTuple):
    """A source that TFDS reads from disk; `encoders` make of an example its conditions, each float32 `[k]`."""

    builder: Any
    key: str  # of the feature of images
    size: list | None
    encoders: list
    classes: list
    condition_size: int
    dtype = np.dtype(np.uint8)

    @property
    def counts(self):
        return {split: info.num_examples for split, info in self.builder.info.splits.items()}

    @property
    def shape(self):
        shape = self.builder.info.features[self.key].shape
        return (*(self.size or shape[:2]), shape[-1])

    def examples(self, part, shuffle):
        instruction = tfds.core.ReadInstruction(part.split, from_=part.start, to=part.stop, unit="abs")
        dataset = self.builder.as_dataset(
            split=instruction,
            shuffle_files=bool(shuffle),
            read_config=tfds.ReadConfig(
                shuffle_seed=shuffle or None, shuffle_reshuffle_each_iteration=False, try_autocache=False
            ),
        )
        return dataset.map(self._read)

    def _read(self, example):
        image = example[self.key]
        image = resized(image, self.size) if self.size else image
        return (image, *([tf.concat([encode(example) for encode in self.encoders], axis=0)] if self.encoders else []))

    def blocks(self, part, size):
        try:
            yield from self.examples(part, 0).batch(size)
        except tf.errors.OpError as error:
            raise ValueError(
                f"the data set {self.builder.name} in {self.builder.data_path} is damaged, remove that folder to have "
                f"it prepared anew: {one_line(error)}"
            ) from error

    def say(self, parts):
        """Nothing: TFDS' own pages tell of its data sets."""


class _Encoder(NamedTuple):
    """What makes a feature of examples a condition."""

    encode: Callable  # example -> float32 [k]
    size: int  # k
    names: tuple | None  # of classes


def known(name: str) -> bool:
    """Whether TFDS has a data set of this name, which may be followed by a configuration and a version."""
    return re.split("[/:]", name)[0] in _builders()


def of_name(name, size=None, data_dir=None, manual_dir=None, conditions=()) -> Prepared:
    """The source of a TFDS data set; arguments and errors as for `data.load`."""
    builder = _prepared(name, data_dir, manual_dir)
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
    return Prepared(
        builder,
        key,
        size,
        [encoder.encode for encoder in encoders],
        [encoder.names for encoder in encoders],
        sum(encoder.size for encoder in encoders),
    )


def _encoder(name, features, condition):
    """The `_Encoder` of a feature: one-hot classes, or numbers."""
    feature = features[condition] if condition in features else None
    if isinstance(feature, tfds.features.ClassLabel):
        count = feature.num_classes
        return _Encoder(lambda example: tf.one_hot(example[condition], count), count, tuple(feature.names))
    shape = getattr(feature, "shape", (None,))
    if feature is None or None in shape or not np.issubdtype(feature.np_dtype, np.number):
        raise ValueError(
            f"the TFDS data set {name} cannot be conditioned on {condition}: it must be a class or numbers of a fixed "
            f"shape; its features are {sorted(features)}"
        )
    return _Encoder(
        lambda example: tf.reshape(tf.cast(example[condition], tf.float32), [-1]), int(np.prod(shape)), None
    )


def _builders():
    return tfds.list_builders(with_community_datasets=False)


class _ForeignFeature(Exception):
    """A prepared data set has a feature that is not TFDS' own."""


def _check_features(folder):
    """_ForeignFeature when a features.json names a class that is not TFDS' own: TFDS would import its module."""
    for path in sorted(folder.rglob("features.json")):
        left = [json.loads(path.read_bytes())]
        while left:
            part = left.pop()
            if isinstance(part, (dict, list)):
                left.extend(part.values() if isinstance(part, dict) else part)
            named = [part[key] for key in CLASS_KEYS if key in part] if isinstance(part, dict) else []
            for name in named:
                if not str(name).startswith("tensorflow_datasets."):
                    raise _ForeignFeature(f"{path} has the feature {name}, which is not TFDS' own and is not imported")


def _prepared(name, data_dir, manual_dir):
    """The TFDS builder of this name, its data on disk; ValueError within seconds where that cannot be."""
    try:
        if ":" in name and not known(name):  # TFDS would ask the hosts of its community
            raise ValueError(name)
        if data_dir is not None:
            _check_features(pathlib.Path(data_dir) / re.split("[/:]", name)[0])
        builder = tfds.builder(name, data_dir=data_dir)
    except _ForeignFeature as error:
        raise ValueError(f"the TFDS data set {name}: {error}") from None
    except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
        if known(name):
            raise ValueError(f"the TFDS data set {name}: {one_line(error)}") from None
        near = difflib.get_close_matches(name, _builders(), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no TFDS data set, .npz file or folder is called {name}{hint}") from None
    if builder.data_path.exists():
        return builder
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    if name in (digits.Digits.name, shapes.Shapes.name):
        tfds.disable_progress_bar()  # it takes seconds
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS says that it downloads, and there is nothing to download
            _prepare(builder, config)
        tfds.enable_progress_bar()
    else:
        _check_download(builder, manual_dir)
        _prepare(builder, config)
    return tfds.builder(name, data_dir=data_dir)  # made anew, it reads what is on disk, whoever wrote it


def _prepare(builder, config):
    """Puts the data on disk; that another process does so at the same time is no error, once the data is there."""
    try:
        builder.download_and_prepare(download_config=config)
    except Exception:
        if not builder.data_path.exists():
            raise


def _check_download(builder, manual_dir):
    """ValueError unless the original files of the data set are in manual_dir or their hosts answer."""
    missing = {
        url: info.filename
        for url, info in (builder.url_infos or {}).items()
        if manual_dir is None or not (pathlib.Path(manual_dir) / info.filename).is_file()
    }
    if not missing:
        return
    url, file = next(iter(missing.items()))
    if not _answers(url):
        where = f" (manual_dir {manual_dir} has no {file})" if manual_dir else ""
        raise ValueError(
            f"the data set {builder.name} is not prepared in {builder.data_dir_root}, and its host does not answer"
            f"{where}: copy that folder from a machine that has it, or give manual_dir, a folder with "
            f"{', '.join(missing.values())}; the data set digits needs no download"
        )


def _answers(url):
    """Whether the host of a download can be reached, known within seconds even where name look-ups hang."""
    import requests  # TFDS itself downloads with it

    def ask():
        try:
            requests.head(url, timeout=SECONDS_TO_ANSWER, allow_redirects=True)
            answered.set()
        except requests.RequestException:
            pass  # silence is the answer

    answered = threading.Event()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(2 * SECONDS_TO_ANSWER)
    return answered.is_set()
