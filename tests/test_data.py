import gzip
import hashlib
import os
import pathlib
import runpy
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvae import data, digits
from tfvae.data import binarization, tfds_prepare
from tfvae.digits import builder, make


def stacked(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


@pytest.fixture
def npz(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (23, 6, 5), np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, test=images[:7], y_train=np.arange(23))
    return str(tmp_path / "images.npz"), images[..., None]


@pytest.fixture
def folder(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 6, 5, 3), np.uint8)
    for index, image in enumerate(images):
        split = "train" if index < 6 else "test"
        (tmp_path / split).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / split / f"{index}.png")
    return str(tmp_path), images


def test_digits_are_the_first_of_mnist():
    train, test = (stacked(data.load("digits", split, shuffle=False)) for split in ("train", "test"))
    assert train.shape == (10_000, 28, 28, 1) and test.shape == (2_000, 28, 28, 1) and train.dtype == np.uint8
    with np.load(digits.FILE) as file:  # TFDS stores examples in an order of its own
        for split, images in (("train", train), ("test", test)):
            assert sorted(map(bytes, file[split])) == sorted(map(bytes, images))
            assert np.bincount(file[f"{split}_label"], minlength=10).min() > 100
    assert digits.FILE.stat().st_size <= 2_000_000


def test_digits_file_is_made_from_the_originals(tmp_path):
    folder = os.environ.get("TFVAE_MNIST")
    if not folder:
        pytest.skip("TFVAE_MNIST, the folder of MNIST's original files, is not set")
    make.make(pathlib.Path(folder), tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as made, np.load(digits.FILE) as kept:
        assert set(made.files) == set(kept.files)
        assert all(np.array_equal(made[name], kept[name]) for name in kept.files)


def test_mnist_is_prepared_from_its_original_files(tmp_path):
    folder = os.environ.get("TFVAE_MNIST")
    if not folder:
        pytest.skip("TFVAE_MNIST, the folder of MNIST's original files, is not set")
    loaded = data.load("mnist", "test", data_dir=str(tmp_path), manual_dir=folder)
    assert loaded.element_spec.shape == (100, 28, 28, 1) and len(loaded) == 100


def test_make_refuses_other_files(tmp_path):
    (tmp_path / make.FILES["train"][0]).write_bytes(b"something else")
    with pytest.raises(ValueError, match="not MNIST's original"):
        make.make(tmp_path, tmp_path / "made.npz")
    assert not (tmp_path / "made.npz").exists()


@pytest.fixture
def originals(tmp_path, monkeypatch):
    """A folder of files like MNIST's, of 3 and 2 examples, which `make` takes for the originals; the arrays in them."""
    rng, arrays, files = np.random.default_rng(0), {}, {}
    for split, count in (("train", 3), ("test", 2)):
        arrays[split] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{split}_label"] = rng.integers(0, 10, count, np.uint8)
    for name, (file, _, header) in make.FILES.items():
        content = gzip.compress(bytes(header) + arrays[name].tobytes())
        (tmp_path / file).write_bytes(content)
        files[name] = file, hashlib.sha256(content).hexdigest(), header
    monkeypatch.setattr(make, "FILES", files)
    return tmp_path, arrays


def test_made_digits_are_the_first_of_each_file(originals, monkeypatch):
    folder, arrays = originals
    monkeypatch.setattr(make, "EXAMPLES", {"train": 2, "test": 1})
    for target in (folder / "one.npz", folder / "other.npz"):
        make.make(folder, target)
    assert (folder / "one.npz").read_bytes() == (folder / "other.npz").read_bytes()
    with np.load(folder / "one.npz") as made:
        assert set(made.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(made[name], array[: 2 if name.startswith("train") else 1])


def test_help_of_make_names_the_files_that_it_reads(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(make.__file__, run_name="__main__")
    printed = "".join(capsys.readouterr().out.split())  # for it breaks lines in names
    assert ended.value.code == 0 and all(file in printed for file, *_ in make.FILES.values())


def test_the_builder_gives_each_example_of_its_file(originals, tmp_path, monkeypatch):
    folder, arrays = originals
    make.make(folder, folder / "small.npz")
    monkeypatch.setattr(builder, "FILE", folder / "small.npz")
    made = digits.Digits(data_dir=str(tmp_path / "tfds"))
    splits = made._split_generators(None)
    assert set(splits) == {"train", "test"}
    for split, examples in splits.items():
        keys, found = zip(*examples, strict=True)
        assert keys == tuple(range(len(arrays[split])))
        np.testing.assert_array_equal([example["image"] for example in found], arrays[split][..., None])
        assert [example["label"] for example in found] == arrays[f"{split}_label"].tolist()
        for example in found:
            made.info.features.encode_example(example)  # as TFDS does: it raises where an example is not as declared


def test_batches_have_static_shapes(npz):
    name, images = npz
    assert data.load(name, "train", 10).element_spec.shape == (None, 6, 5, 1)
    assert data.load(name, "test", 7).element_spec.shape == (7, 6, 5, 1)
    loaded = data.load(name, "train", 10, shuffle=False)
    assert [len(batch) for batch in loaded] == [10, 10, 3] and len(loaded) == 3
    np.testing.assert_array_equal(stacked(loaded), images)


MEASURE = """
import re, sys, psutil
from tfvae import data
def megabytes(): return psutil.Process().memory_info().rss / 1e6
def peak():  # of this program alone: that of getrusage begins at what the process that started it held
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024 / 1e6
start = megabytes()
"""


def megabytes(script, *arguments):
    """What a script prints, run in a process of its own after MEASURE."""
    done = subprocess.run([sys.executable, "-c", MEASURE + script, *arguments], check=True, capture_output=True)
    return [float(number) for number in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is Linux' own figure")
def test_data_in_memory_is_there_once_and_no_more_than_three_times_meanwhile(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (150_000, 28, 28), np.uint8)  # 118 MB
    np.savez(tmp_path / "images.npz", train=images)
    held, peak = megabytes(
        """
dataset = data.load(sys.argv[1], "train")
for batch in dataset.repeat(3): pass
print(megabytes() - start, peak() - start)
""",
        str(tmp_path / "images.npz"),
    )
    size = images.nbytes / 1e6
    assert held < 1.5 * size and peak < 3.5 * size


@pytest.mark.slow
def test_streamed_data_takes_no_more_memory_however_long():
    (grown,) = megabytes(
        """
dataset = data.load("digits", "train", in_memory=False)
for batch in dataset.repeat(30): pass  # until the allocator has what it wants
once = megabytes()
for batch in dataset.repeat(50): pass
print(megabytes() - once)
"""
    )
    assert grown < 40  # 400 MB went through


def test_split_syntax(npz):
    name, images = npz
    np.testing.assert_array_equal(
        stacked(data.load(name, "train[10:15]+test", shuffle=False)), [*images[10:15], *images[:7]]
    )
    assert len(stacked(data.load(name, "train[:90%]"))) == 21


@pytest.mark.parametrize("in_memory", [True, False])
def test_training_data_is_shuffled_anew_each_epoch_by_seed(npz, in_memory):
    name, images = npz

    def epochs(seed):
        loaded = data.load(name, "train", 4, seed=seed, in_memory=in_memory)
        return [stacked(loaded) for _ in range(2)]

    (first, second), again, (other, _) = epochs(1), epochs(1), epochs(2)
    np.testing.assert_array_equal([first, second], again)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)
    for epoch in (first, second, other):
        assert sorted(map(bytes, epoch)) == sorted(map(bytes, images))


@pytest.mark.parametrize("in_memory", [True, False])
def test_groups_hold_the_batches_in_order(npz, in_memory):
    loaded = data.load(npz[0], "train", 4, in_memory=in_memory, shuffle=False)
    groups = [(rows.numpy().tolist(), stacked.numpy()) for rows, stacked in data.group_batches(loaded, 4)]
    assert [rows for rows, _ in groups] == [[4, 4, 4, 4], [4, 3]]
    found = [batch[:count] for rows, stacked in groups for count, batch in zip(rows, stacked, strict=True)]
    for batch, expected in zip(found, loaded, strict=True):
        np.testing.assert_array_equal(batch, expected)


def test_arrays_are_held_as_keras_takes_them():
    x, y = np.arange(10.0)[:, None], np.arange(10)
    loaded = data.batch_arrays([x, y], 4, shuffle=True)
    assert loaded.element_spec[0].dtype == tf.float32 and loaded.element_spec[1].dtype == tf.int64
    for a, b in loaded:
        np.testing.assert_array_equal(a[:, 0], b)
    assert len(loaded) == 3


@pytest.mark.parametrize("in_memory", [True, False])
def test_static_binarisation_is_drawn_once(npz, in_memory):
    name, _ = npz
    options = {"in_memory": in_memory, "binarize": "static", "shuffle": False}
    drawn = stacked(data.load(name, "train", 4, **options))
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_array_equal(drawn, stacked(data.load(name, "train", 9, binarize="static", shuffle=False)))
    np.testing.assert_array_equal(drawn[5:], stacked(data.load(name, "train[5:]", 4, **options)))
    assert not np.array_equal(drawn, stacked(data.load(name, "train", 4, **options, seed=1)))


def test_the_program_of_static_binarisation_draws_what_its_function_does():
    """And a pixel that is white stays so where the image is lighter: each is held against a number of its own."""
    images = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 1), np.uint8)
    seed, split = tf.constant(7, tf.uint32), tf.constant(11)
    drawn = binarization._draw_pixels.python_function(tf.constant(images), seed, split, tf.constant(4))
    np.testing.assert_array_equal(drawn, binarization._draw_pixels(images, seed, split, 4))
    assert drawn.dtype == tf.uint8 and set(np.unique(drawn)) == {0, 255}
    lighter = binarization._draw_pixels(np.maximum(images, 200), seed, split, 4)
    assert np.all(lighter >= drawn)


def test_static_binarisation_has_the_grey_value_as_mean():
    grey, drawn = (stacked(data.load("digits", "test", 100, binarize=b)) for b in (None, "static"))
    assert np.all(drawn[grey == 0] == 0) and np.all(drawn[grey == 255] == 255)
    p = grey.astype(np.float64).ravel() / 255
    assert abs(np.sum(drawn / 255.0) - p.sum()) < 5 * np.sqrt(np.sum(p * (1 - p)))


def test_threshold(npz):
    name, images = npz
    np.testing.assert_array_equal(
        stacked(data.load(name, binarize="threshold", shuffle=False)), np.where(images > 127, 255, 0)
    )


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_folder_of_images(folder, in_memory):
    name, images = folder
    for shuffle in (False, True):
        train, test = (stacked(data.load(name, s, shuffle=shuffle, in_memory=in_memory)) for s in ("train", "test"))
        assert sorted(map(bytes, train)) == sorted(map(bytes, images[:6]))
        assert sorted(map(bytes, test)) == sorted(map(bytes, images[6:]))
    assert stacked(data.load(name, size=[4, 4], in_memory=in_memory)).shape == (6, 4, 4, 3)


def test_a_folder_without_splits_is_train(folder):
    name, images = folder
    assert sorted(map(bytes, stacked(data.load(f"{name}/test")))) == sorted(map(bytes, images[6:]))


def test_vectors(tmp_path):
    table = np.random.default_rng(0).normal(size=(12, 3))
    np.savez(tmp_path / "table.npz", train=table)
    loaded = data.load(str(tmp_path / "table.npz"), shuffle=False)
    assert loaded.element_spec.dtype == tf.float32
    np.testing.assert_allclose(stacked(loaded), table, rtol=1e-6)


def test_tfds_data_sets_of_other_shapes(tmp_path):
    import tensorflow_datasets as tfds

    class Pictures(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict({"picture": tfds.features.Image(shape=(None, None, 3))}),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(5):
                yield i, {"picture": np.full((8 + i, 12, 3), 10 * i, np.uint8)}

    loaded = data.load("pictures", size=[4, 6], data_dir=str(tmp_path))
    assert sorted(stacked(loaded)[:, 0, 0, 0]) == [0, 10, 20, 30, 40]
    with pytest.raises(ValueError, match="differ in size: give size"):
        data.load("pictures", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digts"}, "called digts; did you mean .*digits"),
        ({"name": "no/such/folder"}, "neither a folder of images nor an .npz file"),
        ({"name": "no.npz"}, "no such file: no.npz"),
        ({"name": "digits", "split": "tset"}, "'tset' of digits.*Unknown split"),
        ({"name": "digits", "split": "train[:"}, "Error parsing split"),
        ({"name": "digits", "split": "train[20000:]"}, "incompatible"),
        ({"name": "digits", "split": "train[5:5]"}, "holds no example"),
        ({"name": "digits", "binarize": "randomly"}, "'static' or 'threshold', not 'randomly'"),
        ({"name": "digits", "batch_size": 0}, "batch_size must be 1 or more"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": np.zeros((4, 3), np.int64)}, "train is int64"),
        ({"train": np.full((4, 3), np.nan)}, "not finite"),
        ({"train": np.zeros((4, 3)), "test": np.zeros((4, 2))}, "alike in shape"),
        ({"labels": np.zeros(4, np.int64)}, "must hold arrays of examples"),
    ],
)
def test_bad_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        data.load(str(tmp_path / "bad.npz"))


def test_bad_folders(folder, tmp_path):
    name, _ = folder
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(f"{name}/train/odd.png")
    with pytest.raises(ValueError, match=r"odd.png is 9 x 9, but .*png 6 x 5: give size"):
        data.load(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        data.load(str(tmp_path / "empty"))


def test_a_folder_without_images_does_not_hide_the_data_set_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert next(iter(data.load("digits", "test[:2]"))).shape == (2, 28, 28, 1)


def test_static_binarisation_of_floats_is_refused(tmp_path):
    np.savez(tmp_path / "table.npz", train=np.zeros((4, 3)))
    with pytest.raises(ValueError, match="for uint8 images; the data is float32"):
        data.load(str(tmp_path / "table.npz"), binarize="static")


def test_without_a_network_what_to_do_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_prepare, "_host_answers", lambda url: False)
    with pytest.raises(
        ValueError, match=r"not prepared.*host does not answer.*train-images-idx3-ubyte.gz.*digits needs no"
    ):
        data.load("mnist", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"manual_dir .* has no t10k-images"):
        data.load("mnist", data_dir=str(tmp_path), manual_dir=str(tmp_path))


def test_a_host_that_refuses_or_hangs_does_not_answer(monkeypatch):
    monkeypatch.setattr(tfds_prepare, "SECONDS_TO_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, never answers
        port = server.getsockname()[1]
        assert not tfds_prepare._host_answers(f"http://127.0.0.1:{port}/")
    assert not tfds_prepare._host_answers(f"http://127.0.0.1:{port}/")  # closed by now


def conditions_of(loaded):
    return np.concatenate([condition.numpy() for _, condition in loaded])


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_labels_as_conditions(in_memory, shuffle):
    loaded = data.load("digits", "train[:50]", condition="label", shuffle=shuffle, in_memory=in_memory)
    with np.load(digits.FILE) as file:
        label_of = {image.tobytes(): label for image, label in zip(file["train"], file["train_label"], strict=True)}
    pairs = list(loaded.unbatch())
    assert len(pairs) == 50
    for image, condition in pairs:
        np.testing.assert_array_equal(condition, np.eye(10)[label_of[image.numpy().tobytes()]])


def test_covariates_of_an_npz(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "cells.npz"
    age = rng.normal(size=12).astype(np.float32)
    np.savez(
        path,
        x_train=rng.normal(size=(12, 3)),
        x_test=rng.normal(size=(4, 3)),
        y_train=np.arange(12) % 3 + 5,
        y_test=[5, 6, 7, 7],
        train_age=age,
        test_age=age[:4],
        donor_train=np.array(["b", "a"] * 6),
        donor_test=np.array(["a"] * 4),
    )
    label = conditions_of(data.load(str(path), "train", condition="y", shuffle=False))
    np.testing.assert_array_equal(label, np.eye(3)[np.arange(12) % 3])
    both = conditions_of(data.load(str(path), "train", condition=["age", "donor"], shuffle=False, batch_size=5))
    np.testing.assert_array_equal(both, np.column_stack([age, np.eye(2)[[1, 0] * 6]]))
    np.testing.assert_array_equal(conditions_of(data.load(str(path), "test", condition="y")), np.eye(3)[[0, 1, 2, 2]])
    with pytest.raises(ValueError, match=r"no array \w+_height \(nor height_\w+\) for the condition height"):
        data.load(str(path), "train", condition="height")


def test_folders_of_classes(tmp_path):
    for split, kinds in (("train", ("cat", "dog")), ("test", ("dog",))):
        for kind in kinds:
            (tmp_path / split / kind).mkdir(parents=True)
            image = np.full((4, 4, 1), 100 if kind == "cat" else 200, np.uint8)
            tf.io.write_file(str(tmp_path / split / kind / "a.png"), tf.io.encode_png(image))
    assert data.class_names(str(tmp_path), "label") == ("cat", "dog")
    ((images, labels),) = data.load(str(tmp_path), "train", condition="label")
    np.testing.assert_array_equal(np.argmax(labels, axis=1), images[:, 0, 0, 0] == 200)
    np.testing.assert_array_equal(conditions_of(data.load(str(tmp_path), "test", condition="label")), [[0, 1]])
    with pytest.raises(ValueError, match="has the condition label alone"):
        data.load(str(tmp_path), "train", condition="size")


def test_what_cannot_be_a_condition_is_named():
    with pytest.raises(ValueError, match=r"digits cannot be conditioned on lable.*\['image', 'label'\]"):
        data.load("digits", "train", condition="lable")
