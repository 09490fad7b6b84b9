"""Latent units one by one: which distributions over latents are of independent normals."""

import functools

from tensorflow_probability import distributions as tfd

__all__ = ["units_of"]


@functools.singledispatch
def units_of(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Give a distribution over latents `[n]` as n independent normals; None where it is not made of such.

    A class of distributions that is registers itself, as with TFP's `RegisterKL`: `@units_of.register`.

    Returns:
        `tfd.Normal`, batch `[..., n]`, event `[]`; or None.
    """
    return None
