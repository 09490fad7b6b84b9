"""The arguments of the command `tfvae`, and what can be known of them without TensorFlow."""

import argparse
import difflib
import json
import math
import os
import pathlib
import zipfile

from tfvae import yaml_files

__all__ = ["parser"]

MOST_SAMPLES = 1_000_000  # for each example
MOST_WORKERS = 256  # processes of one machine


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, and status 2. It says which verb is near to one that there is not."""
        if message.startswith("argument VERB: invalid choice: "):
            name = message.split("'")[1]
            near = difflib.get_close_matches(name, ARGUMENTS, 1)
            message = f"no such command: {name}; " + (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(ARGUMENTS)}"
            )
        self.exit(2, f"error: {' '.join(message.split())} (see {self.prog} --help)\n")


def parser(verbs):
    """The parser of the verbs, a dict of functions whose docstrings are their help.

    The options that it gives have `verb`, the function, and `check`, a function of the options, which raises what can
    be raised at once: OSError for paths, ConfigError for yaml.
    """
    made = _Parser(prog="tfvae", description="Variational autoencoders: train, evaluate in nats, export for serving.")
    subparsers = made.add_subparsers(metavar="VERB", required=True)
    for name, function in verbs.items():
        added = subparsers.add_parser(name, help=function.__doc__, description=function.__doc__)
        add, check = ARGUMENTS[name]
        added.set_defaults(verb=function, check=check)
        added.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        added.add_argument("--quiet", action="store_true", help="do not show what is being done")
        add(added)
    return made


def _number(kind, least, most=math.inf):
    """A type of argument: text -> a number of this kind, from least to most."""

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"must be a {what}, not {text!r}") from None
        if not least <= value <= most or value == math.inf:
            to = f"from {least} to {most}" if most < math.inf else f"{least} or more"
            raise argparse.ArgumentTypeError(f"must be {to}, not {text}")
        return value

    return read


def _path(text):
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}")
    return text


def _config_and_run(adding, config, run):
    adding.add_argument("config", metavar="CONFIG", type=_path, help=f"a yaml file, such as {config}")
    adding.add_argument("run", metavar="RUN", type=_path, help=run)
    adding.add_argument(
        "--set", action="append", default=[], metavar="a.b.c=value", help="set a key of the yaml; repeatable"
    )


def _train(adding):
    _config_and_run(adding, "configs/digits.yaml", "the run folder to make, or to go on with")
    adding.add_argument(
        "--resume", action="store_true", help="go on where the run's last checkpoint was, if there is one"
    )
    adding.add_argument(
        "--workers",
        type=_number(int, 1, MOST_WORKERS),
        metavar="N",
        help="train in N processes on this machine, as strategy: multi_worker",
    )


def _check_train(options):
    yaml_files.keys(options.config, options.set)
    cluster = _cluster()
    if os.path.lexists(options.run) and not options.resume and not cluster:  # of several workers the chief looks
        raise FileExistsError(
            f"the run folder {options.run} exists: choose another, remove it, or go on with it (--resume)"
        )
    _check_can_be_made(options.run)


def _cluster():
    """What `TF_CONFIG` says; a ValueError names it."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError as error:
        raise ValueError(f"the variable TF_CONFIG is no JSON: {error}") from None
    if not isinstance(cluster, dict) or not isinstance(cluster.get("task", {}), dict):
        raise ValueError('the variable TF_CONFIG must be as {"cluster": {"worker": [...]}, "task": {"index": 0, ...}}')
    return cluster


def _evaluate(adding):
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")
    adding.add_argument("--split", default="test", help="train, validation, test, or TFDS' syntax (default: test)")
    adding.add_argument(
        "--samples",
        type=_number(int, 1, MOST_SAMPLES),
        default=5000,
        help="importance samples per example (default: 5000)",
    )
    adding.add_argument("--quick", action="store_true", help="ELBO, log p(x) and active units alone")


def _plot(adding):
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")


def _check_run(options):
    run = pathlib.Path(options.run)
    for file in ("config.yaml", "model.keras"):
        if not (run / file).is_file():
            raise FileNotFoundError(f"{run} is not the folder of a finished run: it has no {file}")
    yaml_files.read(run / "config.yaml")
    if not zipfile.is_zipfile(run / "model.keras"):
        raise ValueError(f"{run / 'model.keras'} is damaged: take it from a copy, or train again")


def _check_plot(options):
    _check_run(options)
    path = pathlib.Path(options.run) / "run.json"
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): take it from a copy") from None
    best = record.get("best_epoch") if isinstance(record, dict) else None
    if not isinstance(best, int) or best < 1:
        raise ValueError(f"{path} has no best_epoch: finish the run with tfvae train CONFIG {options.run} --resume")


def _tune(adding):
    _config_and_run(adding, "configs/tune/digits.yaml", "the folder of the search to make, or to go on with")
    adding.add_argument(
        "--workers", type=_number(int, 1, MOST_WORKERS), metavar="N", help="run trials in N processes on this machine"
    )


def _check_tune(options):
    yaml_files.keys(options.config, options.set, base=False)
    _check_can_be_made(options.run)


def _export(adding):
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")
    adding.add_argument("models", metavar="MODELS", type=_path, help="folder of servables, such as export/models")
    adding.add_argument(
        "--samples",
        type=_number(int, 1, MOST_SAMPLES),
        default=1000,
        help="importance samples of log_marginal (default: 1000)",
    )
    adding.add_argument(
        "--dtype",
        default="float32",
        choices=["float32", "float16", "bfloat16"],
        help="of the networks: float32, or float16 or bfloat16, half the size",
    )
    adding.add_argument("--xla", action="store_true", help="compile the signatures by XLA where they are served")


def _check_export(options):
    _check_run(options)
    _check_can_be_made(options.models)


def _serve(adding):
    port, whole = _number(int, 0, 65535), _number(int, 1)
    adding.add_argument("models", metavar="MODELS", type=_path, help="folder of servables, such as export/models")
    adding.add_argument("--host", default="127.0.0.1", help="to listen on (default: 127.0.0.1, this machine alone)")
    adding.add_argument("--rest-port", type=port, default=8501, help="default: 8501; 0: any that is free")
    adding.add_argument("--grpc-port", type=port, default=8500, help="default: 8500; 0: any that is free")
    adding.add_argument(
        "--config", type=_path, metavar="FILE", help="models.config: which versions, and labels (default: all)"
    )
    either = adding.add_mutually_exclusive_group()
    either.add_argument("--batching", type=_path, metavar="FILE", help="batching.config (default: batches of up to 64)")
    either.add_argument("--no-batching", action="store_true", help="run each request alone")
    adding.add_argument(
        "--poll",
        type=_number(float, 0.01, 86400),
        default=1.0,
        metavar="SECONDS",
        help="between looks for new versions",
    )
    adding.add_argument("--most-requests", type=whole, default=256, help="that run or wait; more are refused (256)")
    adding.add_argument(
        "--most-bytes", type=whole, default=2**24, help="of a request; larger ones are refused (16 MiB)"
    )
    adding.add_argument("--engine", choices=["tfvae", "tensorflow_model_server"], default="tfvae", help="what serves")


def _check_serve(options):
    if not os.path.isdir(options.models):
        raise FileNotFoundError(
            f"there is no folder {options.models}: make servables with tfvae export RUN {options.models}"
        )
    for path in filter(None, (options.config, options.batching)):
        if not os.path.isfile(path):
            raise FileNotFoundError(f"no such file: {path}")
        try:
            pathlib.Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text: byte {error.start} is not UTF-8") from None


def _check_can_be_made(path):
    """OSError unless a folder of this path is there, or can be made, and can be written to."""
    path = pathlib.Path(path)
    for folder in (path, *path.absolute().parents):
        if os.path.lexists(folder):
            break
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder: choose another path than {path}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} cannot be written to: choose another path than {path}")


ARGUMENTS = {  # of each verb: what adds them, what checks them
    "train": (_train, _check_train),
    "evaluate": (_evaluate, _check_run),
    "plot": (_plot, _check_plot),
    "tune": (_tune, _check_tune),
    "export": (_export, _check_export),
    "serve": (_serve, _check_serve),
}
