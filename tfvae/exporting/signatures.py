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
from tfvae.exporting.table_columns import keep_given, write_columns
from tfvae.imputation import impute_batch
from tfvae.model import VAE
from tfvae.programs import program
from tfvae.tables import Schema

__all__ = ["Signature", "make_signatures"]

ODD_COLUMNS = 3  # of a row, that are named at most
SEED = inputs.Form("", [tf.TensorSpec([None, 2], tf.int32, "seed")], lambda seed: seed)


class Signature(NamedTuple):
    """A function of inputs as `specs` has them -> dict of outputs `[B, ...]`."""

    function: Callable
    specs: list


class _Answer(NamedTuple):
    """What a signature is made of.

    Attributes:
        function: of tensors as the VAE takes them, one for each of `forms`, and a condition -> dict of outputs.
        forms: the forms of each input, but for conditions.
        finish: what is answered, a function of the outputs, and of the checked inputs of the first form.
    """

    function: Callable[..., dict[str, tf.Tensor]]
    forms: list[list[inputs.Form]]
    finish: Callable[[dict[str, tf.Tensor], list[tf.Tensor]], dict[str, tf.Tensor]] = lambda outputs, given: outputs


def make_signatures(
    vae: VAE, elbo_samples: int, samples: int, jit_compile: bool, anomaly: evaluation.Scorer | None = None
) -> dict[str, dict[str, Signature]]:
    """Make the signatures of each servable: servable -> {name: Signature}, the default first; arguments as `export`."""
    conditions = inputs.condition_forms(vae)
    found: dict[str, dict[str, Signature]] = {}
    for servable, answers in _make_answers(vae, elbo_samples, samples, anomaly).items():
        found[servable] = {}
        for name, answer in answers.items():
            # traced once for all forms
            run = program(answer.function, autograph=False, jit_compile=jit_compile or None)
            for forms in itertools.product(*answer.forms, *([conditions] if conditions else [])):
                suffix = "".join(form.suffix for form in forms)
                found[servable][name + suffix] = _signature(run, forms, answer.finish)
    return found


def _make_answers(
    vae: VAE, elbo_samples: int, samples: int, anomaly: evaluation.Scorer | None
) -> dict[str, dict[str, _Answer]]:
    """Make what signatures are made of: servable -> name -> answer, the default first."""

    def encode(x, *condition):
        posterior = vae.encode(_pair(x, condition))
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    def sample(x, seed, *condition):
        return {"z": vae.encode(_pair(x, condition)).sample(seed=seed)}

    def decode(z, *condition):
        return {"mean": vae.decode(z, *condition).mean()}

    def generate(seed, condition=None):
        return {"samples": vae.sample(1, condition, seed)}

    def score(x, seed, *condition):
        terms = objectives.ELBO(samples=elbo_samples)(vae.given(_pair(x, condition), seed=seed))
        return {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    def reconstruct(x, *condition):
        return {"mean": vae(_pair(x, condition))}

    def log_marginal(x, seed, *condition):
        return {"log_marginal": evaluation.log_marginal_of_batch(vae, samples, _pair(x, condition), seed)[0]}

    data = inputs.data_forms(vae)
    z = [inputs.Form("", [tf.TensorSpec([None, *vae.posterior.event_shape], tf.float32, "z")], lambda z: z)]
    answers = {
        "encoder": {"encode": _Answer(encode, [data]), "sample": _Answer(sample, [data, [SEED]])},
        "decoder": {"decode": _Answer(decode, [z]), "generate": _Answer(generate, [[SEED]])},
        "scorer": {
            "score": _Answer(score, [data, [SEED]]),
            "reconstruct": _Answer(reconstruct, [data]),
            "log_marginal": _Answer(log_marginal, [data, [SEED]]),
        },
    }
    if anomaly is not None:
        answers["scorer"]["anomaly"] = _make_anomaly(vae, anomaly, data)
    schema = vae.preprocessor_view.schema
    of_rows = {} if schema is None else _make_answers_of_rows(vae, schema, samples, data, z)
    return {servable: found | of_rows.get(servable, {}) for servable, found in answers.items()}


def _make_answers_of_rows(
    vae: VAE, schema: Schema, samples: int, data: list[inputs.Form], z: list[inputs.Form]
) -> dict[str, dict[str, _Answer]]:
    """Make what answers rows of a table, in place of x, and what only tables have: as `_make_answers`."""

    def rows(distribution):
        return {"x": vae.likelihood.value_of(vae.likelihood.summary(distribution))}

    def decode(z, *condition):
        return rows(vae.decode(z, *condition))

    def generate(seed, condition=None):
        return {"x": vae.sample(1, condition, seed, mean=False)}

    def reconstruct(x, *condition):
        center = vae.posterior.center(vae.encode(_pair(x, condition)))
        return rows(vae.decode(center, *condition))

    def impute(x, *condition):
        return {"x": impute_batch(vae, _pair(x, condition), samples)}

    write = program(lambda outputs: write_columns(schema, outputs["x"]), autograph=False)

    def write_drawn(outputs):
        return write_columns(schema, outputs["x"], gaps=True) if vae.likelihood.missing else write(outputs)

    return {
        "decoder": {
            "decode": _Answer(decode, [z], lambda outputs, _: write(outputs)),
            "generate": _Answer(generate, [[SEED]], lambda outputs, _: write_drawn(outputs)),
        },
        "scorer": {
            "reconstruct": _Answer(reconstruct, [data], lambda outputs, _: write(outputs)),
            "impute": _Answer(impute, [data], lambda outputs, given: keep_given(schema, given, write(outputs))),
        },
    }


def _make_anomaly(vae: VAE, scorer: evaluation.Scorer, data: list[inputs.Form]) -> _Answer:
    """Make what tells how odd an example is: score, whether that is beyond the threshold, and terms of the elements.

    Of a table the oddest columns are named too, the oddest first, as far as they are odder than is typical.
    """
    schema = vae.preprocessor_view.schema

    def anomaly(x, *condition):
        found = scorer(vae, x, *condition)
        return {"score": found["score"], "flag": found["flag"], "terms": found["columns"]}

    if schema is None:
        return _Answer(anomaly, [data])
    names = schema.names

    def name_columns(outputs, _):
        terms, index = tf.math.top_k(outputs["terms"], min(ODD_COLUMNS, len(names)))  # [B, k]
        odd = tf.where(terms > 0, tf.gather(tf.constant(names), index), "")
        joined = tf.strings.reduce_join(odd, axis=-1, separator=", ")
        return outputs | {"odd_columns": tf.strings.regex_replace(joined, "(, )+$", "")}

    return _Answer(anomaly, [data], name_columns)


def _pair(x, condition):
    """Pair x with its condition, of a list of one, or of none."""
    return (x, *condition) if condition else x


def _signature(run, forms, finish):
    """Make the `Signature` of these forms, of a function of the VAE; one that draws noise takes its rows one by one."""
    specs = [spec for form in forms for spec in form.specs]
    gaps = [form.gaps for form in forms for _ in form.specs]

    def answer(*values):
        left = iter(inputs.check_inputs(values, specs, gaps))
        checked = [list(itertools.islice(left, len(form.specs))) for form in forms]
        given = [form.load(*its) for form, its in zip(forms, checked, strict=True)]
        outputs = _each_row(run, given, forms.index(SEED)) if SEED in forms else dict(run(*given))
        return finish(outputs, checked[0])

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
