"""Latent units one by one: which distributions over latents are of independent normals."""

import functools

from tensorflow_probability import distributions as tfd

__all__ = ["independent_units", "units_of"]


@functools.singledispatch
def units_of(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Give a distribution over latents `[n]` as n independent normals; None where it is not made of such.

    A class of distributions that is registers itself, as with TFP's `RegisterKL`: `@units_of.register`.

    Returns:
        `tfd.Normal`, batch `[..., n]`, event `[]`; or None.
    """
    return None


def independent_units(*latents: tfd.Distribution) -> list[tfd.Distribution]:
    """Give each distribution over latents `[n]` as n independent normals, batch `[..., n]`, event `[]`.

    Raises:
        ValueError: when one is not known to have independent units; it names the distributions.
    """
    units = [units_of(distribution) for distribution in latents]
    if None in units:
        names = " and ".join(type(distribution).__name__ for distribution in latents)
        raise ValueError(
            f"latent units are measured one by one here, which {names} cannot give: "
            "take the posterior DiagonalNormal with the prior StandardNormal"
        )
    return units
