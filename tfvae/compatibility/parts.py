"""Whether the parts of a VAE fit each other: errors that name both sides."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.compatibility.protocol import VAELike
from tfvae.layers import walk_layers

__all__ = ["bounds_of_x", "check_adapted", "check_format", "check_parts", "decoder_input"]


def check_parts(vae: VAELike) -> None:
    """Check that the shapes of all parts fit.

    Raises:
        ValueError: when those of two parts do not; it names both.
    """
    latents = vae.posterior.event_shape
    if len(latents) != 1:
        raise ValueError(
            f"latents are vectors, but the posterior gives latents of shape {latents}: of those that take an "
            "arrangement, such as DiagonalNormal, they are its numbers"
        )
    _check_network("encoder", vae.encoder, "features, of which the posterior makes the parameters of q(z|x)")
    _check_network("decoder", vae.decoder, "features, of which the likelihood makes the parameters of p(x|z)")
    features = tuple(vae.encoder.output_shape[1:])
    arrangement = vae.posterior.arrangement
    if len(features) > 1 and (len(arrangement) == 1 or features[:-1] != arrangement[:-1]):
        latents_are = "vectors" if len(arrangement) == 1 else f"arranged as {arrangement}"
        raise ValueError(
            f"the encoder gives maps of shape {features}, but latents are {latents_are}: end it with "
            "keras.layers.Flatten() or GlobalAveragePooling2D(), or give the posterior an arrangement of this height "
            "and width"
        )
    event = vae.likelihood.event_shape
    seen = tuple(vae.preprocessor_view.seen_shape(event))
    shown = "likelihood models events of" if seen == event else "preprocessor shows it"
    pairs = (
        ("encoder takes", _input_shapes(vae.encoder)[0], shown, seen),
        ("prior has latents of", vae.prior.event_shape, "posterior gives latents of", latents),
        ("decoder takes", decoder_input(vae), "prior shows the decoder latents of", _shown(vae)),
        *(
            (f"{name} takes conditions of", _input_shapes(network)[1], "VAE those of", (vae.condition_size,))
            for name, network in (("encoder", vae.encoder), ("decoder", vae.decoder))
        ),
    )
    for name, shape, other, expected in pairs:
        if tuple(shape) != tuple(expected):
            raise ValueError(f"the {name} shape {tuple(shape)}, but the {other} shape {tuple(expected)}")


def decoder_input(vae: VAELike) -> tuple[int, ...]:
    """Give the shape in which the decoder takes a latent: a vector's `(n,)`, or that of maps."""
    return _input_shapes(vae.decoder)[0]


def _shown(vae: VAELike) -> tuple[int, ...]:
    """Give the shape in which the decoder must take a latent: the posterior's arrangement, if it takes maps."""
    maps = len(decoder_input(vae)) > 1 and len(vae.posterior.arrangement) > 1
    return vae.posterior.arrangement if maps else vae.prior.decoder_shape


def bounds_of_x(vae: VAELike) -> tuple[float | None, float | None]:
    """Give the lowest and the highest number that x may have, as preprocessor and likelihood say it; None where neither
    does."""
    of_parts = (vae.preprocessor_view.bounds, vae.likelihood.bounds)
    lows, highs = ([value for value in values if value is not None] for values in zip(*of_parts, strict=True))
    return max(lows, default=None), min(highs, default=None)


def check_format(found: int, known: int) -> None:
    """Check that a saved VAE has the format that this tfvae reads; raise ValueError otherwise."""
    if found != known:
        raise ValueError(
            f"the saved VAE has format {found}, and this tfvae reads format {known}: load it with the tfvae that "
            "saved it, or train it anew"
        )


def check_adapted(vae: VAELike) -> None:
    """Check that Keras' `Normalization` layers of the preprocessor were adapted: else they leave all as it is.

    Raises:
        ValueError: when one was not.
    """
    for layer in walk_layers(vae.preprocessor):
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            if not np.any(tf.convert_to_tensor(layer.adapt_mean)):
                how = "call vae.adapt(data)" if layer is vae.preprocessor else "call its own adapt(data)"
                raise ValueError(f"the preprocessor's Normalization was not adapted to the data: {how} first")


def _check_network(name: str, network: keras.Model, gives: str) -> None:
    """Check that a network has fixed inputs, and one output."""
    try:
        shapes = network.input_shape, network.output_shape
    except AttributeError:
        raise ValueError(
            f"the {name} {type(network).__name__} has no fixed input and output: make it a keras.Sequential or "
            "functional keras.Model that begins with keras.Input(shape); a subclassed model can be called in one"
        ) from None
    if not isinstance(shapes[1], tuple):
        raise ValueError(
            f"the {name} has {len(shapes[1])} outputs: give it one, {gives}; leave out layers for means, variances and "
            "samples"
        )


def _input_shapes(network: keras.Model) -> list[tuple[int, ...]]:
    """Give the shapes that a network takes, without batch: of its input, and of conditions, (0,) where it has none."""
    shapes = network.input_shape if isinstance(network.input_shape, list) else [network.input_shape]
    return [tuple(shape[1:]) for shape in shapes] + [(0,)] * (2 - len(shapes))
