"""Make digits.npz from MNIST's four original files: `python tfvae/digits/make.py FOLDER`."""

import argparse
import gzip
import hashlib
import io
import pathlib
import zipfile

import numpy as np

from tfvae import files

FILES = {  # array: (file, SHA-256, bytes of header)
    "train": ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 16),
    "train_label": (
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        8,
    ),
    "test": ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 16),
    "test_label": ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 8),
}
EXAMPLES = {"train": 10_000, "test": 2_000}
TIME = (1998, 11, 1, 0, 0, 0)  # so that the file's bytes depend on nothing but the data


def read(folder: pathlib.Path, name: str) -> np.ndarray:
    """Read the first examples of one of MNIST's files, uint8 [N, 28, 28] or [N].

    Raises:
        ValueError: when the file is not the original.
    """
    file, digest, header = FILES[name]
    data = (folder / file).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{folder / file} is not MNIST's original: its SHA-256 is not {digest}")
    values = np.frombuffer(gzip.decompress(data), np.uint8, offset=header)
    shape = (-1, 28, 28) if header == 16 else (-1,)
    return values.reshape(shape)[: EXAMPLES[name.removesuffix("_label")]]


def make(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Write the first examples of FILES to `target`, an .npz file; beside it first, then renamed."""
    with (
        files.beside(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name in FILES:
            buffer = io.BytesIO()
            np.save(buffer, read(folder, name))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", TIME), buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="holds the files " + ", ".join(f for f, *_ in FILES.values()))
    target = pathlib.Path(__file__).with_name("digits.npz")
    make(parser.parse_args().folder, target)
    print(f"{target}: {target.stat().st_size:,} bytes")
