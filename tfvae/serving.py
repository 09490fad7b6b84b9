"""Export of a VAE as SavedModels for TF Serving: the servables `encoder`, `decoder` and `scorer`."""

import os
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from tfvae import random

__all__ = ["export"]

CHECK_EXAMPLES = 4


def export(vae, folder):
    """Writes each servable under a new version number, `folder/{encoder,decoder,scorer}/<version>/`.

    - `encoder`: `encode` x -> mean, stddev `[B, n]`; `sample` x, seed -> z `[B, n]`.
    - `decoder`: `decode` z `[B, n]` -> mean `[B, *event]`; `generate` count int32 `[]`, seed -> samples
      `[count, *event]`, which are means E[p(x|z)].
    - `scorer`: `score` x, seed -> elbo, reconstruction, kl `[B]`, nats; `reconstruct` x -> mean `[B, *event]`.

    The first signature of each is its `serving_default` too. x is data as the model was trained on: uint8 pixels for
    the preprocessors of tfvae, else float32. seed is int32 `[2]`; the same seed gives the same numbers. The mean and
    stddev of a posterior that has no closed ones are estimates; those of the others are exact.

    All signatures of a conditional VAE take `condition` `[B, k]` float32 too; `generate` then draws one sample for each
    row, and takes no count.

    In `assets.extra/check.npz` of each version lie inputs and the model's own outputs, for `export/check.py`. All is
    written beside and renamed: no server ever sees a part of a version.

    Returns:
        dict of paths, one per servable.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    version = 1 + max([int(path.name) for path in folder.glob("*/*") if path.name.isdigit()], default=0)
    paths, servables = {}, _servables(vae)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as beside:
        for name, functions in servables.items():
            _save(pathlib.Path(beside) / name, functions)
        for name in servables:
            paths[name] = folder / name / str(version)
            paths[name].parent.mkdir(exist_ok=True)
            os.rename(pathlib.Path(beside) / name, paths[name])
    return paths


def _servables(vae):
    """name -> {signature: (function, specs of its arguments)}; the first is the default."""
    x = tf.TensorSpec([None, *vae.likelihood.event_shape], vae.data_dtype, "x")
    z = tf.TensorSpec([None, *vae.posterior.event_shape], tf.float32, "z")
    seed = tf.TensorSpec([2], tf.int32, "seed")
    count = tf.TensorSpec([], tf.int32, "count")
    conditions = [tf.TensorSpec([None, vae.condition_size], tf.float32, "condition")] if vae.condition_size else []

    def loaded(x, condition):  # condition: a list of one, or of none
        return (x, *condition) if condition else x

    def encode(x, *condition):
        posterior = vae.encode(loaded(x, condition))
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    def sample(x, seed, *condition):
        return {"z": vae.encode(loaded(x, condition)).sample(seed=seed)}

    def decode(z, *condition):
        return {"mean": vae.decode(z, *condition).mean()}

    def generate(count, seed):
        return {"samples": vae.sample(count, seed=seed)}

    def generate_given(seed, condition):
        return {"samples": vae.sample(tf.shape(condition)[0], condition, seed)}

    def score(x, seed, *condition):
        terms = vae.objective(*vae.given(loaded(x, condition)), 0, seed)
        return {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    def reconstruct(x, *condition):
        return {"mean": vae(loaded(x, condition))}

    generating = (generate_given, [seed, *conditions]) if conditions else (generate, [count, seed])
    return {
        "encoder": {"encode": (encode, [x, *conditions]), "sample": (sample, [x, seed, *conditions])},
        "decoder": {"decode": (decode, [z, *conditions]), "generate": generating},
        "scorer": {"score": (score, [x, seed, *conditions]), "reconstruct": (reconstruct, [x, *conditions])},
    }


def _save(path, functions):
    """One SavedModel, and what the model itself answers to an example of each signature."""
    signatures, check = {}, {}
    for name, (function, specs) in functions.items():
        signatures[name] = tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        inputs = {spec.name: _example(spec) for spec in specs}
        outputs = function(*inputs.values())
        for label in (name, "serving_default") if len(signatures) == 1 else (name,):
            signatures[label] = signatures[name]
            check |= {f"{label}/inputs/{key}": value.numpy() for key, value in inputs.items()}
            check |= {f"{label}/outputs/{key}": value.numpy() for key, value in outputs.items()}
    module = tf.Module()  # the Session loader needs the tf.Variables themselves, not those of Keras
    module.weights = [variable for signature in signatures.values() for variable in signature.variables]
    tf.saved_model.save(module, str(path), signatures=signatures)
    (path / "assets.extra").mkdir()
    np.savez_compressed(path / "assets.extra" / "check.npz", **check)


def _example(spec):
    """A tensor that a signature takes, drawn from fixed noise."""
    shape = [CHECK_EXAMPLES if size is None else size for size in spec.shape]
    seed = random.seed(0, random.Stream.SAMPLING)
    if spec.name == "seed":
        return seed
    if spec.name == "count":
        return tf.constant(CHECK_EXAMPLES)
    flat = [shape[0], int(np.prod(shape[1:]))]
    if spec.dtype == tf.uint8:
        return tf.reshape(tf.cast(256 * random.uniform(flat, seed), tf.uint8), shape)
    return tf.reshape(random.normal(flat, seed), shape)
