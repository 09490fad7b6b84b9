"""The arguments of the command `tfvae`."""

import argparse
import difflib
import math
from collections.abc import Callable, Mapping
from typing import NoReturn

from tfvae.cli import checks

__all__ = ["ARGUMENTS", "make_parser"]

MAX_SAMPLES = 1_000_000  # for each example
MAX_WORKERS = 256  # processes of one machine


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with one line and status 2; for an unknown verb the line names the nearest one."""
        if message.startswith("argument VERB: invalid choice: "):
            name = message.split("'")[1]
            near = difflib.get_close_matches(name, ARGUMENTS, 1)
            message = f"no such command: {name}; " + (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(ARGUMENTS)}"
            )
        self.exit(2, f"error: {' '.join(message.split())} (see {self.prog} --help)\n")


def make_parser(verbs: Mapping[str, Callable[[argparse.Namespace], None]]) -> argparse.ArgumentParser:
    """Make the parser of the verbs, functions whose docstrings are their help.

    The options that it gives have `verb`, the function, and `check`, a function of the options: see `checks`.
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


def _number(kind: type[int] | type[float], least: float, most: float = math.inf) -> Callable[[str], float]:
    """Make a type of argument: text -> a number of this kind, from `least` to `most`."""

    def read(text: str) -> float:
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


def _path(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}")
    return text


def _config_and_run(adding: argparse.ArgumentParser, config: str, run: str) -> None:
    adding.add_argument("config", metavar="CONFIG", type=_path, help=f"a yaml file, such as {config}")
    adding.add_argument("run", metavar="RUN", type=_path, help=run)
    adding.add_argument(
        "--set", action="append", default=[], metavar="a.b.c=value", help="set a key of the yaml; repeatable"
    )


def _train(adding: argparse.ArgumentParser) -> None:
    _config_and_run(adding, "configs/digits.yaml", "the run folder to make, or to go on with")
    adding.add_argument(
        "--resume", action="store_true", help="go on where the run's last checkpoint was, if there is one"
    )
    adding.add_argument(
        "--workers",
        type=_number(int, 1, MAX_WORKERS),
        metavar="N",
        help="train in N processes on this machine, as strategy: multi_worker",
    )


def _evaluate(adding: argparse.ArgumentParser) -> None:
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")
    adding.add_argument("--split", default="test", help="train, validation, test, or TFDS' syntax (default: test)")
    adding.add_argument(
        "--samples",
        type=_number(int, 1, MAX_SAMPLES),
        default=5000,
        help="importance samples per example (default: 5000)",
    )
    adding.add_argument("--quick", action="store_true", help="ELBO, log p(x) and active units alone")


def _plot(adding: argparse.ArgumentParser) -> None:
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")


def _tune(adding: argparse.ArgumentParser) -> None:
    _config_and_run(adding, "configs/tune/digits.yaml", "the folder of the search to make, or to go on with")
    adding.add_argument(
        "--workers", type=_number(int, 1, MAX_WORKERS), metavar="N", help="run trials in N processes on this machine"
    )


def _export(adding: argparse.ArgumentParser) -> None:
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run")
    adding.add_argument("models", metavar="MODELS", type=_path, help="folder of servables, such as export/models")
    adding.add_argument(
        "--samples",
        type=_number(int, 1, MAX_SAMPLES),
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
    _contamination(adding)


def _rows(adding: argparse.ArgumentParser, output: str) -> None:
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run, trained on a table")
    adding.add_argument("input", metavar="INPUT", type=_path, help="a .csv or .parquet file, or a folder of such")
    adding.add_argument("output", metavar="OUTPUT", type=_path, help=f"a .csv or .parquet file: {output}")
    adding.add_argument(
        "--unknown",
        choices=["refuse", "allow"],
        default="refuse",
        help="what to do with a category that the model does not know: refuse it (default), or take it for a gap",
    )


def _encode(adding: argparse.ArgumentParser) -> None:
    _rows(adding, "mean and standard deviation of q(z|x) of each row")


def _score(adding: argparse.ArgumentParser) -> None:
    _rows(adding, "-log p(x) of each row, whether it is odd, and which columns are")
    _importance(adding, 100)
    _contamination(adding)


def _impute(adding: argparse.ArgumentParser) -> None:
    _rows(adding, "the table, its gaps filled")
    _importance(adding, 1000)
    adding.add_argument("--draw", action="store_true", help="fill with a draw, not the mean or the likeliest category")
    _seed(adding)


def _sample(adding: argparse.ArgumentParser) -> None:
    adding.add_argument("run", metavar="RUN", type=_path, help="folder of a finished run, trained on a table")
    adding.add_argument("output", metavar="OUTPUT", type=_path, help="a .csv or .parquet file")
    adding.add_argument("--rows", type=_number(int, 1), default=1000, help="how many (default: 1000)")
    adding.add_argument(
        "--given", action="append", default=[], metavar="column=value", help="a condition of the model; repeatable"
    )
    _seed(adding)


def _contamination(adding: argparse.ArgumentParser) -> None:
    adding.add_argument(
        "--contamination",
        type=_number(float, 1e-6, 1 - 1e-6),
        default=0.05,
        help="of a table: share of held-out rows that lie beyond the threshold of odd rows (default: 0.05)",
    )


def _importance(adding: argparse.ArgumentParser, samples: int) -> None:
    adding.add_argument(
        "--samples",
        type=_number(int, 1, MAX_SAMPLES),
        default=samples,
        help=f"importance samples per row (default: {samples})",
    )


def _seed(adding: argparse.ArgumentParser) -> None:
    adding.add_argument("--seed", type=_number(int, 0, 2**31 - 2), default=0, help="of the noise (default: 0)")


def _serve(adding: argparse.ArgumentParser) -> None:
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
    adding.add_argument(
        "--max-requests", type=whole, default=256, help="that run or wait; further ones are refused (default: 256)"
    )
    adding.add_argument(
        "--max-bytes", type=whole, default=2**24, help="of a request; larger ones are refused (default: 16 MiB)"
    )
    adding.add_argument("--engine", choices=["tfvae", "tensorflow_model_server"], default="tfvae", help="what serves")


Adder = Callable[[argparse.ArgumentParser], None]
Check = Callable[[argparse.Namespace], None]
ARGUMENTS: dict[str, tuple[Adder, Check]] = {  # verb: what adds its arguments, what checks them
    "train": (_train, checks.check_train),
    "evaluate": (_evaluate, checks.check_evaluate),
    "plot": (_plot, checks.check_plot),
    "tune": (_tune, checks.check_tune),
    "encode": (_encode, checks.check_rows),
    "score": (_score, checks.check_rows),
    "impute": (_impute, checks.check_rows),
    "sample": (_sample, checks.check_sample),
    "export": (_export, checks.check_export),
    "serve": (_serve, checks.check_serve),
}
