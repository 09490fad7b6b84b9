"""Where data comes from: `find` turns a name into counts by split, shape and dtype of an example, and examples."""

import contextlib
import difflib
import io
import pathlib
import threading
import types

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae import digits  # makes its builder known to TFDS

__all__ = ["find"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
SECONDS_TO_ANSWER = 5  # for the host of a download


def find(name, size=None, data_dir=None, manual_dir=None):
    """The source of this name; arguments and errors as for `data.load`.

    It has `counts`, a dict from split to number of examples; their `shape` and `dtype`; and
    `examples(part, shuffle)`, a `tf.data` of the single examples of a `Part`, shuffled by a seed that is not 0.
    """
    path = pathlib.Path(name)
    if name.endswith(".npz"):
        if size is not None:
            raise ValueError(f"size is for folders and TFDS data sets, not for the arrays of {name}")
        return _npz(path)
    if path.is_dir():
        return _folder(path, size)
    if path.exists() or len(path.parts) > 1:
        raise ValueError(f"{name} is neither a folder of images nor an .npz file")
    return _tfds(name, size, data_dir, manual_dir)


def _npz(path):
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    arrays = {k.removeprefix("x_"): _examples_array(path, k, array) for k, array in arrays.items() if array.ndim > 1}
    kinds = {(array.shape[1:], array.dtype) for array in arrays.values()}
    if len(kinds) != 1:
        raise ValueError(
            f"{path} must hold arrays of examples, alike in shape and type; it has {sorted(map(str, kinds))}"
        )
    ((shape, dtype),) = kinds
    return types.SimpleNamespace(
        counts={key: len(array) for key, array in arrays.items()},
        shape=shape,
        dtype=dtype,
        examples=lambda part, shuffle: tf.data.Dataset.from_tensor_slices(arrays[part.split][part.start : part.stop]),
    )


def _examples_array(path, key, array):
    """An array as loaded -> uint8 [N, H, W, C], or float32."""
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        return array if array.ndim == 4 else array[..., None]
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: array {key} has values that are not finite")
        return array.astype(np.float32)
    raise ValueError(
        f"{path}: array {key} is {array.dtype} {array.shape}; "
        "images are uint8 [N, H, W] or [N, H, W, C], vectors floats [N, n]"
    )


def _folder(path, size):
    splits = {sub.name: _image_files(sub) for sub in sorted(path.iterdir()) if sub.is_dir()}
    known = {"train", "test", "validation", "valid", "val"} & {split for split, files in splits.items() if files}
    splits = {split: splits[split] for split in sorted(known)} if known else {"train": _image_files(path)}
    files = [file for split in splits.values() for file in split]
    if not files:
        raise ValueError(f"{path} has no images ({', '.join(IMAGES)})")
    first = tf.io.decode_image(tf.io.read_file(files[0]), expand_animations=False)
    shape = (*(size or first.shape[:2]), first.shape[-1])

    def decode(file):
        image = tf.io.decode_image(tf.io.read_file(file), channels=shape[-1], expand_animations=False)
        if size:
            return _resize(tf.ensure_shape(image, [None, None, shape[-1]]), size)
        same = tf.debugging.assert_equal(
            tf.shape(image), shape, tf.strings.join([file, " differs in shape from ", files[0], ": give size=(H, W)"])
        )
        with tf.control_dependencies([same]):
            return tf.ensure_shape(image, shape)

    def examples(part, shuffle):
        chosen = tf.data.Dataset.from_tensor_slices(splits[part.split][part.start : part.stop])
        if shuffle:
            chosen = chosen.shuffle(part.stop - part.start, shuffle)
        return chosen.map(decode, num_parallel_calls=4)

    counts = {split: len(files) for split, files in splits.items()}
    return types.SimpleNamespace(counts=counts, shape=shape, dtype=np.dtype(np.uint8), examples=examples)


def _image_files(path):
    return sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in IMAGES)


def _tfds(name, size, data_dir, manual_dir):
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

    def examples(part, shuffle):
        instruction = tfds.core.ReadInstruction(part.split, from_=part.start, to=part.stop, unit="abs")
        dataset = builder.as_dataset(
            split=instruction,
            shuffle_files=bool(shuffle),
            read_config=tfds.ReadConfig(shuffle_seed=shuffle or None, try_autocache=False),
        )
        return dataset.map(lambda example: _resize(example[key], size) if size else example[key])

    return types.SimpleNamespace(
        counts={split: info.num_examples for split, info in builder.info.splits.items()},
        shape=(*(size or feature.shape[:2]), feature.shape[-1]),
        dtype=np.dtype(np.uint8),
        examples=examples,
    )


def _prepared(name, data_dir, manual_dir):
    """The TFDS builder of this name, its data on disk; ValueError within seconds where that cannot be."""
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError):
        near = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no TFDS data set, .npz file or folder is called {name}{hint}") from None
    if builder.data_path.exists():
        return builder
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    if name == digits.Digits.name:
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


def _resize(image, size):
    """[H, W, C] uint8 -> the middle, in the aspect of size = (height, width), resized to it."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_min(shape / tf.constant(size, tf.float32))
    crop = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
    image = tf.image.resize_with_crop_or_pad(image, crop[0], crop[1])
    image = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
