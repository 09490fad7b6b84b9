"""Tables of bad data: what is given, and what the one line about it says. Nothing is left behind by any of them.

`FILES` is of `data.load`; `{}` in a line stands for the folder that the data is in. `NAMES` is of names alone. `CALLS`
is of a VAE of images [8, 8, 1] with Binarize and Bernoulli.
"""

import io
import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

GREY = np.arange(36, dtype=np.uint8).reshape(6, 6)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], axis=-1)


class Given(NamedTuple):
    """Files to write in a folder, arguments of `data.load` (a `name` below that folder), and the line."""

    line: str
    write: Callable = lambda folder: None
    arguments: dict = {"name": "x.npz"}


def npz(**arrays):
    """Writes x.npz."""
    return lambda folder: np.savez(folder / "x.npz", **arrays)


def raw(content, name="x.npz"):
    """Writes a file of these bytes."""

    def write(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return write


def zipped(**members):
    """Writes x.npz, a zip file of members by name."""

    def write(folder):
        with zipfile.ZipFile(folder / "x.npz", "w") as file:
            for name, content in members.items():
                file.writestr(name, content)

    return write


def npy(shape, dtype="<f4", body=b""):
    """Bytes of an .npy file with such a header."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


def encoded(pixels, form, **settings):
    """A picture's file as bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **settings)
    return stream.getvalue()


def pictures(**more):
    """Writes two good pictures in colours to the folder p, and further files of these bytes; `__` is for `/`."""

    def write(folder):
        for name in ("a.png", "b.png"):
            raw(encoded(COLOUR, "PNG"), f"p/{name}")(folder)
        for name, content in more.items():
            raw(content, "p/" + name.replace("__", "/").replace("_DOT_", "."))(folder)

    return write


def after(first, second):
    """Writes what both write; the second has the folder alone."""

    def write(folder):
        first(folder)
        second(folder)

    return write


def flipped(folder):
    """x.npz with a flipped bit in its array."""
    np.savez(folder / "x.npz", train=np.zeros((4, 3)))
    content = bytearray((folder / "x.npz").read_bytes())
    content[200] ^= 1
    (folder / "x.npz").write_bytes(bytes(content))


def truncated(folder):
    """x.npz without its end."""
    np.savez(folder / "x.npz", train=np.zeros((400, 3)))
    content = (folder / "x.npz").read_bytes()
    (folder / "x.npz").write_bytes(content[: len(content) // 2])


def deep(channels):
    """A PNG of 16 bits a channel."""
    rows = b"".join(b"\x00" + bytes(2 * channels * 6) for _ in range(6))
    kinds = {1: 0, 3: 2, 4: 6}

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 6, 6, 16, kinds[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
LARGE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
JPEG = encoded(LARGE, "JPEG")
P = {"name": "p"}
SIZED = {"name": "p", "size": [4, 4]}
NAN = np.where(np.arange(40000).reshape(20000, 2) == 39999, np.nan, 0.0)

FILES = {
    # .npz
    "empty file": Given("{}/x.npz is empty: write it anew by np.savez", raw(b"")),
    "npy renamed": Given("{}/x.npz is an .npy file by what it holds", raw(npy("(4, 3)", body=bytes(48)))),
    "text": Given("{}/x.npz cannot be read as .npz: it is damaged, or another kind of file", raw(b"hello\nworld\n")),
    "one byte": Given("{}/x.npz cannot be read as .npz: it is damaged", raw(b"P")),
    "zip's first bytes": Given("{}/x.npz cannot be read as .npz: it is damaged", raw(b"PK\x03\x04" + bytes(50))),
    "truncated": Given("{}/x.npz cannot be read as .npz: it is damaged", truncated),
    "flipped bit": Given("{}/x.npz cannot be read as .npz: array train: Bad CRC-32", flipped),
    "zip of nothing": Given("{}/x.npz cannot be read as .npz: it holds no arrays, but nothing", zipped()),
    "zip of text": Given("it holds no arrays, but readme.txt", zipped(**{"readme.txt": "hello"})),
    "member of text": Given(
        "array train: the magic string is not correct", zipped(**{"train.npy": "hello world, hello"})
    ),
    "empty member": Given("array train: ", zipped(**{"train.npy": ""})),
    "claims 1 TB": Given(
        "array train is float32 (250000000000,) by its header, 1,000,000,000,000 bytes, but the file has 8",
        zipped(**{"train.npy": npy("(250000000000,)", body=bytes(8))}),
    ),
    "claims more than there are numbers": Given(
        "array train is float32", zipped(**{"train.npy": npy(f"({2**62}, {2**62})", body=bytes(8))})
    ),
    "claims less than nothing": Given(
        "array train is float32 (-1,", zipped(**{"train.npy": npy("(-1, -12)", body=bytes(48))})
    ),
    "claims too little": Given("12 bytes, but the file has 48", zipped(**{"train.npy": npy("(1, 3)", body=bytes(48))})),
    "header is code": Given(
        "array train: ", zipped(**{"train.npy": npy("__import__('os').system('touch pwned')", body=bytes(48))})
    ),
    "pickled objects": Given(
        "array train holds Python objects, which are not loaded", npz(train=np.array([[{}], [{}]], object))
    ),
    "later format": Given(
        "array train: format (3, 0) of .npy", zipped(**{"train.npy": b"\x93NUMPY\x03\x00" + bytes(60)})
    ),
    "one array twice": Given(
        "{}/x.npz holds both train and x_train: leave out one", npz(train=np.zeros((4, 3)), x_train=np.ones((4, 3)))
    ),
    "integers": Given("{}/x.npz: array train is int64 (4, 3); images are uint8", npz(train=np.zeros((4, 3), np.int64))),
    "complex": Given("array train is complex128", npz(train=np.zeros((4, 3), complex))),
    "words": Given("array train is <U1", npz(train=np.array([["a", "b"]]))),
    "flat uint8": Given(
        "array train is uint8 (4, 64); images are uint8 [N, H, W]", npz(train=np.zeros((4, 64), np.uint8))
    ),
    "channels first": Given("save array.transpose(0, 2, 3, 1)", npz(train=np.zeros((4, 3, 8, 8), np.uint8))),
    "examples of nothing": Given("its examples hold nothing", npz(train=np.zeros((4, 0)))),
    "no examples": Given("holds no example", npz(train=np.zeros((0, 3)))),
    "nan in the last row": Given("float32: nan in row 19999", npz(train=NAN)),
    "infinity": Given(
        "array test has values that are not finite", npz(train=np.ones((2, 3)), test=np.full((2, 3), np.inf))
    ),
    "beyond float32": Given("float32: 1e+300 in row 1", npz(train=np.array([[1.0], [1e300]]))),
    "shapes differ": Given(
        "alike in shape and type; it has train float64 (4, 3), test float64 (4, 2)",
        npz(train=np.zeros((4, 3)), test=np.zeros((4, 2))),
    ),
    "vectors alone": Given("it has train float64 (4,)", npz(train=np.zeros(4))),
    "no condition": Given(
        "{}/x.npz has no array train_age (nor age_train) for the condition age",
        npz(train=np.zeros((4, 3))),
        {"name": "x.npz", "condition": "age"},
    ),
    "condition of other length": Given(
        "{}/x.npz: age has 3 rows for train, which has 4",
        npz(train=np.zeros((4, 3)), train_age=np.zeros(3)),
        {"name": "x.npz", "condition": "age"},
    ),
    "condition of nan": Given(
        "{}/x.npz: age has values for train that are not finite",
        npz(train=np.zeros((4, 3)), train_age=np.full(4, np.nan)),
        {"name": "x.npz", "condition": "age"},
    ),
    "classes in a table": Given(
        "{}/x.npz: kind: classes to condition on are one for each example",
        npz(train=np.zeros((4, 3)), train_kind=np.zeros((4, 2), int)),
        {"name": "x.npz", "condition": "kind"},
    ),
    "size of an npz": Given(
        "size is for folders and TFDS data sets", npz(train=np.zeros((4, 3))), {"name": "x.npz", "size": [4, 4]}
    ),
    "channels of an npz": Given(
        "channels is for folders of images", npz(train=np.zeros((4, 3))), {"name": "x.npz", "channels": 1}
    ),
    "folder named .npz": Given("{}/x.npz is a folder, and no .npz file", lambda folder: (folder / "x.npz").mkdir()),
    "pipe named .npz": Given("{}/x.npz is a pipe or a device", lambda folder: os.mkfifo(folder / "x.npz")),
    "link to nowhere .npz": Given("no such file: {}/x.npz", lambda folder: (folder / "x.npz").symlink_to("nowhere")),
    # folders
    "empty picture": Given("{}/p/c.png is empty", pictures(c_DOT_png=b""), P),
    "text named png": Given(
        "{}/p/c.png is damaged, or no picture: it begins with b'hello wo'", pictures(c_DOT_png=b"hello world"), P
    ),
    "truncated jpeg": Given(
        "{}/p/c.jpg cannot be read as a picture: image file is truncated",
        pictures(c_DOT_jpg=JPEG[: len(JPEG) // 2]),
        SIZED,
    ),
    "truncated png": Given(
        "{}/p/c.png cannot be read as a picture", pictures(c_DOT_png=encoded(LARGE, "PNG")[:2000]), SIZED
    ),
    "damaged png": Given("{}/p/c.png", pictures(c_DOT_png=encoded(NOISE, "PNG")[:60] + bytes(80)), SIZED),
    "header of a png": Given("{}/p/c.png", pictures(c_DOT_png=encoded(NOISE, "PNG")[:20]), P),
    "other size": Given(
        "{}/p/c.png is 60 x 60, but {}/p/a.png 6 x 6: give size=(H, W)", pictures(c_DOT_png=encoded(LARGE, "PNG")), P
    ),
    "link to nowhere": Given(
        "{}/p/c.png is a link to nowhere, which is not there",
        after(pictures(), lambda folder: (folder / "p/c.png").symlink_to("nowhere")),
        P,
    ),
    "link to itself": Given("c.png", after(pictures(), lambda folder: (folder / "p/c.png").symlink_to("c.png")), P),
    "pipe": Given(
        "{}/p/c.png is no file, but a pipe", after(pictures(), lambda folder: os.mkfifo(folder / "p/c.png")), P
    ),
    "16 bits, grey": Given("{}/p/c.png has more than 8 bits a channel", pictures(c_DOT_png=deep(1)), P),
    "16 bits, colours": Given("{}/p/c.png has more than 8 bits a channel", pictures(c_DOT_png=deep(3)), P),
    "16 bits, transparency": Given("{}/p/c.png has more than 8 bits a channel", pictures(c_DOT_png=deep(4)), P),
    "16 bits, tiff": Given(
        "{}/p/c.tif has more than 8 bits a channel", pictures(c_DOT_tif=encoded(GREY.astype(np.uint16), "TIFF")), P
    ),
    "floats, tiff": Given(
        "{}/p/c.tif has more than 8 bits a channel", pictures(c_DOT_tif=encoded(GREY.astype(np.float32), "TIFF")), P
    ),
    "postscript named png": Given(
        "{}/p/c.png is damaged, or no picture", pictures(c_DOT_png=b"%!PS-Adobe-3.0 EPSF-3.0\n"), P
    ),
    "no pictures": Given("{}/p has no images (.bmp", raw(b"a,b\n", "p/notes.txt"), P),
    "hidden pictures alone": Given("{}/p has no images", raw(encoded(GREY, "PNG"), "p/.ipynb_checkpoints/a.png"), P),
    "a split twice": Given(
        "{}/p has the folders Train and Training, which are both the split train: join them",
        pictures(Train__a_DOT_png=encoded(COLOUR, "PNG"), Training__a_DOT_png=encoded(COLOUR, "PNG")),
        P,
    ),
    "splits below classes": Given(
        "{}/p/cat/test is named for a split, but splits come first",
        pictures(cat__test__a_DOT_png=encoded(COLOUR, "PNG")),
        P,
    ),
    "splits one folder down": Given(
        "{}/p/zip/train is named for a split", raw(encoded(COLOUR, "PNG"), "p/zip/train/a.png"), P
    ),
    "unknown split": Given("Unknown split 'test'", pictures(), {"name": "p", "split": "test"}),
    "no classes": Given(
        "{}/p/a.png is outside of subfolders, whose names would be the labels",
        pictures(),
        {"name": "p", "condition": "label"},
    ),
    "other condition": Given(
        "a folder of images has the condition label alone, not age", pictures(), {"name": "p", "condition": "age"}
    ),
    "two channels": Given("channels must be 1 (grey), 3 (colours) or 4", pictures(), {"name": "p", "channels": 2}),
    "channels of True": Given("channels must be 1 (grey)", pictures(), {"name": "p", "channels": True}),
    "a file": Given("{}/x.txt is neither a folder of images nor an .npz file", raw(b"a", "x.txt"), {"name": "x.txt"}),
    # names and numbers
    "nothing there": Given(
        "{}/q is neither a folder of images nor an .npz file: there is nothing of this name", arguments={"name": "q"}
    ),
    "size of one": Given("size must be (height, width), not 4", pictures(), {"name": "p", "size": 4}),
    "size of three": Given("size must be (height, width), not [4, 4, 3]", pictures(), {"name": "p", "size": [4, 4, 3]}),
    "size of 0": Given("a height or width in size must be 1 or more", pictures(), {"name": "p", "size": [0, 4]}),
    "size of halves": Given("a height or width in size must be 1 or more", pictures(), {"name": "p", "size": [4.5, 4]}),
    "size beyond": Given("size must be at most 32768 pixels", pictures(), {"name": "p", "size": [10**9, 4]}),
    "batch of 0": Given("batch_size must be 1 or more", pictures(), {"name": "p", "batch_size": 0}),
    "batch of half": Given("batch_size must be 1 or more", pictures(), {"name": "p", "batch_size": 2.5}),
    "batch of True": Given("batch_size must be 1 or more", pictures(), {"name": "p", "batch_size": True}),
    "batch of words": Given("batch_size must be 1 or more", pictures(), {"name": "p", "batch_size": "100"}),
    "batch beyond": Given("below 2^63", pictures(), {"name": "p", "batch_size": 99999999999999999999}),
    "seed of words": Given("seed must be 0 or more", pictures(), {"name": "p", "seed": "x"}),
    "split of shards": Given("shards are no units here", pictures(), {"name": "p", "split": "train[0shard]"}),
    "split of nothing": Given("split must be such as 'train'", pictures(), {"name": "p", "split": " "}),
    "split beyond": Given("split 'train[:500%]'", pictures(), {"name": "p", "split": "train[:500%]"}),
    "split, a number": Given("split must be such as 'train'", pictures(), {"name": "p", "split": 3}),
    "binarised by a word": Given("'static' or 'threshold', not 'x'", pictures(), {"name": "p", "binarize": "x"}),
    "binarised floats": Given(
        "for uint8 images; the data is float32", npz(train=np.zeros((4, 3))), {"name": "x.npz", "binarize": "static"}
    ),
    "conditions twice": Given(
        "condition must be a name, or several that differ", pictures(), {"name": "p", "condition": ["label", "label"]}
    ),
    "condition, a number": Given("condition must be a name", pictures(), {"name": "p", "condition": [3]}),
}

NAMES = {  # in a working directory with the folders digits and photos
    "digts": "no TFDS data set, .npz file or folder is called digts; did you mean",
    "photos": "no TFDS data set is called photos: for the folder of this name write ./photos",
    "huggingface:mnist": "no TFDS data set, .npz file or folder is called huggingface:mnist",
    "kaggle:mnist": "no TFDS data set, .npz file or folder is called kaggle:mnist",
    "digits:9.9.9": "the TFDS data set digits:9.9.9: ",
    "digits/none": "the TFDS data set digits/none: ",
    "": "name must be that of a data set, an .npz file or a folder, not ''",
    "x.npz": "no such file: x.npz",
    "../../..//none": "is neither a folder of images nor an .npz file: there is nothing of this name",
    "a\nb": "is called a b",
}

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
FLOATS = (IMAGES / np.float32(255)).astype(np.float32)
PIXELS = IMAGES.astype(np.float32)  # as keras.utils.img_to_array gives them
LATE = np.concatenate([np.zeros((3000, 8, 8, 1), np.float32), np.full((1, 8, 8, 1), np.nan, np.float32)])
TAKES = "the preprocessor Binarize takes uint8 pixels or floats in [0, 1], but the data has values such as"


class Batches(keras.utils.PyDataset):
    """A `PyDataset` of batches."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def batched(images, size=10):
    return tf.data.Dataset.from_tensor_slices(images).batch(size)


def generated(*batches):
    return (batch for batch in batches)


def untyped():
    """`tf.data` that does not say its shapes."""
    return tf.data.Dataset.from_generator(lambda: iter([IMAGES]), output_types=tf.uint8)


LATER = (FLOATS[:10], PIXELS[:10])  # the first is right, the second is not

CALLS = {
    "encode one": (lambda vae: vae.encode(IMAGES[0]), "it is one example: give a batch, x[None]"),
    "encode without channels": (lambda vae: vae.encode(IMAGES[..., 0]), "give it channels, x[..., None]"),
    "encode channels first": (
        lambda vae: vae.encode(np.moveaxis(np.tile(IMAGES, 3), -1, 1)),
        "models events of shape (8, 8, 1)",
    ),
    "encode floats 0..255": (lambda vae: vae.encode(PIXELS), TAKES),
    "encode nan": (lambda vae: vae.encode(LATE[-2:]), f"{TAKES} nan"),
    "encode int32": (lambda vae: vae.encode(IMAGES.astype(np.int32)), TAKES),
    "encode words": (lambda vae: vae.encode(np.array(["a"])), "the data is string: it must be numbers"),
    "encode pairs": (lambda vae: vae.encode((IMAGES, IMAGES)), "the data has more than images"),
    "encode a dict": (lambda vae: vae.encode({"image": IMAGES}), "the data has parts by name, 'image': take out one"),
    "encode a ragged list": (
        lambda vae: vae.encode([[1.0, 2.0], [3.0], [4.0]]),
        "cannot be a tensor: it must be numbers",
    ),
    "encode objects": (lambda vae: vae.encode(np.array([{}, {}], object)), "cannot be a tensor"),
    "interpolate floats 0..255": (lambda vae: vae.interpolate(IMAGES[:1], PIXELS[:1]), TAKES),
    "decode words": (lambda vae: vae.decode(np.array(["a", "b", "c"])), "the data is string: it must be numbers"),
    "decode a number": (lambda vae: vae.decode(1.0), "z has shape (), but the latent size is 3"),
    "adapt floats 0..255": (lambda vae: vae.adapt(PIXELS), TAKES),
    "adapt one": (lambda vae: vae.adapt(batched(IMAGES).unbatch()), "it is one example: give a batch"),
    "adapt a list": (lambda vae: vae.adapt([1, 2]), "the data is tf.data of batches or an array [N, ...], not list"),
    "adapt nothing": (lambda vae: vae.adapt(IMAGES[:0]), "the data set is empty"),
    "adapt nan in a later batch": (lambda vae: vae.adapt(batched(LATE, 100)), f"{TAKES} nan"),
    "fit floats 0..255": (lambda vae: vae.fit(PIXELS, verbose=0), TAKES),
    "fit nan behind": (lambda vae: vae.fit(LATE, verbose=0), f"{TAKES} nan"),
    "fit nan in a later batch": (lambda vae: vae.fit(batched(LATE, 1000), verbose=0), f"{TAKES} nan"),
    "fit PyDataset of 0..255": (lambda vae: vae.fit(Batches(PIXELS), verbose=0), TAKES),
    "fit PyDataset, later": (lambda vae: vae.fit(Batches(*LATER), verbose=0, shuffle=False), TAKES),
    "fit PyDataset of none": (lambda vae: vae.fit(Batches(), verbose=0), "the data set is empty"),
    "fit generator of 0..255": (lambda vae: vae.fit(generated(PIXELS), verbose=0), TAKES),
    "fit generator, later": (lambda vae: vae.fit(generated(*LATER), verbose=0), TAKES),
    "fit unbatched": (lambda vae: vae.fit(batched(IMAGES).unbatch(), verbose=0), "or of tf.data data.batch(100)"),
    "fit dicts": (
        lambda vae: vae.fit(batched({"image": IMAGES}), verbose=0),
        "data.map(lambda example: example['image'])",
    ),
    "fit x, x": (lambda vae: vae.fit(IMAGES, IMAGES, verbose=0), "call fit(x) instead of fit(x, y)"),
    "fit nothing": (lambda vae: vae.fit(IMAGES[:0], verbose=0), "x is empty: it has shape"),
    "fit a list": (lambda vae: vae.fit(list(IMAGES), verbose=0), "np.stack makes an array of a list of examples"),
    "fit a name": (lambda vae: vae.fit("digits", verbose=0), "such as data.load gives"),
    "fit without shapes": (lambda vae: vae.fit(untyped(), verbose=0), "from_generator(output_signature=...)"),
    "validate 0..255": (lambda vae: vae.fit(IMAGES, validation_data=batched(PIXELS), verbose=0), TAKES),
    "evaluate later": (lambda vae: vae.evaluate(batched(np.concatenate(LATER)), verbose=0), TAKES),
    "predict 0..255": (lambda vae: vae.predict(PIXELS, verbose=0), TAKES),
    "predict later": (lambda vae: vae.predict(batched(np.concatenate(LATER)), verbose=0), TAKES),
}


def listing(folder: pathlib.Path):
    """What is in a folder: names, and the bytes of files."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"), key=str)}
