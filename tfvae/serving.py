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
    the preprocessors of tfvae, else float32. seed is int32 `[2]`; the same seed gives the same numbers.

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
        for name, (parts, functions) in servables.items():
            _save(pathlib.Path(beside) / name, parts, functions, vae)
        for name in servables:
            paths[name] = folder / name / str(version)
            paths[name].parent.mkdir(exist_ok=True)
            os.rename(pathlib.Path(beside) / name, paths[name])
    return paths


def _servables(vae):
    """name -> (the parts it holds, {signature: (function, specs of its arguments)}); the first is the default."""
    x = tf.TensorSpec([None, *vae.likelihood.event_shape], vae.data_dtype, "x")
    z = tf.TensorSpec([None, *vae.posterior.event_shape], tf.float32, "z")
    seed = tf.TensorSpec([2], tf.int32, "seed")
    count = tf.TensorSpec([], tf.int32, "count")

    def encode(x):
        posterior = vae.encode(x)
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    def score(x, seed):
        event = vae.preprocess(x)
        terms = vae.objective(event, vae.infer(event), vae.prior.distribution(), vae.decode, 0, seed)
        return {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    encoder = [vae.preprocessor, vae.encoder, vae.posterior]
    decoder = [vae.prior, vae.decoder, vae.likelihood]
    return {
        "encoder": (
            encoder,
            {"encode": (encode, [x]), "sample": (lambda x, seed: {"z": vae.encode(x).sample(seed=seed)}, [x, seed])},
        ),
        "decoder": (
            decoder,
            {
                "decode": (lambda z: {"mean": vae.decode(z).mean()}, [z]),
                "generate": (lambda count, seed: {"samples": vae.sample(count, seed)}, [count, seed]),
            },
        ),
        "scorer": (
            encoder + decoder,
            {"score": (score, [x, seed]), "reconstruct": (lambda x: {"mean": vae(x)}, [x])},
        ),
    }


def _save(path, parts, functions, vae):
    """One SavedModel, and what the model itself answers to an example of each signature."""
    module = tf.Module()
    module.weights = [
        variable.value for part in parts for variable in part.variables
    ]  # the Session loader needs tf.Variables
    signatures, check = {}, {}
    default = next(iter(functions.values()))
    for name, (function, specs) in {"serving_default": default, **functions}.items():
        signatures[name] = tf.function(function, input_signature=specs, autograph=False)
        inputs = {spec.name: _example(spec) for spec in specs}
        outputs = function(*inputs.values())
        check |= {f"{name}/inputs/{key}": value.numpy() for key, value in inputs.items()}
        check |= {f"{name}/outputs/{key}": value.numpy() for key, value in outputs.items()}
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
