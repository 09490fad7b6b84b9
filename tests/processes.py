"""Processes for tests, forked from one that has imported TensorFlow and not started it, so that each begins at once.

A new Python spends five seconds of CPU and more on its imports. What an installed command or a script does by itself is
tested with `subprocess`.
"""

import contextlib
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).parent.parent
GROUP = pytest.mark.xdist_group("processes")  # what forks imports TensorFlow once, and not for each worker
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tfvae.forkserver_imports", "tfvae.server", "tests.models"])


class Python:
    """`python ARGUMENTS`, begun; much like `subprocess.Popen` with pipes and text.

    Args:
        arguments: "-m", module, or "-c", code, or a script's path; and what follows it.
        env: the variables, instead of this process's.
        cwd: the working directory; the project's root unless given.
    """

    def __init__(self, *arguments, env=None, cwd=ROOT):
        with contextlib.ExitStack() as stack:
            reading, writing = zip(*(CONTEXT.Pipe(duplex=False) for _ in range(2)), strict=True)
            for end in (*reading, *writing):
                stack.enter_context(end)
            self._process = CONTEXT.Process(
                target=_run,
                args=([str(a) for a in arguments], dict(os.environ if env is None else env), str(cwd), *writing),
            )
            self._process.start()
            self.stdout, self.stderr = (open(os.dup(end.fileno()), encoding="utf-8") for end in reading)
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout=None):
        """The exit status; negative, of a signal."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python", timeout)
        return self._process.exitcode

    def communicate(self, timeout=300):
        """All that it writes, (stdout, stderr), once it has ended."""
        texts = {}

        def read(name):
            with getattr(self, name) as file:
                texts[name] = file.read()

        readers = [threading.Thread(target=read, args=(name,)) for name in ("stdout", "stderr")]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        for reader in readers:
            reader.join()
        return texts["stdout"], texts["stderr"]

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wait(60)
        self.stdout.close()
        self.stderr.close()


def run(*arguments, timeout=300, **settings):
    """`python ARGUMENTS`, ended: a `subprocess.CompletedProcess` with text."""
    process = Python(*arguments, **settings)
    output, errors = process.communicate(timeout)
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def _run(arguments, environment, folder, output, errors):
    """In the process: as `python ARGUMENTS` would."""
    for number, end in ((1, output), (2, errors)):
        os.dup2(end.fileno(), number)
        end.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    kind, *rest = arguments
    if kind == "-m":
        sys.argv = rest
        sys.path.insert(0, folder)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, folder)
        exec(compile(rest[0], "-c", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path.insert(0, str(pathlib.Path(kind).parent))
        runpy.run_path(kind, run_name="__main__")
