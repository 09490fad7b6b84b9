"""Pictures of a training, one after the other, as a GIF."""

import os
import pathlib
from collections.abc import Sequence

from PIL import Image

from tfvae import files
from tfvae.compatibility import NotApplicable

__all__ = ["animation"]


def animation(pictures: Sequence[str | os.PathLike], path: str | os.PathLike, milliseconds: int = 400) -> pathlib.Path:
    """Write image files as one GIF that repeats for ever, its last picture longer; return the path.

    Args:
        pictures: their paths, in order, at least 2.
        path: of the GIF, written beside and renamed.
        milliseconds: that a picture stays.
    """
    if len(pictures) < 2:
        raise NotApplicable(
            f"it takes 2 pictures of the training or more, and {len(pictures)} were kept: "
            "fit.callbacks: [{Pictures: {every: 1}}] keeps one of each epoch"
        )
    frames: list[Image.Image] = []
    for picture in pictures:
        with Image.open(picture) as image:
            frame = image.convert("RGB")
        if frames and frame.size != frames[0].size:  # a GIF's frames have one size
            frame = frame.resize(frames[0].size)
        frames.append(frame)
    frames = [frame.quantize(16, dither=Image.Dither.NONE) for frame in frames]  # greys; 64 take twice the space
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    durations = [milliseconds] * (len(frames) - 1) + [4 * milliseconds]
    with files.beside(path) as partial:
        frames[0].save(partial, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path
