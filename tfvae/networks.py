"""Networks: functions that give a Keras model with a fixed input, for use as an encoder or as a decoder.

With `condition_size=k` a model has two inputs, what it has otherwise and a condition `[B, k]`, which is joined to the
first: to a vector as k further numbers, to an image as k further channels, each the same all over the image. An
encoder and a decoder with conditions make a conditional VAE: Sohn, Lee and Yan 2015, "Learning structured output
representation using deep conditional generative models".
"""

import math

import keras
from keras import layers

from tfvae.distributions import as_shape, as_sizes

__all__ = ["conv", "gated_mlp", "mlp", "resnet"]


def mlp(
    input_shape: int | list[int],
    units: list[int] | tuple[int, ...] = (512, 512),
    activation: str = "relu",
    condition_size: int = 0,
) -> keras.Model:
    """Make dense layers: `[B, *input_shape]` -> features `[B, units[-1]]`.

    Args:
        input_shape: shape of an example or of a latent, an integer or a tuple.
        units: width of each layer; without any the input is the features, and what comes of them is affine.
        activation: Keras' name of the activation.
        condition_size: numbers k of the condition `[B, k]`, a second input; 0 for none.
    """
    inputs, h = _inputs(input_shape, condition_size)
    return keras.Model(inputs, _dense(h, as_sizes(units), activation))


def gated_mlp(
    input_shape: int | list[int],
    units: list[int] | tuple[int, ...] = (300, 300),
    activation: str = "linear",
    condition_size: int = 0,
) -> keras.Model:
    """Make gated dense layers, h = activation(W x + b) * sigmoid(V x + c): `[B, *input_shape]` -> `[B, units[-1]]`.

    Dauphin et al. 2016, arXiv:1612.08083; in VAEs: Tomczak and Welling 2018, arXiv:1705.07120.

    Args:
        input_shape: shape of an example or of a latent, an integer or a tuple.
        units: width of each layer.
        activation: Keras' name of the activation of what is gated.
        condition_size: numbers k of the condition `[B, k]`, a second input; 0 for none.
    """
    inputs, h = _inputs(input_shape, condition_size)
    for width in as_sizes(units):
        h = layers.Multiply()([layers.Dense(width, activation)(h), layers.Dense(width, "sigmoid")(h)])
    return keras.Model(inputs, h)


def conv(
    input_shape: int | list[int],
    filters: list[int] | tuple[int, ...] = (32, 64),
    kernel_size: int = 3,
    strides: int = 2,
    units: list[int] | tuple[int, ...] = (),
    activation: str = "relu",
    output_shape: list[int] | None = None,
    condition_size: int = 0,
    maps: bool = False,
) -> keras.Model:
    """Make strided convolutions.

    An image `[B, H, W, C]` -> features `[B, F]`, or maps, or, with `output_shape`, a latent `[B, n]`, or maps, ->
    feature maps `[B, H, W, filters[0]]` for a likelihood of images `[H, W, C]`.

    Args:
        input_shape: an image's shape (H, W, C), or the latent size, or the shape of a latent that is maps, whose height
            and width are those of the image after all strides.
        filters: channels of each convolution, from the image inwards in both directions, so that an encoder and a
            decoder with the same numbers mirror each other.
        kernel_size: width of the convolutions.
        strides: factor by which each shrinks (encoder) or widens (decoder) height and width.
        units: width of dense layers between convolutions and latent, from the image inwards; of maps, at each position.
        activation: Keras' name of the activation.
        output_shape: for a decoder, the image's shape (H, W, C).
        condition_size: numbers k of the condition `[B, k]`, a second input; 0 for none.
        maps: whether an encoder's features are maps, for a posterior with an arrangement.

    Raises:
        ValueError: when the strides do not divide height and width, or a shape is not that of an image.
    """

    def stage(h, channels, convolution):
        return convolution(channels, kernel_size, strides, padding="same", activation=activation)(h)

    image, inner, latent = _check_image("conv", input_shape, output_shape, filters, strides)
    return _image_network(stage, image, inner, latent, filters, units, activation, condition_size, maps)


def resnet(
    input_shape: int | list[int],
    filters: list[int] | tuple[int, ...] = (32, 64),
    blocks: int = 1,
    kernel_size: int = 3,
    units: list[int] | tuple[int, ...] = (),
    activation: str = "swish",
    output_shape: list[int] | None = None,
    condition_size: int = 0,
    maps: bool = False,
) -> keras.Model:
    """Make stages of a convolution of stride 2 and residual blocks.

    An image `[B, H, W, C]` -> features `[B, F]`, or maps, or, with `output_shape`, a latent `[B, n]`, or maps, ->
    feature maps `[B, H, W, filters[0]]` for a likelihood of images `[H, W, C]`.

    A block adds two convolutions, each after an activation, to its input; the last starts at zero, so that a block
    starts as the identity and the network as `conv`. There is no batch normalisation: examples do not see each other.
    He et al. 2016, arXiv:1603.05027.

    Args:
        input_shape: an image's shape (H, W, C), or the latent size, or the shape of a latent that is maps, whose height
            and width are those of the image after all strides.
        filters: channels of each stage, from the image inwards in both directions, so that an encoder and a decoder
            with the same numbers mirror each other. A stage halves (encoder) or doubles (decoder) height and width.
        blocks: residual blocks of each stage, at least 1.
        kernel_size: width of the convolutions.
        units: width of dense layers between convolutions and latent, from the image inwards; of maps, at each position.
        activation: Keras' name of the activation.
        output_shape: for a decoder, the image's shape (H, W, C).
        condition_size: numbers k of the condition `[B, k]`, a second input; 0 for none.
        maps: whether an encoder's features are maps, for a posterior with an arrangement.

    Raises:
        ValueError: when the stages do not divide height and width, a shape is not that of an image, or there are no
            blocks.
    """
    if blocks < 1:
        raise ValueError(f"blocks must be 1 or more, not {blocks}")

    def stage(h, channels, convolution):
        h = convolution(channels, kernel_size, 2, padding="same")(h)
        for _ in range(blocks):
            change = layers.Activation(activation)(h)
            change = layers.Conv2D(channels, kernel_size, padding="same", activation=activation)(change)
            change = layers.Conv2D(channels, kernel_size, padding="same", kernel_initializer="zeros")(change)
            h = layers.Add()([h, change])
        return layers.Activation(activation)(h)

    image, inner, latent = _check_image("resnet", input_shape, output_shape, filters, 2)
    return _image_network(stage, image, inner, latent, filters, units, activation, condition_size, maps)


def _check_image(name, input_shape, output_shape, filters, strides):
    """Give the shapes of the image, of its maps after all strides, and of the latent, None for an encoder; raise
    ValueError where they do not fit."""
    latent = None if output_shape is None else as_shape(input_shape)
    image, filters = as_shape(input_shape if output_shape is None else output_shape), as_shape(filters)
    if len(image) != 3:
        raise ValueError(f"{name} works on images [height, width, channels], not on shape {image}")
    reduction = strides ** len(filters)
    if image[0] % reduction or image[1] % reduction:
        raise ValueError(
            f"{len(filters)} convolutions of stride {strides} need a height and width that {reduction} divides, "
            f"not {image[0]} x {image[1]}"
        )
    inner = (image[0] // reduction, image[1] // reduction, filters[-1])
    if latent is not None and len(latent) > 1 and latent[:-1] != inner[:-1]:
        raise ValueError(f"latents of shape {latent} are no maps of height and width {inner[0]} x {inner[1]}")
    return image, inner, latent


def _image_network(stage, image, inner, latent, filters, units, activation, condition_size, maps):
    """Make the network that goes through `stage(h, channels, convolution)` for each filter: without a latent shape the
    encoder of images, else the decoder. `convolution` is the Keras layer that shrinks or widens."""
    filters, units = as_shape(filters), as_sizes(units)
    if latent is None:
        inputs, h = _inputs(image, condition_size, maps=True)
        for channels in filters:
            h = stage(h, channels, layers.Conv2D)
        return keras.Model(inputs, _dense(h if maps else layers.Flatten()(h), units, activation))
    of_maps = len(latent) > 1
    inputs, h = _inputs(latent, condition_size, maps=of_maps)
    h = _dense(h, units[::-1], activation)
    h = h if of_maps else layers.Reshape(inner)(_dense(h, (math.prod(inner),), activation))
    for channels in reversed(filters):
        h = stage(h, channels, layers.Conv2DTranspose)
    return keras.Model(inputs, h)


def _dense(h, units, activation):
    for width in units:
        h = layers.Dense(width, activation=activation)(h)
    return h


def _inputs(shape, condition_size, maps=False):
    """Make the inputs of a network, one or two, and what its first layer sees.

    That is all of them as one vector, or, with `maps`, an image with the condition as further channels.
    """
    x = keras.Input(as_shape(shape))  # [B, *shape]
    joined = x if maps else layers.Flatten()(x)
    if condition_size == 0:
        return x, joined
    condition = keras.Input(as_shape(condition_size))  # [B, k]
    further = condition
    if maps:
        height, width, _ = as_shape(shape)
        further = layers.Reshape((height, width, condition_size))(layers.RepeatVector(height * width)(condition))
    return [x, condition], layers.Concatenate()([joined, further])
