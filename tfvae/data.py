"""`load`: a TFDS data set, an .npz file or a folder of images -> batched `tf.data` of images or vectors."""

import contextlib
import difflib
import io
import pathlib
import threading
import types
import zlib
from typing import Literal, NamedTuple

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_datasets as tfds

from tfvae import digits, random  # `digits` makes its builder known to TFDS

__all__ = ["load"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
SECONDS_TO_ANSWER = 5  # for the host of a download


class Part(NamedTuple):
    """Examples start..stop-1 of a split."""

    split: str
    start: int
    stop: int


def load(
    name: str,
    split: str = "train",
    batch_size: int = 100,
    binarize: Literal["static", "threshold"] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    size: list[int] | None = None,
    in_memory: bool | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
) -> tf.data.Dataset:
    """Batches `[B, H, W, C]` uint8, or `[B, n]` float32; the last may be smaller.

    Args:
        name: a TFDS data set of images ("digits" comes with tfvae and needs no download); or an .npz file whose arrays
            are named for splits (`train`, `test`, or as Keras does `x_train`, `x_test`), uint8 `[N, H, W]` or
            `[N, H, W, C]`, or floats `[N, n]` or `[N, H, W, C]`; or a folder of images, whose subfolders `train`,
            `test`, ... are splits (without any, all of it is `train`), searched in depth, in order of their paths.
        split: TFDS' split syntax, such as "test", "train[:90%]", "train[100:200]+test".
        batch_size: examples per batch; under several replicas, of all together.
        binarize: "static" draws each pixel once, by `seed`, with its grey value as probability; "threshold" cuts at one
            half. Either gives uint8 pixels of 0 and 255. "static" depends on nothing but seed, split and position.
        shuffle: anew each epoch, by `seed`; unless given, where the split begins with "train".
        seed: of shuffling and static binarisation.
        size: (height, width) to which images are cropped (to its aspect, around the centre) and resized.
        in_memory: hold the data in memory; unless given, where a quarter of the free memory holds it. Data that is not
            held is read and decoded while one trains; TFDS data is then shuffled within a buffer.
        data_dir: where TFDS keeps prepared data sets; its own default unless given.
        manual_dir: folder with a TFDS data set's original files, for machines that cannot download them.

    Raises:
        ValueError: when name, split or data cannot be used; it says what to do. OSError: from reading files.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    source = _source(name, size, data_dir, manual_dir)
    parts = _parts(split, source.counts, name)
    binary = _binarizer(binarize, seed, source.dtype)
    count = sum(part.stop - part.start for part in parts)
    shuffle = split.startswith("train") if shuffle is None else shuffle
    nbytes = count * int(np.prod(source.shape)) * source.dtype.itemsize
    if in_memory is None:
        in_memory = nbytes <= psutil.virtual_memory().available // 4
    if in_memory:
        dataset = _held(_read(source, parts, binary, count), batch_size, shuffle, seed)
    else:
        dataset = _streamed(source, parts, binary, batch_size, shuffle, seed, in_order=binarize == "static")
    batch = None if count % batch_size else batch_size
    dataset = dataset.map(lambda x: tf.ensure_shape(x, [batch, *source.shape]))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(-(-count // batch_size))).prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread makes the end of an iterator wait for up to half a second
    return dataset.with_options(options)


# sources: counts by split, the shape and dtype of an example, and examples(part, shuffle seed or 0) -> tf.data


def _source(name, size, data_dir, manual_dir):
    path = pathlib.Path(name)
    if name.endswith(".npz"):
        if size is not None:
            raise ValueError(f"size is for folders and TFDS data sets, not for the arrays of {name}")
        return _npz(path)
    if path.is_dir():
        return _folder(path, size)
    if path.exists() or len(path.parts) > 1:
        raise ValueError(
            f"{name} is neither a folder of images nor an .npz file" + "; no such path" * (not path.exists())
        )
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


# from a source to batches


def _parts(split, counts, name):
    """TFDS' split syntax -> the parts it names, none of them empty."""
    infos = {key: types.SimpleNamespace(num_examples=count) for key, count in counts.items()}
    try:
        instructions = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except (ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"split {split!r} of {name}, which has {counts}: {reason}") from None
    parts = [Part(i.splitname, i.from_ or 0, counts[i.splitname] if i.to is None else i.to) for i in instructions]
    for part in parts:
        if part.stop <= part.start:
            raise ValueError(f"split {split!r} of {name}, which has {counts}, holds no example")
    return parts


def _binarizer(binarize, seed, dtype):
    """-> function(images uint8 [N, H, W, C], split, index of the first in it) -> pixels of 0 and 255."""
    if binarize is None:
        return lambda images, split, first: images
    if dtype != np.uint8:
        raise ValueError(f"binarize={binarize!r} is for uint8 images; the data is {dtype}")
    if binarize == "threshold":
        return lambda images, split, first: 255 * tf.cast(images >= 128, tf.uint8)
    if binarize != "static":
        raise ValueError(f"binarize is 'static' or 'threshold', not {binarize!r}")

    @tf.function(reduce_retracing=True)
    def static(images, split, first):
        stream = random.seed(seed, random.Stream.DATA, zlib.crc32(split.encode()) & 0x7FFFFFFF, first)
        flat = tf.reshape(images, [tf.shape(images)[0], -1])
        drawn = random.uniform(tf.shape(flat), stream) < tf.cast(flat, tf.float32) / 255.0
        return tf.reshape(255 * tf.cast(drawn, tf.uint8), tf.shape(images))

    return static


def _read(source, parts, binary, count):
    """All examples of the parts, as one array [count, *shape]."""
    array, filled = np.empty((count, *source.shape), source.dtype), 0
    for part in parts:
        index = part.start
        for batch in source.examples(part, 0).batch(1000):
            size = len(batch)
            array[filled : filled + size] = binary(batch, part.split, tf.constant(index))
            filled, index = filled + size, index + size
    return array


def _held(array, batch_size, shuffle, seed):
    """Batches of an array in memory; its order is drawn by seed and epoch, and nothing but a batch is copied."""
    count = len(array)
    examples = tf.convert_to_tensor(array)
    with tf.init_scope():
        epoch = tf.Variable(-1, dtype=tf.int64, trainable=False)

    def batches(_):
        if not shuffle:
            return index.map(lambda i: examples[i * batch_size : (i + 1) * batch_size])
        step = random.seed(seed, random.Stream.DATA, epoch.assign_add(1))
        order = tf.random.experimental.stateless_shuffle(tf.range(count), step)
        return index.map(lambda i: tf.gather(examples, order[i * batch_size : (i + 1) * batch_size]))

    index = tf.data.Dataset.range(-(-count // batch_size))
    return tf.data.Dataset.range(1).flat_map(batches)


def _streamed(source, parts, binary, batch_size, shuffle, seed, in_order):
    """Batches read as they are wanted; with `in_order` from files in order, so that each example's place is known."""
    shuffle = (seed % 2**31) + 1 if shuffle else 0  # tf.data takes 0 for no seed
    buffer = max(1, min(10_000, 2**28 // int(np.prod(source.shape) * source.dtype.itemsize)))
    dataset = None
    for part in parts:
        examples = source.examples(part, 0 if in_order else shuffle).enumerate(part.start)
        examples = examples.map(lambda i, x, split=part.split: binary(x[None], split, tf.cast(i, tf.int32))[0])
        dataset = examples if dataset is None else dataset.concatenate(examples)
    if shuffle:
        dataset = dataset.shuffle(buffer, shuffle, reshuffle_each_iteration=True)
    return dataset.batch(batch_size)


def _resize(image, size):
    """[H, W, C] uint8 -> the middle, in the aspect of size = (height, width), resized to it."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_min(shape / tf.constant(size, tf.float32))
    crop = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
    image = tf.image.resize_with_crop_or_pad(image, crop[0], crop[1])
    image = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
