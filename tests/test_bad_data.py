"""Bad data: a line that says what, where and how to mend it, for each row of the tables; what hypothesis draws."""

import json
import os
import re
import subprocess
import sys

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from PIL import Image, ImageOps

import tfvae
from tests import bad_data, members
from tests.models import small_images, small_vae
from tfvae import compatibility, data, evaluation, networks, tensorflow_output
from tfvae.compatibility import streams
from tfvae.data import npz_file


def refused(call):
    """The line of the mistake that a call is."""
    with pytest.raises((ValueError, OSError)) as caught:
        call()
    assert not isinstance(caught.value, tf.errors.OpError)
    line = " ".join(str(caught.value).split())
    assert len(line) < 700
    return line


@pytest.mark.parametrize("case", bad_data.FILES, ids=str)
def test_files(case, tmp_path):
    given = bad_data.FILES[case]
    given.write(tmp_path)
    before = bad_data.listing(tmp_path)
    line = refused(lambda: data.load(**given.arguments | {"name": f"{tmp_path}/{given.arguments['name']}"}))
    assert given.line.replace("{}", str(tmp_path)) in line
    assert bad_data.listing(tmp_path) == before


@pytest.mark.parametrize("name", bad_data.NAMES)
def test_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("digits", "photos"):
        bad_data.raw(bad_data.encoded(bad_data.GREY, "PNG"), f"{folder}/a.png")(tmp_path)
    assert bad_data.NAMES[name] in refused(lambda: data.load(name))


@pytest.fixture(scope="module")
def vae():
    return small_vae()


@pytest.mark.parametrize("case", bad_data.CALLS, ids=str)
def test_calls(case, vae):
    call, line = bad_data.CALLS[case]
    assert line in refused(lambda: call(vae))


def test_calls_of_evaluation(vae):
    for images in (bad_data.PIXELS, bad_data.batched(np.concatenate(bad_data.LATER))):
        assert bad_data.TAKES in refused(lambda images=images: evaluation.elbo_terms(vae, images))
    assert "it is one example" in refused(
        lambda: evaluation.elbo_terms(vae, bad_data.batched(small_images()).unbatch())
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras' word of any generator
def test_what_is_right_passes():
    """The same kinds of data, without a fault, train."""
    fair = bad_data.FLOATS
    for x in (fair, bad_data.batched(fair), bad_data.Batches(fair[:10], fair[10:]), bad_data.generated(fair)):
        vae = small_vae()
        vae.fit(x, verbose=0)
        assert np.isfinite(vae.get_weights()[0]).all()


def test_conditions():
    images, vae = small_images(), conditional_vae()
    for call in (
        lambda: vae.sample(2, condition=7),
        lambda: vae.fit(images, np.arange(20), verbose=0),
        lambda: vae.fit(bad_data.batched((images, np.arange(20)), 3), verbose=0),
    ):
        assert "conditions must be below 3 and not negative, but one is" in refused(call)
    late = np.concatenate([np.zeros((19, 3)), [[0.0, np.nan, 0.0]]])
    for call in (lambda: vae.fit(images, late, verbose=0), lambda: vae.adapt((images, late))):
        assert "conditions that are not finite" in refused(call)
    assert "the VAE is conditional: its data are pairs" in refused(lambda: vae.encode(images))


def test_batches_of_a_program_pass_as_they_are_unless_a_number_is_wrong():
    """What a program does with each batch is done without one here."""
    vae, images, labels = conditional_vae(), bad_data.FLOATS[:3], np.array([0, 2, 1])
    weights = np.array([1.0, 0.5, 2.0])
    batch = streams._check_in_graph(vae, (images, labels, weights))
    assert len(batch) == 3 and batch[1] is labels and batch[2] is weights
    np.testing.assert_array_equal(batch[0], images)
    for wrong, message in (
        ((images, labels + 1), "conditions must be below 3 and not negative, but one is 3"),
        ((bad_data.PIXELS[:3], labels), bad_data.TAKES),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            streams._check_in_graph(vae, wrong)


def test_batches_of_images_alone_pass_or_are_refused_likewise(vae):
    images = bad_data.FLOATS[:3]
    np.testing.assert_array_equal(streams._check_in_graph(vae, (images,)), images)
    with pytest.raises(ValueError, match=re.escape(bad_data.TAKES)):
        streams._check_in_graph(vae, (images - 2,))


def conditional_vae():
    conditional = {"condition_size": 3}
    return small_vae(
        encoder=networks.mlp(members.IMAGE, [8], **conditional),
        decoder=networks.mlp(3, [8], **conditional),
        **conditional,
    )


def test_adapt_takes_arrays():
    one, other = small_vae(), small_vae()
    one.adapt(small_images())
    other.adapt(bad_data.batched(small_images()))
    np.testing.assert_allclose(one.likelihood.projection.bias, other.likelihood.projection.bias, atol=1e-6)


def test_fit_before_compile():
    whole = small_vae()
    vae = tfvae.VAE.from_config({k: v for k, v in whole.get_config().items() if k != "compile_config"})
    assert "You must call `compile()`" in refused(lambda: vae.fit(small_images()))


def three_outputs():
    x = keras.Input(members.IMAGE)
    flat = keras.layers.Flatten()(x)
    return keras.Model(x, [keras.layers.Dense(3)(flat) for _ in range(3)])


class Subclassed(keras.Model):
    """A model without a fixed input."""

    def call(self, x):
        return x


def test_networks_of_other_kinds():
    assert "the encoder has 3 outputs: give it one, features" in refused(lambda: small_vae(encoder=three_outputs()))
    assert "the encoder Subclassed has no fixed input and output" in refused(lambda: small_vae(encoder=Subclassed()))
    assert "the decoder Subclassed has no fixed" in refused(lambda: small_vae(decoder=Subclassed()))
    maps = keras.Sequential([keras.Input(members.IMAGE), keras.layers.Conv2D(4, 3, padding="same")])
    assert "the encoder gives maps" in refused(lambda: small_vae(encoder=maps))


def test_colours_through_binarize_are_told_of(capsys):
    image = (8, 8, 3)
    photos = np.random.default_rng(0).integers(0, 256, (10, *image), np.uint8)
    vae = small_vae(
        encoder=networks.mlp(image, [8]), likelihood=tfvae.likelihoods.Bernoulli(image), decoder=networks.mlp(3, [8])
    )
    compatibility.check_data(vae, photos // 128 * 255)
    assert not capsys.readouterr().err
    compatibility.check_data(vae, photos)
    assert "Binarize makes channels of 0 and 1" in capsys.readouterr().err


# folders


def write(folder, pixels, name, form="PNG", **settings):
    bad_data.raw(bad_data.encoded(pixels, form, **settings), name)(folder)


def loaded(folder, split="train", **arguments):
    return np.concatenate([batch.numpy() for batch in data.load(f"{folder}/", split, shuffle=False, **arguments)])


def test_a_known_name_is_the_data_set_and_a_separator_makes_it_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index in range(3):
        write(tmp_path, bad_data.GREY, f"digits/{index}.png")
    assert next(iter(data.load("digits", "test[:2]"))).shape == (2, 28, 28, 1)
    assert next(iter(data.load("./digits"))).shape == next(iter(data.load("digits/"))).shape == (3, 6, 6, 1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_each_part_of_a_folder_has_its_share_of_each_class(tmp_path, capsys, in_memory):
    for name, grey, count in (("circles", 0, 20), ("squares", 200, 40)):
        for index in range(count):
            write(tmp_path, np.full((2, 2), grey + index, np.uint8), f"{name}/{index:02}.png")
    found = {}
    for split, circles in (("train[:80%]", 16), ("train[80%:90%]", 2), ("train[90%:]", 2)):
        part = loaded(tmp_path, split, in_memory=in_memory)[:, 0, 0, 0]
        assert np.sum(part < 100) == circles and len(part) == 3 * circles
        found[split] = part
    err = capsys.readouterr().err
    assert (
        f"{tmp_path}: train[0:48] has 16 circles, 32 squares" in err and "train[54:60] has 2 circles, 4 squares" in err
    )
    np.testing.assert_array_equal(
        np.concatenate(list(found.values())), loaded(tmp_path, in_memory=in_memory)[:, 0, 0, 0]
    )
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("circles", "squares"):
        (tmp_path / name).rename(moved / name)
    np.testing.assert_array_equal(loaded(moved, "train[:80%]")[:, 0, 0, 0], found["train[:80%]"])
    assert data.class_names(f"{moved}", "label") == ("circles", "squares")


def test_splits_are_known_by_their_other_names_and_what_is_in_none_is_told_of(tmp_path, capsys):
    for name in (
        "Training/cat/a",
        "Testing/cat/a",
        "other/a",
        ".ipynb_checkpoints/a",
        "__MACOSX/a",
        "Training/cat/._b",
    ):
        write(tmp_path, bad_data.GREY, f"{name}.png")
    bad_data.raw(b"heic", "Training/cat/b.heic")(tmp_path)
    assert len(loaded(tmp_path)) == len(loaded(tmp_path, "test")) == 1
    err = capsys.readouterr().err
    assert "1 pictures are left out, which are in none of its splits Testing, Training but in other" in err
    assert "1 files are left out, which are no pictures that are read (.heic)" in err


@pytest.mark.parametrize("form", ["BMP", "GIF", "PNG", "PPM", "TIFF", "WEBP"])
def test_formats(tmp_path, form):
    settings = {"lossless": True} if form == "WEBP" else {}
    write(tmp_path, bad_data.COLOUR, f"a.{form.lower()}", form, **settings)
    np.testing.assert_array_equal(loaded(tmp_path), bad_data.COLOUR[None])


def test_there_are_colours_where_any_picture_has_them(tmp_path, capsys):
    write(tmp_path, bad_data.GREY, "a.png")
    assert loaded(tmp_path).shape == (1, 6, 6, 1)
    write(tmp_path, bad_data.COLOUR, "b.png")
    assert sorted(map(bytes, loaded(tmp_path))) == sorted(
        map(bytes, (np.repeat(bad_data.GREY[..., None], 3, -1), bad_data.COLOUR))
    )
    assert loaded(tmp_path, channels=1).shape == (2, 6, 6, 1)
    assert "1 of 2 pictures have colours, which become grey" in capsys.readouterr().err


def test_transparency_is_dropped_with_a_word_or_kept(tmp_path, capsys):
    alpha = np.concatenate([bad_data.COLOUR, bad_data.GREY[..., None]], axis=-1)
    write(tmp_path, alpha, "a.png")
    np.testing.assert_array_equal(loaded(tmp_path), bad_data.COLOUR[None])
    assert "1 of 1 pictures have transparency, which is dropped" in capsys.readouterr().err
    np.testing.assert_array_equal(loaded(tmp_path, channels=4), alpha[None])


def test_pictures_are_turned_as_their_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path, bad_data.COLOUR[:4], "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    assert expected.shape == (6, 4, 3)
    np.testing.assert_array_equal(loaded(tmp_path), expected[None])


def test_a_palette_of_greys_is_grey(tmp_path):
    write(tmp_path, bad_data.GREY, "a.gif", "GIF")
    np.testing.assert_array_equal(loaded(tmp_path), bad_data.GREY[None, ..., None])


def test_several_frames_are_told_of(tmp_path, capsys):
    frames = [Image.fromarray(frame) for frame in (bad_data.COLOUR, bad_data.COLOUR[::-1])]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert loaded(tmp_path).shape == (1, 6, 6, 3)
    assert "1 of 1 pictures have several frames or pages, of which the first is taken" in capsys.readouterr().err


def test_links_to_folders_are_followed_once(tmp_path):
    write(tmp_path, bad_data.GREY, "a/a.png")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert len(loaded(tmp_path)) == 1


def test_a_broken_file_is_named_while_one_trains(tmp_path):
    vae = small_vae()
    bad_data.raw(bad_data.encoded(np.zeros((60, 60), np.uint8), "JPEG"), "a.jpg")(tmp_path)
    noise = bad_data.encoded(bad_data.LARGE[..., 0], "JPEG")
    bad_data.raw(noise[: len(noise) // 2], "b.jpg")(tmp_path)
    batches = data.load(f"{tmp_path}/", in_memory=False, size=[8, 8], batch_size=1, shuffle=False)
    with compatibility.unwrap_errors():
        line = refused(lambda: vae.evaluate(batches, verbose=0))
    assert f"{tmp_path}/b.jpg cannot be read as a picture: image file is truncated" in line


# what hypothesis draws

ARRAYS = strategies.builds(
    lambda dtype, shape, fill: np.full(shape, fill).astype(dtype),
    strategies.sampled_from(
        ["uint8", "int32", "float16", "float32", "float64", "bool", "complex64", "U3", "S2", "M8[s]"]
    ),
    strategies.lists(strategies.integers(0, 3), max_size=5),
    strategies.sampled_from([0, 1, 7]),
)
KEYS = strategies.sampled_from(["train", "x_train", "test", "y_train", "train_label", "label", "a/b", ""])


def read(folder, content, condition):
    """Loads these bytes as .npz; an error must be a line that names the file."""
    path = folder / "x.npz"
    path.write_bytes(content)
    try:
        data.load(str(path), condition=condition)
    except ValueError as error:
        assert "\n" not in str(error) and ("x.npz" in str(error) or "split" in str(error))


def drawn(count):
    """Arrays in an .npz, some bytes of which are changed, cut or put in."""

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        strategies.dictionaries(KEYS, ARRAYS, max_size=3),
        strategies.lists(strategies.tuples(strategies.integers(0, 2000), strategies.binary(max_size=8)), max_size=3),
        strategies.sampled_from([None, None, 100, 400]),
        strategies.sampled_from([None, "label"]),
    )
    def fuzz(folder, arrays, changes, end, condition):
        np.savez(folder / "made.npz", **arrays)
        content = bytearray((folder / "made.npz").read_bytes())
        for place, put in changes:
            content[place : place + len(put)] = put
        read(folder, bytes(content[:end]), condition)

    return fuzz


@pytest.mark.filterwarnings("ignore")  # of numpy's readers, for what is drawn
def test_drawn_npz(tmp_path):
    drawn(100)(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_drawn_npz_at_length(tmp_path):
    """10,000 files: minutes."""
    drawn(10_000)(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_drawn_bytes(tmp_path):
    @hypothesis.settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @hypothesis.given(strategies.binary(max_size=300))
    def fuzz(content):
        path = tmp_path / "x.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.npz"):
            npz_file.read_arrays(path)

    fuzz()


# imports


SCRIPT = """
import os
import sys
import tfvae
assert "tensorflow" not in sys.modules
import keras
print(keras.saving.load_model("vae.keras").name, os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""


@pytest.mark.parametrize("script", ["cli.py"])
@pytest.mark.slow
def test_a_script_of_any_name_loads_models_and_shows_what_it_asks_for(script, tmp_path, vae):
    """Imports TensorFlow in a process of its own, as a user's script does; it asks TensorFlow to write all it has to
    say, which `test_quiet` holds back where nobody asks."""
    vae.save(tmp_path / "vae.keras")
    (tmp_path / script).write_text(SCRIPT)
    variables = os.environ | {tensorflow_output.LEVEL: "0"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [vae.name, "0"]
    assert done.stderr.splitlines()


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_a_prepared_data_set_imports_nothing(key, tmp_path, monkeypatch):
    """Of the folder `data_dir`, which may have come with a stranger's run."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile.py").write_text("raise SystemExit('it was imported')")
    folder = tmp_path / "data" / "evil" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text(json.dumps({key: "hostile.Feature", "content": ""}))
    (folder / "dataset_info.json").write_text(json.dumps({"name": "evil", "version": "1.0.0"}))
    with pytest.raises(ValueError, match=r"has the feature hostile\.Feature, which is not TFDS' own") as caught:
        data.load("evil", data_dir=str(tmp_path / "data"))
    assert "\n" not in str(caught.value) and "hostile" not in sys.modules
