"""The command `tfvae`. TensorFlow is imported where a verb needs it: help is instant."""

import json
import os
import sys
import tempfile
import traceback

from tfvae import progress, tensorflow_output
from tfvae.cli import arguments, terminal

__all__ = ["main"]

TRIALS_OF_A_PROCESS = 5  # of `tune`: TensorFlow keeps the programs of models that are gone, some 100 MB a trial
LONGEST = 700  # letters of an error's line
OF_USERS = (ValueError, OSError, ArithmeticError)  # mistakes; anything else is a fault of the program
OF_USERS_TOO = ("NotFoundError", "PermissionDeniedError", "UnavailableError")  # TensorFlow's


def main(words=None):
    """Runs a verb; returns the exit status. What goes wrong is one line on stderr.

    A user's mistake has status 2. A fault of the program has 1, and its line names a file with the traceback.
    """
    _open_what_is_closed()
    try:
        options = arguments.parser({name: globals()[name] for name in VERBS}).parse_args(words)
    except SystemExit:
        _flushed()  # the help
        raise
    try:
        with terminal.shown(options.quiet):
            options.check(options)
            _prepare(options)
            options.verb(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _flushed()
        _say("interrupted")
        return 130
    except Exception as error:
        if options.debug:
            raise
        return _told(error)
    return 0


def _open_what_is_closed():
    """Standard streams that the shell closed lead nowhere, so that no file gets their numbers; and all letters can be
    written, whatever the locale."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))
        if (getattr(sys, name).encoding or "utf-8").lower() != "utf-8":
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _told(error):
    """Says an error in one line; returns the exit status."""
    _flushed()
    what = " ".join(str(error).split())
    if isinstance(error, BrokenPipeError):
        _say("error: standard output was closed before all was said")
    elif isinstance(error, (MemoryError, *_of_tensorflow("ResourceExhaustedError"))):
        _say(f"error: not enough memory, or space on the disk: {what or 'make model, batches or samples smaller'}")
    elif isinstance(error, (*OF_USERS, *_of_tensorflow(*OF_USERS_TOO))):
        _say(f"error: {what or type(error).__name__}")
    else:
        _say(f"error: a fault of tfvae: {type(error).__name__}: {what}", f" ({_kept(error)})")
        return 1
    return 2


def _flushed():
    """Writes what was printed, or gives it up where it cannot be."""
    try:
        sys.stdout.flush()
    except OSError:
        _lead_nowhere(1)


def _of_tensorflow(*names):
    tensorflow = sys.modules.get("tensorflow")  # is not imported to ask
    return tuple(getattr(tensorflow.errors, name) for name in names) if tensorflow else ()


def _kept(error):
    """Writes the traceback to a file; says where."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="tfvae-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)))
        return f"please report it with {file.name}; --debug shows the traceback"
    except OSError:
        return "please report it with the traceback, which --debug shows"


def _say(text, end=""):
    """A line on stderr; a very long one is cut in its middle, what a terminal would obey is written out."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 200]} [...] {text[-200:]}"
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    try:
        print(text + end, file=sys.stderr, flush=True)
    except OSError:
        _lead_nowhere(2)  # nobody listens: the exit status has to do


def _lead_nowhere(number):
    """A standard stream that cannot be written to takes what is left, so that nothing fails at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _prepare(options):
    """Imports what the verb needs, without what TensorFlow's libraries say on the way."""
    if options.verb is serve:
        progress.doing("starting TensorFlow")
        tensorflow_output.imported("tfvae.server")  # without Keras
    elif options.verb is not tune and not getattr(options, "workers", None):  # whose processes import it
        progress.doing("starting TensorFlow")
        tensorflow_output.imported("tfvae.training")


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
    from tfvae import local_processes

    with getattr(local_processes, environments)(count) as those:
        status = local_processes.launch(arguments, those)
    if status:
        raise SystemExit(status)


def tune(options):
    """Search the best values of an experiment's keys, or go on with a search; the best run is kept in RUN/best."""
    if options.workers:
        return _on_workers(["tune", options.config, options.run, *_passed_on(options)], "of_search", options.workers)
    from tfvae import local_processes

    local_processes.renewed(_trials, options.config, options.run, options.set, options.quiet)


def _trials(path, folder, overrides, quiet):
    """Some trials, in a process of their own; whether there may be more. After the last, the table of the best."""
    from rich.console import Console
    from rich.table import Table

    from tfvae import tuning
    from tfvae.tuning import report

    with terminal.shown(quiet):
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
    from tfvae import training

    def show(result):
        _print_evaluation(options.run, result)

    result = training.evaluate(options.run, options.split, options.samples, not options.quick, show)
    print(f"written: {os.path.join(options.run, 'evaluation.json')} ({result['seconds']} s)")


def _print_evaluation(run, result):
    from rich.console import Console
    from rich.table import Table

    from tfvae.training import tables

    progress.done()
    table = Table(title=f"{run}, split {result['split']}, {result['examples']} examples")
    for column, justify in (("", "left"), ("mean", "right"), ("standard error", "right"), ("", "left")):
        table.add_column(column, justify=justify)
    for rows in tables.evaluation(result):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    Console().print(table)
    for line in tables.notes(result):
        print(line)


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
