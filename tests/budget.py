"""A pytest plugin: what the tests cost. It prints the ten that take most CPU, and the total of CPU and memory; with
--budget, each file too.

CPU seconds are those of the test's process and of its children, with what fixtures take on the first test that wants
them. A test over LIMIT says in its docstring why, or is `slow`: those that do neither are named.
"""

import collections
import contextlib
import os
import pathlib
import resource

import psutil
import pytest

LIMIT = 5.0  # seconds of CPU
SLOWEST = 10


def cpu(children=True):
    """Seconds of CPU of this process and of those that it has started, and they in turn have waited for."""
    own = os.times()
    if not children:
        return own.user + own.system
    living = 0.0
    for task in pathlib.Path("/proc/self/task").iterdir():  # psutil would look at all processes of the machine
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            for child in (task / "children").read_text().split():
                living += sum(psutil.Process(int(child)).cpu_times()[:4])
    return sum(own[:4]) + living


def peak():
    """The most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Meter:
    """Measures in the process that runs the tests; every report carries what its phase took."""

    def __init__(self):
        self.last = cpu()

    def pytest_runtest_makereport(self, item, call):
        now = cpu()
        item.user_properties[:] = [
            ("cpu", now - self.last),
            ("peak", peak()),
            ("says why", bool(item.get_closest_marker("slow") or getattr(item.obj, "__doc__", None))),
        ]
        self.last = now

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["cpu"] = cpu()
            session.config.workeroutput["peak"] = peak()


class Account:
    """Adds up in the process that prints."""

    def __init__(self):
        self.tests = collections.Counter()
        self.peaks = collections.defaultdict(float)
        self.says_why = set()
        self.flaky = []
        self.workers = []

    def pytest_runtest_logreport(self, report):
        if report.outcome == "rerun":
            self.flaky.append(report.nodeid)
        found = dict(report.user_properties)
        if "cpu" in found:
            self.tests[report.nodeid] += found["cpu"]
            path = report.nodeid.split("::")[0]
            self.peaks[path] = max(self.peaks[path], found["peak"])
            if found["says why"]:
                self.says_why.add(report.nodeid)

    def pytest_testnodedown(self, node):
        output = getattr(node, "workeroutput", {})
        if "cpu" in output:
            self.workers.append((output["cpu"], output["peak"]))

    def pytest_terminal_summary(self, terminalreporter, config):
        write = terminalreporter.write_line
        terminalreporter.section("CPU seconds")
        for name, seconds in self.tests.most_common(SLOWEST):
            write(f"{seconds:7.1f}  {name}")
        if config.getoption("budget"):
            write("by file, with the memory that the worker had held by then:")
            files = collections.Counter()
            counts = collections.Counter()
            for name, seconds in self.tests.items():
                files[name.split("::")[0]] += seconds
                counts[name.split("::")[0]] += 1
            for name, seconds in files.most_common():
                write(f"{seconds:7.1f}  {self.peaks[name]:4.1f} GB  {counts[name]:4d} tests  {name}")
        for name, seconds in self.tests.items():
            if seconds > LIMIT and name not in self.says_why:
                write(f"over {LIMIT:.0f} s without a docstring that says why: {name} ({seconds:.1f} s)")
        workers = self.workers or [(0.0, peak())]
        for name in self.flaky:
            write(f"flaky, for it failed and was run again: {name}")
        total = cpu(children=not self.workers) + sum(seconds for seconds, _ in self.workers)
        write(f"in all {total:.0f} s of CPU; at most {max(p for _, p in workers):.1f} GB in one process")


def pytest_addoption(parser):
    parser.addoption("--budget", action="store_true", help="CPU seconds and memory of each test file")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config):
    """One for each core, hyperthreads too, which pytest-xdist itself does not count. More of them take more CPU."""
    return os.cpu_count()


def pytest_configure(config):
    config.pluginmanager.register(Meter(), "meter")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Account(), "account")
