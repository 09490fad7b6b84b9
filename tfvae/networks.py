"""Networks: functions that give a Keras model with a fixed input, for use as an encoder or as a decoder."""

import math

import keras
from keras import layers

from tfvae.distributions import as_shape

__all__ = ["conv", "mlp"]


def mlp(input_shape: int | list[int], units: list[int] = (512, 512), activation: str = "relu") -> keras.Model:
    """Dense layers: `[B, *input_shape]` -> features `[B, units[-1]]`.

    Args:
        input_shape: shape of an example or of a latent, an integer or a tuple.
        units: width of each layer.
        activation: Keras' name of the activation.
    """
    hidden = [layers.Dense(width, activation=activation) for width in as_shape(units)]
    return keras.Sequential([keras.Input(as_shape(input_shape)), layers.Flatten(), *hidden])


def conv(
    input_shape: int | list[int],
    filters: list[int] = (32, 64),
    kernel_size: int = 3,
    strides: int = 2,
    units: list[int] = (),
    activation: str = "relu",
    output_shape: list[int] | None = None,
) -> keras.Model:
    """Strided convolutions. An image `[B, H, W, C]` -> features `[B, F]`, or, with `output_shape`, a latent `[B, n]`
    -> feature maps `[B, H, W, filters[0]]` for a likelihood of images `[H, W, C]`.

    Args:
        input_shape: an image's shape (H, W, C), or the latent size.
        filters: channels of each convolution, from the image inwards in both directions, so that an encoder and a
            decoder with the same numbers mirror each other.
        kernel_size: width of the convolutions.
        strides: factor by which each shrinks (encoder) or widens (decoder) height and width.
        units: width of dense layers between convolutions and latent, from the image inwards.
        activation: Keras' name of the activation.
        output_shape: for a decoder, the image's shape (H, W, C).

    Raises:
        ValueError: when the strides do not divide height and width, or a shape is not that of an image.
    """
    image = as_shape(input_shape if output_shape is None else output_shape)
    if len(image) != 3:
        raise ValueError(f"conv works on images [height, width, channels], not on shape {image}")
    reduction = strides ** len(filters)
    if image[0] % reduction or image[1] % reduction:
        raise ValueError(
            f"{len(filters)} convolutions of stride {strides} need a height and width that {reduction} divides, "
            f"not {image[0]} x {image[1]}"
        )
    options = {"strides": strides, "padding": "same", "activation": activation}
    if output_shape is None:
        convolutions = [layers.Conv2D(channels, kernel_size, **options) for channels in filters]
        dense = [layers.Dense(width, activation=activation) for width in units]
        return keras.Sequential([keras.Input(image), *convolutions, layers.Flatten(), *dense])
    inner = (image[0] // reduction, image[1] // reduction, filters[-1])
    dense = [layers.Dense(width, activation=activation) for width in (*reversed(units), math.prod(inner))]
    convolutions = [layers.Conv2DTranspose(channels, kernel_size, **options) for channels in reversed(filters)]
    return keras.Sequential([keras.Input(as_shape(input_shape)), *dense, layers.Reshape(inner), *convolutions])
