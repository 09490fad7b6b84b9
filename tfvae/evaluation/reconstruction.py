"""How far reconstructions are from what they are of."""

from typing import Any

import tensorflow as tf

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.model import VAE

__all__ = ["squared_error"]

NOTHING = -1.0  # stands for the error of an example of which nothing is observed


def squared_error(vae: VAE, data: Any, verbose: int = 0) -> Estimate:
    """Estimate the mean squared error of reconstructions, over the dimensions of x; not in nats.

    A reconstruction is E[p(x|z)] at the center of q(z|x), as `predict` gives it. Where elements of x are missing, NaN,
    it is the mean over the others; an example that has none of them is left out.

    Args:
        vae: the model.
        data: `tf.data` of batches as loaded, or an array `[N, ...]`; of a conditional VAE, of pairs, or a pair.
        verbose: 1 shows a progress bar.

    Raises:
        NotApplicable: of rows of a table; or when all elements of all examples are missing.
    """
    if vae.preprocessor_view.schema is not None:
        raise NotApplicable(
            "the columns of a table have units of their own: evaluation.column_quality compares each in its own"
        )
    values = over_batches(vae, _squared_error, data, 0, verbose)[0]
    values = values[values != NOTHING]
    if not len(values):
        raise NotApplicable("all elements of x are missing")
    return Estimate(values)


def _squared_error(vae, _, batch, key):
    del key  # nothing is drawn
    given = vae.given(batch)
    there = ~tf.math.is_nan(given.x)
    difference = given.decode(vae.posterior.center(given.posterior)).mean() - given.x
    squares, counts = (
        tf.reduce_sum(tf.reshape(values, [given.x.shape[0], -1]), axis=1)  # [B]
        for values in (tf.where(there, difference**2, 0.0), tf.cast(there, tf.float32))
    )
    return tf.where(counts > 0, squares / tf.maximum(counts, 1.0), NOTHING)[None]  # [1, B]
