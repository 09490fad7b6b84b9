"""What each servable answers: its signatures, functions of checked inputs.

Every input and output has one row for each example, seeds too. So requests can be batched, and what an example is
answered does not depend on the others in its batch.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfvae import evaluation, objectives
from tfvae.exporting import inputs
from tfvae.model import VAE
from tfvae.programs import program

__all__ = ["Signature", "make_signatures"]

SEED = inputs.Form("", tf.TensorSpec([None, 2], tf.int32, "seed"), lambda seed: seed)


class Signature(NamedTuple):
    """A function of inputs as `specs` has them -> dict of outputs `[B, ...]`."""

    function: Callable
    specs: list


def make_signatures(vae: VAE, elbo_samples: int, samples: int, jit_compile: bool) -> dict[str, dict[str, Signature]]:
    """Make the signatures of each servable: servable -> {name: Signature}, the default first; arguments as `export`."""

    def pair(x, condition):  # a list of one condition, or of none
        return (x, *condition) if condition else x

    def encode(x, *condition):
        posterior = vae.encode(pair(x, condition))
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    def sample(x, seed, *condition):
        return {"z": vae.encode(pair(x, condition)).sample(seed=seed)}

    def decode(z, *condition):
        return {"mean": vae.decode(z, *condition).mean()}

    def generate(seed, condition=None):
        return {"samples": vae.sample(1, condition, seed)}

    def score(x, seed, *condition):
        terms = objectives.ELBO(samples=elbo_samples)(vae.given(pair(x, condition), seed=seed))
        return {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    def reconstruct(x, *condition):
        return {"mean": vae(pair(x, condition))}

    def log_marginal(x, seed, *condition):
        return {"log_marginal": evaluation.log_marginal_of_batch(vae, samples, pair(x, condition), seed)[0]}

    z = inputs.Form("", tf.TensorSpec([None, *vae.posterior.event_shape], tf.float32, "z"), lambda z: z)
    data, conditions = inputs.data_forms(vae), inputs.condition_forms(vae)
    servables: dict[str, dict[str, tuple[Callable, list]]] = {  # name -> (function, the forms of each of its inputs)
        "encoder": {"encode": (encode, [data]), "sample": (sample, [data, [SEED]])},
        "decoder": {"decode": (decode, [[z]]), "generate": (generate, [[SEED]])},
        "scorer": {
            "score": (score, [data, [SEED]]),
            "reconstruct": (reconstruct, [data]),
            "log_marginal": (log_marginal, [data, [SEED]]),
        },
    }
    found: dict[str, dict[str, Signature]] = {servable: {} for servable in servables}
    for servable, functions in servables.items():
        for name, (function, choices) in functions.items():
            # traced once for all forms
            run = program(function, autograph=False, jit_compile=jit_compile or None)
            for forms in itertools.product(*choices, *([conditions] if conditions else [])):
                found[servable][name + "".join(form.suffix for form in forms)] = _signature(run, forms)
    return found


def _signature(run, forms):
    """Make the `Signature` of these forms, of a function of the VAE; one that draws noise takes its rows one by one."""
    specs = [form.spec for form in forms]

    def answer(*values):
        given = [form.load(value) for form, value in zip(forms, inputs.check_inputs(values, specs), strict=True)]
        return _each_row(run, given, forms.index(SEED)) if SEED in forms else dict(run(*given))

    return Signature(answer, specs)


def _each_row(function, values, seed):
    """Map a function of one row `[1, ...]` each, and of a seed `[2]`, over all rows: its outputs."""

    def of_row(row):
        outputs = function(*(part if i == seed else part[None] for i, part in enumerate(row)))
        return {name: output[0] for name, output in outputs.items()}

    one = [tf.TensorSpec(v.shape[1:] if i == seed else [1, *v.shape[1:]], v.dtype) for i, v in enumerate(values)]
    outputs = function.get_concrete_function(*one).structured_outputs
    specs = {name: tf.TensorSpec(output.shape[1:], output.dtype) for name, output in outputs.items()}
    return tf.map_fn(of_row, values, fn_output_signature=specs)
