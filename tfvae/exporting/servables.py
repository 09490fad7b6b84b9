"""`export`: a VAE as SavedModels for TensorFlow Serving, the servables `encoder`, `decoder` and `scorer`.

- `encoder`: `encode` x -> mean, stddev `[B, n]`; `sample` x, seed -> z `[B, n]`.
- `decoder`: `decode` z `[B, n]` -> mean `[B, *event]`; `generate` seed -> samples `[B, *event]`, one for each seed,
  which are means E[p(x|z)].
- `scorer`: `score` x, seed -> elbo, reconstruction, kl `[B]`, nats; `reconstruct` x -> mean `[B, *event]`;
  `log_marginal` x, seed -> log_marginal `[B]`, nats, importance-sampled.

The first signature of each is its `serving_default` too. x is data as the model was trained on: uint8 pixels for
the preprocessors of tfvae, else float32. Of pixels each signature has two further forms: `encode_float` takes x
float32 in [0, 1], and `encode_image` takes image_bytes `[B]`, PNG or JPEG files. seed is int32 `[B, 2]`, one for
each example; the same seed gives the same numbers, whatever else is in the batch. The mean and stddev of a
posterior that has no closed ones are estimates; those of the others are exact.

All signatures of a conditional VAE take `condition` `[B, k]` float32 too, and in a further form, `encode_label`,
label int32 `[B]` in its place. Inputs are checked in the graph: shape, finite numbers, range.

Of a VAE of a table, whose preprocessor has its schema, x is an input for each column, `[B]`: text, and dates (ISO
8601), as strings, "" where missing; all else as numbers, NaN where missing. Rows are answered so too: `decode` and
`reconstruct` give the value that stands for p(x|z), `generate` draws a row, and `impute`, a further signature of
the scorer, fills gaps as `VAE.impute` does, but with the same noise for all rows, so that it takes no seed.
`model.json` has the `schema`, and in `columns` the column of each input.
"""

import datetime
import os
import pathlib
from typing import Any

import filelock

from tfvae import evaluation, files, progress
from tfvae.exporting import half_precision, saved_model, signatures
from tfvae.exporting.table_columns import name_columns
from tfvae.extras import check_extra
from tfvae.model import VAE

__all__ = ["export"]

FORMAT = 1  # of servables: what their signatures take and answer, and what model.json holds
DTYPES = ("float32", "float16", "bfloat16")


def export(
    vae: VAE,
    folder: str | os.PathLike,
    elbo_samples: int = 10,
    samples: int = 1000,
    dtype: str = "float32",
    jit_compile: bool = False,
    about: dict[str, Any] | None = None,
    anomaly: evaluation.Scorer | None = None,
) -> dict[str, pathlib.Path]:
    """Write each servable under a new version number, `folder/{encoder,decoder,scorer}/<version>/`.

    What each signature takes and answers is said by `tfvae.exporting.servables`, and by export/README.md with examples.

    In each version lie `model.json` (what it is, its checksum), warm-up requests for TensorFlow Serving, and
    `assets.extra/check.npz`, inputs and the model's own outputs, for `export/check.py`. All is written beside and
    renamed: no server ever sees a part of a version, and of the servables there are all or none.

    Args:
        vae: the model.
        folder: of the servables, made if it is missing.
        elbo_samples: draws of z for each example's score.
        samples: importance samples of `log_marginal`.
        dtype: of the networks' weights and arithmetic: "float32", or "float16" or "bfloat16", half the size; how far
            their answers are from the model's is measured, and stands in `model.json`.
        jit_compile: whether the signatures are compiled by XLA where they are served.
        about: dict for `model.json`, such as the run's config.
        anomaly: a scorer, such as `evaluation.anomaly` gives: then the scorer has the signature `anomaly` too, x ->
            score `[B]`, nats, flag `[B]`, terms `[B, D]` of the elements of x, and of a table `odd_columns` `[B]`,
            their names. It takes no seed, and its threshold is within.

    Returns:
        dict of paths, one per servable.

    Raises:
        ValueError: for another dtype, or where its answers are not finite.
        OSError: when a servable cannot be written there; before anything is.
    """
    check_extra("export")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"elbo_samples": elbo_samples, "samples": samples, "jit_compile": jit_compile}
    converted = vae if dtype == "float32" else half_precision.convert(vae, dtype)
    servables = signatures.make_signatures(converted, **settings, anomaly=anomaly)
    exact = signatures.make_signatures(vae, elbo_samples, samples, False, anomaly)
    table = _describe_table(vae) | ({"anomaly": anomaly.get_config()} if anomaly else {})
    for name in servables:
        files.check(folder / name / "1")
    with filelock.FileLock(folder / ".lock"), files.workspace(folder) as beside:
        version = 1 + max([int(path.name) for path in folder.glob("*/*") if path.name.isdigit()], default=0)
        for name, functions in servables.items():
            progress.doing(f"exporting the {name}")
            requests = {key: saved_model.make_request(vae, signature.specs) for key, signature in functions.items()}
            saved_model.write(beside / name, name, functions, requests)
            parity = {} if dtype == "float32" else half_precision.measure_parity(beside / name, requests, exact[name])
            record = {"format": FORMAT, "servable": name, "version": version, "exported": _now(), "dtype": dtype}
            record |= settings | {"signatures": {key: _describe_inputs(its) for key, its in functions.items()}}
            record |= table | {"parity": parity, "sha256": saved_model.checksum(beside / name)}
            files.write_json(beside / name / "model.json", record | (about or {}))
        paths = {name: folder / name / str(version) for name in servables}
        files.publish({beside / name: path for name, path in paths.items()})
    return paths


def _describe_table(vae: VAE) -> dict[str, Any]:
    """Describe the table that a VAE models: its schema, and the column of each input."""
    schema = vae.preprocessor_view.schema
    if schema is None:
        return {}
    return {"schema": schema.to_json(), "columns": {name: of.name for name, of in name_columns(schema).items()}}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _describe_inputs(signature: signatures.Signature) -> dict[str, Any]:
    """Describe the inputs of a signature: name -> type and shape, in which null is the number of examples."""
    return {spec.name: {"dtype": spec.dtype.name, "shape": list(spec.shape)} for spec in signature.specs}
