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

from tfvae import digits, shapes  # makes their builders known to TFDS

__all__ = ["find"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
SECONDS_TO_ANSWER = 5  # for the host of a download


def find(name, size=None, data_dir=None, manual_dir=None, conditions=()):
    """The source of this name; arguments and errors as for `data.load`; conditions are names, perhaps none.

    It has `counts`, a dict from split to number of examples; their `shape` and `dtype`; `condition_size`, 0 without;
    and `examples(part, shuffle)`, a `tf.data` of the single examples of a `Part`, shuffled by a seed that is not 0:
    tuples of x, and of its condition `[k]` where there are conditions. A source that has them in memory has
    `blocks(part, size)` too: the same tuples in order, up to `size` examples at once.
    """
    path = pathlib.Path(name)
    if name.endswith(".npz"):
        if size is not None:
            raise ValueError(f"size is for folders and TFDS data sets, not for the arrays of {name}")
        return _npz(path, conditions)
    if path.is_dir() and (_image_files(path) or name not in _builders()):  # a folder of runs may have a data set's name
        return _folder(path, size, conditions)
    if (path.exists() or len(path.parts) > 1) and name not in _builders():
        raise ValueError(f"{name} is neither a folder of images nor an .npz file")
    return _tfds(name, size, data_dir, manual_dir, conditions)


def _npz(path, conditions):
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    given = {
        name: {k: v for k, v in arrays.items() if k.endswith(f"_{name}") or k.startswith(f"{name}_")}
        for name in conditions
    }
    arrays = {k: v for k, v in arrays.items() if not any(k in named for named in given.values())}
    arrays = {k.removeprefix("x_"): _examples_array(path, k, array) for k, array in arrays.items() if array.ndim > 1}
    kinds = {(array.shape[1:], array.dtype) for array in arrays.values()}
    if len(kinds) != 1:
        raise ValueError(
            f"{path} must hold arrays of examples, alike in shape and type; it has {sorted(map(str, kinds))}"
        )
    ((shape, dtype),) = kinds
    counts = {key: len(array) for key, array in arrays.items()}
    encoded = _joined([_by_split(path, name, named, counts) for name, named in given.items()])

    def columns(part):
        rows = slice(part.start, part.stop)
        return tuple(column[part.split][rows] for column in (arrays, encoded) if column)

    return types.SimpleNamespace(
        counts=counts,
        shape=shape,
        dtype=dtype,
        condition_size=_width(encoded),
        examples=lambda part, shuffle: tf.data.Dataset.from_tensor_slices(columns(part)),
        blocks=lambda part, size: zip(*(_slices(column, size) for column in columns(part)), strict=True),
    )


def _slices(array, size):
    return (array[start : start + size] for start in range(0, len(array), size))


def _by_split(path, name, named, counts):
    """Arrays `train_label` or `y_train` and so on, of the condition `name` -> split: float32 [N, k]."""
    columns = {key.removesuffix(f"_{name}").removeprefix(f"{name}_"): array for key, array in named.items()}
    for split, count in counts.items():
        if split not in columns:
            raise ValueError(f"{path} has no array {split}_{name} (nor {name}_{split}) for the condition {name}")
        if len(columns[split]) != count:
            raise ValueError(f"{path}: {name} has {len(columns[split])} rows for {split}, which has {count}")
    columns = {split: columns[split] for split in counts}
    if next(iter(columns.values())).dtype.kind == "f":
        return {split: np.reshape(array, (len(array), -1)).astype(np.float32) for split, array in columns.items()}
    return _one_hot(columns)


def _one_hot(columns):
    """split: array [N] of classes, integers or words -> split: float32 [N, k], over the classes of all splits."""
    if any(column.ndim != 1 for column in columns.values()):
        raise ValueError("classes to condition on are one for each example, [N]")
    classes = np.unique(np.concatenate(list(columns.values())))
    return {split: (column[:, None] == classes).astype(np.float32) for split, column in columns.items()}


def _joined(conditions):
    """A list of split: [N, k_i] -> split: [N, sum of k_i], or {} of none."""
    if not conditions:
        return {}
    return {split: np.concatenate([named[split] for named in conditions], axis=1) for split in conditions[0]}


def _width(encoded):
    return next(iter(encoded.values())).shape[1] if encoded else 0


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


def _folder(path, size, conditions):
    splits = {sub.name: _image_files(sub) for sub in sorted(path.iterdir()) if sub.is_dir()}
    known = {"train", "test", "validation", "valid", "val"} & {split for split, files in splits.items() if files}
    splits = {split: splits[split] for split in sorted(known)} if known else {"train": _image_files(path)}
    files = [file for split in splits.values() for file in split]
    if not files:
        raise ValueError(f"{path} has no images ({', '.join(IMAGES)})")
    if set(conditions) - {"label"}:
        raise ValueError(f"a folder of images has the condition label alone, not {', '.join(conditions)}")
    encoded = {}
    if conditions:
        roots = {split: path / split if known else path for split in splits}
        encoded = _one_hot({split: _classes(roots[split], files) for split, files in splits.items()})
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
        rows = slice(part.start, part.stop)
        columns = [splits[part.split], *([encoded[part.split]] if encoded else [])]
        chosen = tf.data.Dataset.from_tensor_slices(tuple(column[rows] for column in columns))
        if shuffle:
            chosen = chosen.shuffle(part.stop - part.start, shuffle, reshuffle_each_iteration=False)
        return chosen.map(lambda file, *condition: (decode(file), *condition), num_parallel_calls=4)

    counts = {split: len(files) for split, files in splits.items()}
    return types.SimpleNamespace(
        counts=counts, shape=shape, dtype=np.dtype(np.uint8), condition_size=_width(encoded), examples=examples
    )


def _classes(root, files):
    """The names of the first subfolders below root that hold the files."""
    parts = [pathlib.Path(file).relative_to(root).parts for file in files]
    if any(len(names) < 2 for names in parts):
        raise ValueError(f"{root} has images outside of subfolders, whose names would be their labels")
    return np.array([names[0] for names in parts])


def _image_files(path):
    return sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in IMAGES)


def _tfds(name, size, data_dir, manual_dir, conditions):
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

    encoders = [_feature(name, builder.info.features, condition) for condition in conditions]

    def examples(part, shuffle):
        instruction = tfds.core.ReadInstruction(part.split, from_=part.start, to=part.stop, unit="abs")
        dataset = builder.as_dataset(
            split=instruction,
            shuffle_files=bool(shuffle),
            read_config=tfds.ReadConfig(
                shuffle_seed=shuffle or None, shuffle_reshuffle_each_iteration=False, try_autocache=False
            ),
        )
        return dataset.map(
            lambda example: (
                _resize(example[key], size) if size else example[key],
                *([tf.concat([encode(example) for encode, _ in encoders], axis=0)] if encoders else []),
            )
        )

    return types.SimpleNamespace(
        counts={split: info.num_examples for split, info in builder.info.splits.items()},
        shape=(*(size or feature.shape[:2]), feature.shape[-1]),
        dtype=np.dtype(np.uint8),
        condition_size=sum(width for _, width in encoders),
        examples=examples,
    )


def _feature(name, features, condition):
    """(example -> float32 [k], k) for a feature of a TFDS data set: one-hot classes, or numbers."""
    feature = features[condition] if condition in features else None
    if isinstance(feature, tfds.features.ClassLabel):
        return (lambda example: tf.one_hot(example[condition], feature.num_classes)), feature.num_classes
    shape = getattr(feature, "shape", (None,))
    if feature is None or None in shape or not np.issubdtype(feature.np_dtype, np.number):
        raise ValueError(
            f"the TFDS data set {name} cannot be conditioned on {condition}: it must be a class or numbers of a fixed "
            f"shape; its features are {sorted(features)}"
        )
    return (lambda example: tf.reshape(tf.cast(example[condition], tf.float32), [-1])), int(np.prod(shape))


def _builders():
    return tfds.list_builders(with_community_datasets=False)


def _prepared(name, data_dir, manual_dir):
    """The TFDS builder of this name, its data on disk; ValueError within seconds where that cannot be."""
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError):
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


def _resize(image, size):
    """[H, W, C] uint8 -> the middle, in the aspect of size = (height, width), resized to it."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_min(shape / tf.constant(size, tf.float32))
    crop = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
    image = tf.image.resize_with_crop_or_pad(image, crop[0], crop[1])
    image = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
