"""What each servable answers: its signatures, functions of checked inputs.

Every input and output has one row for each example, seeds too. So requests can be batched, and what an example is
answered does not depend on the others in its batch.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfvae import evaluation, objectives
from tfvae.serving import inputs

__all__ = ["SERVABLES", "Signature", "of"]

SERVABLES = ("encoder", "decoder", "scorer")
SEED = tf.TensorSpec([None, 2], tf.int32, "seed")


class Signature(NamedTuple):
    """A function of inputs as `specs` has them -> dict of outputs `[B, ...]`."""

    function: Callable
    specs: list


def of(vae, elbo_samples, samples, jit_compile):
    """servable -> {name: Signature}; the first of each servable is its default. Arguments as for `serving.export`."""

    def loaded(x, condition):  # condition: a list of one, or of none
        return (x, *condition) if condition else x

    def encode(x, *condition):
        posterior = vae.encode(loaded(x, condition))
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    def sample(x, seed, *condition):
        return {"z": vae.encode(loaded(x, condition)).sample(seed=seed)}

    def decode(z, *condition):
        return {"mean": vae.decode(z, *condition).mean()}

    def generate(seed, *condition):
        return {"samples": vae.sample(1, *condition, seed=seed)}

    def score(x, seed, *condition):
        terms = objectives.ELBO(samples=elbo_samples)(*vae.given(loaded(x, condition)), 0, seed)
        return {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    def reconstruct(x, *condition):
        return {"mean": vae(loaded(x, condition))}

    def log_marginal(x, seed, *condition):
        estimate = tf.function(evaluation.log_marginal_of_batch)  # whose loop is Python's
        return {"log_marginal": estimate(vae, samples, loaded(x, condition), seed)[0]}

    z = inputs.Form("", tf.TensorSpec([None, *vae.posterior.event_shape], tf.float32, "z"), lambda z: z)
    data = inputs.data_of(vae)
    servables = {
        "encoder": {"encode": (encode, data, False), "sample": (sample, data, True)},
        "decoder": {"decode": (decode, [z], False), "generate": (generate, [None], True)},
        "scorer": {
            "score": (score, data, True),
            "reconstruct": (reconstruct, data, False),
            "log_marginal": (log_marginal, data, True),
        },
    }
    return {
        servable: {
            name + "".join(form.suffix for form in (first, condition) if form): _signature(
                function, first, seeded, condition, jit_compile
            )
            for name, (function, forms, seeded) in functions.items()
            for first in forms
            for condition in inputs.conditions_of(vae)
        }
        for servable, functions in servables.items()
    }


def _signature(function, first, seeded, condition, jit_compile):
    """A function of the VAE -> the `Signature` of these forms; one that draws noise takes its rows one by one."""
    specs = [*([first.spec] if first else []), *([SEED] if seeded else []), *([condition.spec] if condition else [])]
    makers = [
        *([first.loaded] if first else []),
        *([None] if seeded else []),
        *([condition.loaded] if condition else []),
    ]
    program = tf.function(function, autograph=False, jit_compile=jit_compile or None)

    def answer(*values):
        values = inputs.checked(values, specs)
        values = [make(value) if make else value for make, value in zip(makers, values, strict=True)]
        return _each_row(program, values, specs.index(SEED)) if seeded else dict(program(*values))

    return Signature(answer, specs)


def _each_row(function, values, seed):
    """function of one row `[1, ...]` each, and of a seed `[2]` -> its outputs, for all rows."""

    def of_row(row):
        outputs = function(*(part if i == seed else part[None] for i, part in enumerate(row)))
        return {name: output[0] for name, output in outputs.items()}

    row = [tf.TensorSpec(value.shape[1:], value.dtype) for value in values]
    outputs = tf.function(lambda *row: of_row(row), input_signature=row, autograph=False).get_concrete_function()
    specs = {name: tf.TensorSpec(out.shape, out.dtype) for name, out in outputs.structured_outputs.items()}
    return tf.map_fn(of_row, values, fn_output_signature=specs)
