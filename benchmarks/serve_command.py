"""`tfvae serve` in a process of its own, on ports that are free. Imports nothing but Python's own modules."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent

__all__ = ["Serving", "serving"]


class Serving(NamedTuple):
    """A server: the addresses "host:port" of REST and of gRPC, and its process."""

    rest: str
    grpc: str
    process: subprocess.Popen


@contextlib.contextmanager
def serving(models: str | pathlib.Path, *options: str) -> Iterator[Serving]:
    """Serve a folder of servables within; `options` are more of the command's."""
    command = [sys.executable, "-m", "tfvae.cli", "serve", str(models), "--quiet", *options]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("serving "):
                raise RuntimeError(f"tfvae serve did not begin to serve {models}: {line or 'it said nothing'}")
            yield Serving(line.split("http://")[1].split()[0], line.split(", ")[-1].split()[0], process)
        finally:
            process.terminate()
            status = process.wait(60)
    if status:
        raise RuntimeError(f"tfvae serve ended with status {status}")
