"""Image files, by Pillow: what their headers say, and their pixels."""

import contextlib
import functools
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from tfvae.data.messages import first_line

__all__ = ["MODES", "SUFFIXES", "Header", "read_header", "read_pixels"]

FORMATS = {  # of Pillow, and suffixes; it has others that are vectors, run programs, or hold 16 bits
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, of so many channels
GREY = ("1", "L", "LA", "La")
SIDEWAYS = (5, 6, 7, 8)  # values of EXIF's orientation that swap height and width
ORIENTATION = 0x0112


class Header(NamedTuple):
    """What an image is, before its pixels are read; height and width are those after it is turned."""

    height: int
    width: int
    colour: bool
    alpha: bool
    frames: bool  # more than one, or pages


def read_header(file: str) -> Header:
    """Read the header of a file; the result is kept until the file changes.

    Raises:
        ValueError: for what is no image of 8 bits a channel; it names the file.
    """
    try:
        status = os.stat(file)
    except FileNotFoundError:
        aim = os.readlink(file) if os.path.islink(file) else None
        raise ValueError(f"{file} is a link to {aim}, which is not there" if aim else f"no such file: {file}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{file} is no file, but a pipe, a device or a socket")
    if not status.st_size:
        raise ValueError(f"{file} is empty")
    return _read_header(file, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=2**20)
def _read_header(file: str, time: int, size: int) -> Header:
    del time, size  # they are here for the cache
    with _open_image(file) as opened:
        image: Any = opened  # Pillow's images have more attributes than its types say
        deep = image.mode in ("I", "F") or image.mode.startswith("I;") or any(";16" in str(t[3]) for t in image.tile)
        width, height = image.size
        if image.getexif().get(ORIENTATION) in SIDEWAYS:
            width, height = height, width
        alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
        read = Header(height, width, _has_colours(image), alpha, getattr(image, "is_animated", False))
    if deep:
        raise ValueError(
            f"{file} has more than 8 bits a channel: make it 8 bits, or put its values as floats into an .npz file"
        )
    return read


def _has_colours(image: Image.Image) -> bool:
    """Tell whether there are colours; a palette may have greys alone."""
    if image.mode not in ("P", "PA"):
        return image.mode not in GREY
    palette = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
    return bool((palette != palette[:, :1]).any())


def read_pixels(file: str, channels: int) -> np.ndarray:
    """Read an image uint8 `[H, W, channels]`, turned as EXIF says; of several frames the first.

    Errors are those of `read_header`.
    """
    with _open_image(file) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("P", "PA") and "transparency" in image.info:
            image = image.convert("RGBA")
        array = np.asarray(image.convert(MODES[channels]))
    return array if array.ndim == 3 else array[..., None]


@contextlib.contextmanager
def _open_image(file: str) -> Iterator[Image.Image]:
    """Open an image; what its reader raises, here and in the block, becomes a ValueError that names the file."""
    try:
        with Image.open(file, formats=list(FORMATS)) as image:
            yield image
    except Image.UnidentifiedImageError as error:
        with open(file, "rb") as stream:
            start = stream.read(8)
        raise ValueError(f"{file} is damaged, or no picture: it begins with {start!r}") from error
    except Exception as error:  # whatever foreign bytes make the readers of formats raise
        raise ValueError(f"{file} cannot be read as a picture: {first_line(error)}") from error
