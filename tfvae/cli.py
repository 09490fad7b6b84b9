"""The command `tfvae`. TensorFlow is imported where a verb needs it: help is instant."""

import argparse
import difflib
import json
import os
import sys

from tfvae import progress, quiet, showing

__all__ = ["main"]

TRIALS_OF_A_PROCESS = 5  # of `tune`: TensorFlow keeps the programs of models that are gone, some 100 MB a trial


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, and status 2."""
        if "invalid choice" in message:
            choice = message.split("'")[1]
            near = difflib.get_close_matches(choice, VERBS, 1)
            message = f"no such command: {choice}; " + (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(VERBS)}"
            )
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def main(arguments=None):
    """Runs a verb; a user's mistake ends with one line on stderr and status 2."""
    options = _parser().parse_args(arguments)
    try:
        with showing.shown(options.quiet):
            _prepare(options)
            options.verb(options)
    except (ValueError, OSError, ArithmeticError) as error:
        if options.debug:
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _prepare(options):
    """Imports what the verb needs, without what TensorFlow's libraries say on the way."""
    if options.verb is serve:
        progress.doing("starting TensorFlow")
        quiet.imported("tfvae.server")  # without Keras
    elif options.verb is not tune and not getattr(options, "workers", None):  # whose processes import it
        progress.doing("starting TensorFlow")
        quiet.imported("tfvae.training")


def train(options):
    """Train the experiment of a yaml in a new run folder, or go on with a run."""
    if options.workers:
        more = [*(["--resume"] if options.resume else []), *_passed_on(options), "--set", "strategy=multi_worker"]
        return _on_workers(["train", options.config, options.run, *more], "of_cluster", options.workers)
    from tfvae import training

    training.train(options.config, options.run, options.set, options.resume, verbose=0)  # lines of its own
    if json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0):
        return  # the chief says it
    print(f"run folder: {options.run} (model.keras, history.csv, tensorboard, checkpoints)")


def _passed_on(options):
    assignments = [word for assignment in options.set for word in ("--set", assignment)]
    return ["--quiet", *assignments] if options.quiet else assignments


def _on_workers(arguments, environments, count):
    from tfvae import workers

    status = workers.launch(arguments, getattr(workers, environments)(count))
    if status:
        raise SystemExit(status)


def tune(options):
    """Search the best values of an experiment's keys, or go on with a search; the best run is kept in RUN/best."""
    if options.workers:
        return _on_workers(["tune", options.config, options.run, *_passed_on(options)], "of_search", options.workers)
    from tfvae import workers

    workers.renewed(_trials, options.config, options.run, options.set, options.quiet)


def _trials(path, folder, overrides, quiet):
    """Some trials, in a process of their own; whether there may be more. After the last, the table of the best."""
    from rich.console import Console
    from rich.table import Table

    from tfvae import tuning
    from tfvae.tuning import report

    with showing.shown(quiet):
        rows = tuning.search(path, folder, overrides, TRIALS_OF_A_PROCESS)
    if not rows:
        return rows is None  # of a worker's: the chief says the rest
    table = Table(title=f"{folder}: the best of {len(rows)} trials")
    for name, justify in (("trial", "left"), ("nats", "right"), ("epochs", "right"), ("", "left")):
        table.add_column(name, justify=justify)
    completed = [row for row in rows if row["score"] is not None]
    for row in sorted(completed, key=lambda row: row["score"], reverse=True)[:10]:
        table.add_row(row["trial"], f"{row['score']:.2f}", str(row["epochs"]), report.described(row))
    Console().print(table)
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        print(f"{len(failed)} failed, the first: {failed[0]['message']}")
    print(f"written: {folder} (best.yaml, best, trials.csv, figures, tensorboard)", flush=True)
    return False


def evaluate(options):
    """ELBO, log p(x) in nats, and measures of latents, reconstructions and samples; writes RUN/evaluation.json."""
    from rich.console import Console
    from rich.table import Table

    from tfvae import training
    from tfvae.training import tables

    result = training.evaluate(options.run, options.split, options.samples, not options.quick)
    progress.done()
    table = Table(title=f"{options.run}, split {result['split']}, {result['examples']} examples")
    for column, justify in (("", "left"), ("mean", "right"), ("standard error", "right"), ("", "left")):
        table.add_column(column, justify=justify)
    for rows in tables.evaluation(result):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    Console().print(table)
    for line in tables.notes(result):
        print(line)
    print(f"written: {os.path.join(options.run, 'evaluation.json')} ({result['seconds']} s)")


def plot(options):
    """Draw all figures that the run can have (images, latent space, units, learning curves) to RUN/figures."""
    from tfvae import training

    training.plot(options.run, report=progress.line)


def export(options):
    """Export encoder, decoder and scorer as SavedModels for TF Serving, under a new version."""
    from tfvae import training

    settings = {"samples": options.samples, "dtype": options.dtype, "jit_compile": options.xla}
    for path in training.export(options.run, options.models, **settings).values():
        print(f"written: {path}")
        parity = json.loads((path / "model.json").read_text())["parity"]
        if parity:
            most = max(value for outputs in parity.values() for value in outputs.values())
            print(f"  in {options.dtype} its answers to the check's examples are within {most:.1e} of the model's")


def serve(options):
    """Serve SavedModels over TensorFlow Serving's REST and gRPC APIs, with a page to look at them."""
    from tfvae import server
    from tfvae.server import engine, settings

    def models():  # asked again and again: a label may be moved while it serves
        if options.config:
            return settings.models_file(options.config, options.models)
        return settings.folder_models(options.models)

    def ready(line):
        progress.done()
        print(line, flush=True)

    place = (options.host, options.rest_port, options.grpc_port)
    if options.engine == engine.NAME:
        progress.done()
        engine.run(models(), *place, options.batching, options.poll)
    batching = None if options.no_batching else server.Batching()
    if options.batching:
        batching = settings.batching_file(options.batching)
    progress.doing(f"loading what is in {options.models}")
    server.serve(models, *place, batching, options.poll, options.most_requests, options.most_bytes, ready)


VERBS = ("train", "evaluate", "plot", "tune", "export", "serve")


def _parser():
    parser = _Parser(prog="tfvae", description="Variational autoencoders: train, evaluate in nats, export for serving.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(function):
        added = verbs.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        added.set_defaults(verb=function)
        added.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        added.add_argument("--quiet", action="store_true", help="do not show what is being done")
        return added

    adding = verb(train)
    adding.add_argument("config", metavar="CONFIG", help="a yaml file, such as configs/digits.yaml")
    adding.add_argument("run", metavar="RUN", help="the run folder to make, or to go on with")
    adding.add_argument(
        "--set", action="append", default=[], metavar="a.b.c=value", help="set a key of the yaml; repeatable"
    )
    adding.add_argument(
        "--resume", action="store_true", help="go on where the run's last checkpoint was, if there is one"
    )
    adding.add_argument(
        "--workers", type=int, metavar="N", help="train in N processes on this machine, as strategy: multi_worker"
    )
    adding = verb(evaluate)
    adding.add_argument("run", metavar="RUN", help="folder of a finished run")
    adding.add_argument("--split", default="test", help="train, validation, test, or TFDS' syntax (default: test)")
    adding.add_argument("--samples", type=int, default=5000, help="importance samples per example (default: 5000)")
    adding.add_argument("--quick", action="store_true", help="ELBO, log p(x) and active units alone")
    adding = verb(plot)
    adding.add_argument("run", metavar="RUN", help="folder of a finished run")
    adding = verb(tune)
    adding.add_argument("config", metavar="CONFIG", help="a yaml file, such as configs/tune/digits.yaml")
    adding.add_argument("run", metavar="RUN", help="the folder of the search to make, or to go on with")
    adding.add_argument(
        "--set", action="append", default=[], metavar="a.b.c=value", help="set a key of the yaml; repeatable"
    )
    adding.add_argument("--workers", type=int, metavar="N", help="run trials in N processes on this machine")
    adding = verb(export)
    adding.add_argument("run", metavar="RUN", help="folder of a finished run")
    adding.add_argument("models", metavar="MODELS", help="folder of servables, such as export/models")
    adding.add_argument("--samples", type=int, default=1000, help="importance samples of log_marginal (default: 1000)")
    adding.add_argument(
        "--dtype", default="float32", help="of the networks: float32, or float16 or bfloat16, half the size"
    )
    adding.add_argument("--xla", action="store_true", help="compile the signatures by XLA where they are served")
    adding = verb(serve)
    adding.add_argument("models", metavar="MODELS", help="folder of servables, such as export/models")
    adding.add_argument("--host", default="127.0.0.1", help="to listen on (default: 127.0.0.1, this machine alone)")
    adding.add_argument("--rest-port", type=int, default=8501, help="default: 8501; 0: any that is free")
    adding.add_argument("--grpc-port", type=int, default=8500, help="default: 8500; 0: any that is free")
    adding.add_argument("--config", metavar="FILE", help="models.config: which versions, and labels (default: all)")
    either = adding.add_mutually_exclusive_group()
    either.add_argument("--batching", metavar="FILE", help="batching.config (default: batches of up to 64)")
    either.add_argument("--no-batching", action="store_true", help="run each request alone")
    adding.add_argument("--poll", type=float, default=1.0, metavar="SECONDS", help="between looks for new versions")
    adding.add_argument("--most-requests", type=int, default=256, help="that run or wait; more are refused (256)")
    adding.add_argument("--most-bytes", type=int, default=2**24, help="of a request; larger ones are refused (16 MiB)")
    adding.add_argument("--engine", choices=["tfvae", "tensorflow_model_server"], default="tfvae", help="what serves")
    return parser


if __name__ == "__main__":
    sys.exit(main())
