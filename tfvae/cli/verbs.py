"""The verbs of the command. A docstring is a verb's help; TensorFlow is imported in the verb, not with this module."""

import argparse
import json
import os
from collections.abc import Sequence

from tfvae import progress, tensorflow_output
from tfvae.cli import tables, terminal

__all__ = [
    "TRIALS_PER_PROCESS",
    "encode",
    "evaluate",
    "export",
    "impute",
    "plot",
    "sample",
    "score",
    "serve",
    "train",
    "tune",
]

TRIALS_PER_PROCESS = 5  # of `tune`: TensorFlow keeps the programs of models that are gone, some 100 MB a trial


def _start_tensorflow(module: str) -> None:
    """Import a module that needs TensorFlow, without what TensorFlow's libraries write on the way."""
    progress.doing("starting TensorFlow")
    tensorflow_output.import_quietly(module)


def train(options: argparse.Namespace) -> None:
    """Train the experiment of a yaml in a new run folder, or go on with a run."""
    if options.workers:  # the processes import TensorFlow, this one does not
        from tfvae import local_cluster

        more = [*(["--resume"] if options.resume else []), *_shared_options(options), "--set", "strategy=multi_worker"]
        with local_cluster.cluster_environments(options.workers) as environments:
            return _launch(["train", options.config, options.run, *more], environments)
    _start_tensorflow("tfvae.training")
    from tfvae import training

    training.train(options.config, options.run, options.set, options.resume, verbose=0)  # the verb has its own lines
    if json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0):
        return  # a worker: the chief says it
    print(f"run folder: {options.run} (model.keras, history.csv, tensorboard, checkpoints)")


def _shared_options(options: argparse.Namespace) -> list[str]:
    """Give the options that `train` and `tune` hand on to their processes."""
    assignments = [word for assignment in options.set for word in ("--set", assignment)]
    return ["--quiet", *assignments] if options.quiet else assignments


def _launch(words: Sequence[str], environments: Sequence[dict[str, str]]) -> None:
    """Run the command with these arguments in one process for each environment; exit as they do where one fails."""
    from tfvae import local_cluster

    status = local_cluster.launch(words, environments)
    if status:
        raise SystemExit(status)


def tune(options: argparse.Namespace) -> None:
    """Search the best values of an experiment's keys, or go on with a search; the best run is kept in RUN/best."""
    from tfvae import fresh_process, local_cluster

    if options.workers:
        with local_cluster.search_environments(options.workers) as environments:
            return _launch(["tune", options.config, options.run, *_shared_options(options)], environments)
    fresh_process.call_in_fresh_processes(_run_trials, options.config, options.run, options.set, options.quiet)


def _run_trials(path: str, folder: str, overrides: Sequence[str], quiet: bool) -> bool:
    """Run some trials, in a process that ends after them; after the last of the search print the table of the best.

    Returns:
        whether there may be more trials to run.
    """
    from tfvae import tuning

    with terminal.show_progress(quiet):
        rows = tuning.search(path, folder, overrides, TRIALS_PER_PROCESS)
    if rows:
        tables.print_trials(folder, rows)
    return rows is None  # a worker has no rows: the chief prints them


def evaluate(options: argparse.Namespace) -> None:
    """ELBO, log p(x) in nats, and measures of latents, reconstructions and samples; writes RUN/evaluation.json."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    def report(result):
        tables.print_evaluation(options.run, result)

    result = training.evaluate(options.run, options.split, options.samples, not options.quick, report)
    print(f"written: {os.path.join(options.run, 'evaluation.json')} ({result['seconds']} s)")


def plot(options: argparse.Namespace) -> None:
    """Draw all figures that the run can have (images, latent space, units, learning curves) to RUN/figures."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    training.plot(options.run, report=progress.line)


def encode(options: argparse.Namespace) -> None:
    """Encode the rows of a table: mean and standard deviation of q(z|x), beside labels and ignored columns."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    count = training.encode_rows(options.run, options.input, options.output, options.unknown)
    print(f"written: {options.output} ({count} rows)")


def score(options: argparse.Namespace) -> None:
    """Say how odd the rows of a table are: -log p(x) in nats, a flag, and the columns that make a row odd."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    settings = {"contamination": options.contamination, "samples": options.samples, "unknown": options.unknown}
    count = training.score_table(options.run, options.input, options.output, **settings)
    print(f"written: {options.output} ({count} rows)")


def impute(options: argparse.Namespace) -> None:
    """Fill the gaps of a table with what its other cells make likely; all else stays as it is."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    settings = {"samples": options.samples, "draw": options.draw, "seed": options.seed, "unknown": options.unknown}
    count = training.impute_table(options.run, options.input, options.output, **settings)
    print(f"written: {options.output} ({count} rows)")


def sample(options: argparse.Namespace) -> None:
    """Draw rows from the model of a table: in its units, categories by name."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    given = dict(assignment.split("=", 1) for assignment in options.given)
    count = training.sample_rows(options.run, options.output, options.rows, given, options.seed)
    print(f"written: {options.output} ({count} rows)")


def export(options: argparse.Namespace) -> None:
    """Export encoder, decoder and scorer as SavedModels for TF Serving, under a new version."""
    _start_tensorflow("tfvae.training")
    from tfvae import training

    settings = {"samples": options.samples, "dtype": options.dtype, "jit_compile": options.xla}
    settings["contamination"] = options.contamination
    for path in training.export(options.run, options.models, **settings).values():
        print(f"written: {path}")
        parity = json.loads((path / "model.json").read_text())["parity"]
        if parity:
            largest = max(value for outputs in parity.values() for value in outputs.values())
            print(f"  in {options.dtype} its answers to the check's examples are within {largest:.1e} of the model's")


def serve(options: argparse.Namespace) -> None:
    """Serve SavedModels over TensorFlow Serving's REST and gRPC APIs, with a page to look at them."""
    _start_tensorflow("tfvae.server")  # without Keras
    from tfvae import server
    from tfvae.server import engine, settings

    def read_models():  # called at each look for versions: a label may be moved while the server runs
        if options.config:
            return settings.read_models_file(options.config, options.models)
        return settings.models_of_folder(options.models)

    def report(line):
        progress.done()
        print(line, flush=True)

    address = (options.host, options.rest_port, options.grpc_port)
    if options.engine == engine.NAME:
        progress.done()
        engine.run(read_models(), *address, options.batching, options.poll)
    batching = None if options.no_batching else server.Batching()
    if options.batching:
        batching = settings.read_batching_file(options.batching)
    progress.doing(f"loading what is in {options.models}")
    server.serve(read_models, *address, batching, options.poll, options.max_requests, options.max_bytes, report)
