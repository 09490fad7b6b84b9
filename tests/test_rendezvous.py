"""Workers meet before TensorFlow's strategy is made; one that is alone says whom it waits for, and can be ended."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import sys

import pytest

from tests import processes
from tfvae import cli, forward_signals, local_cluster, progress, rendezvous
from tfvae.config import strategy

LONE = """
import signal, sys
from tests.test_rendezvous import served
from tfvae import rendezvous
from tfvae.cli import terminal
terminal.SECONDS = 0.1
own, *others = sys.argv[1:]
with terminal.show_progress():
    rendezvous.meet(own, others)
with served(own):  # as by TensorFlow
    print("met", flush=True)
    signal.pause()
"""


def addresses(count):
    return [f"localhost:{port}" for port in local_cluster.free_ports(count)]


def served(address):
    """A socket that listens at an address, and reads nothing."""
    return socket.create_server(("", int(address.split(":")[1])))


def others(all_of_them, own):
    return [address for address in all_of_them if address != own]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_workers_meet_in_any_order(count):
    cluster = addresses(count)
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(count) as threads:

        def meet(own):
            rendezvous.meet(own, others(cluster, own))
            stack.enter_context(served(own))  # as by TensorFlow, which can have the port at once

        list(threads.map(meet, cluster, timeout=60))


def test_a_worker_meets_one_that_is_further_on():
    """That is: in TensorFlow, whose server has the address, and sends what is not read."""
    own, other = addresses(2)
    with served(other):
        rendezvous.meet(own, [other])


def test_what_is_waited_for_is_said_until_it_comes(monkeypatch):
    own, first, second = addresses(3)
    heard, servers = [], []
    listener = progress.Listener()

    def doing(what):  # at each word one more comes
        heard.append(what)
        if len(servers) < 2:
            servers.append(served((first, second)[len(servers)]))

    monkeypatch.setattr(listener, "doing", doing)
    with progress.listen(listener):
        rendezvous.meet(own, [first, second])
    for server in servers:
        server.close()
    waiting = [f"waiting for {first}, {second} of TF_CONFIG", f"waiting for {second} of TF_CONFIG"]
    assert heard == [*waiting, "joining the other workers"]


@processes.GROUP
@pytest.mark.parametrize(
    ("number", "status", "last"),
    [(signal.SIGTERM, 143, "told to end while waiting for"), (signal.SIGINT, 1, "KeyboardInterrupt")],
)
def test_one_that_is_alone_says_so_and_ends_when_told(number, status, last):
    """Long where it is the first to start the process that others are forked from."""
    own, other = addresses(2)
    with processes.Python("-c", LONE, own, other) as process:
        assert process.stdout.readline().startswith(f"waiting for {other} of TF_CONFIG")
        assert process.stdout.readline().startswith(f"waiting for {other} of TF_CONFIG")
        process.send_signal(number)
        output, errors = process.communicate()
    assert process.returncode == status and "met" not in output
    assert errors.splitlines()[-1].startswith(last)
    assert number == signal.SIGINT or errors == f"{last} {other} of TF_CONFIG\n"


@pytest.mark.parametrize(("number", "raises"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_that_comes_while_an_object_is_finalised_is_heeded(number, raises, monkeypatch):
    """What a handler raises there is ignored by Python, which only prints it."""
    own, other = addresses(2)
    looks = []

    class Finalised:
        def __del__(self):
            signal.raise_signal(number)

    def answers(place):
        looks.append(Finalised())
        looks[-1] = None
        return len(looks) == 3

    monkeypatch.setattr(rendezvous, "_answers", answers)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(raises):
        rendezvous.meet(own, [other])
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


@processes.GROUP
def test_two_processes_meet():
    cluster = addresses(2)
    with processes.Python("-c", LONE, *cluster) as one, processes.Python("-c", LONE, *cluster[::-1]) as other:
        for process in (one, other):
            assert "met\n" in iter(process.stdout.readline, "")
        for process in (one, other):
            process.terminate()


def test_a_port_that_another_process_has():
    own, other = addresses(2)
    with (
        served(own),
        pytest.raises(OSError, match=f"^another process uses the port of {own}, this worker of TF_CONFIG: end it, or"),
    ):
        rendezvous.meet(own, [other])


@pytest.mark.parametrize("address", ["host", ":1", "host:", "host:0", "host:65536", "host:x", "host:²", ""])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match=f"the variable TF_CONFIG has the address {address!r}: it must be HOST:PORT"):
        rendezvous.meet("host:1", [address])


def test_a_host_that_has_no_name_yet_has_not_come():
    assert not rendezvous._answers(("no.such.host.invalid", 1))


@pytest.mark.parametrize(
    ("task", "waits_for"),
    [
        ({"type": "worker", "index": 0}, ("a:1", ["c:3", "b:2"])),
        ({"type": "worker", "index": 1}, ("b:2", ["c:3", "a:1"])),
        ({"type": "chief", "index": 0}, ("c:3", ["a:1", "b:2"])),
        ({"type": "evaluator", "index": 0}, None),
        ({"type": "worker", "index": 2}, None),
    ],
)
def test_whom_a_worker_waits_for(monkeypatch, task, waits_for):
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"], "evaluator": ["d:4"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    met = []
    monkeypatch.setattr(rendezvous, "meet", lambda *addresses: met.append(addresses))
    strategy.meet_workers()
    assert met == ([] if waits_for is None else [waits_for])


@processes.GROUP
def test_a_worker_of_the_command_that_is_alone(tmp_path):
    """Long: a process of the command."""
    own, other = addresses(2)
    task = {"cluster": {"worker": [own, other]}, "task": {"type": "worker", "index": 0}}
    arguments = ["train", "configs/smoke.yaml", str(tmp_path / "run"), "--set", "strategy=multi_worker"]
    environment = os.environ | {"TF_CONFIG": json.dumps(task)}
    with processes.Python("-m", "tfvae.cli", *arguments, env=environment) as process:
        while not process.stdout.readline().startswith("waiting for"):
            assert process.poll() is None
        process.terminate()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (143, f"told to end while waiting for {other} of TF_CONFIG\n")
    assert not (tmp_path / "run").exists()


def test_a_taken_port_is_a_line_of_the_command(monkeypatch, tmp_path, capsys):
    own, other = addresses(2)
    task = {"cluster": {"worker": [own, other]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    with served(own):
        words = ["train", "configs/smoke.yaml", str(tmp_path / "run"), "--set", "strategy=multi_worker"]
        assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: another process uses the port of {own}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_to_all_processes(number):
    class Process:
        told = 0

        def terminate(self):
            self.told += 1

    started = [Process(), Process()]
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with forward_signals.forwarding_signals(started) as came:
        assert came == []
        signal.raise_signal(number)
        assert came == [number] and [process.told for process in started] == [1, 1]
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_ports_of_local_workers_are_kept_for_them():
    """Else any connection of any program might get one, before its worker listens."""
    with local_cluster.cluster_environments(2) as environments:
        task = json.loads(environments[0]["TF_CONFIG"])
        for address in task["cluster"]["worker"]:
            with pytest.raises(OSError, match="in use"), socket.socket() as stranger:
                stranger.bind(("127.0.0.1", int(address.split(":")[1])))
            with served(address):
                pass


def test_a_connection_to_itself_is_no_other_worker():
    """TCP makes one, where both ends are given the same port."""
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())
        place = alone.getsockname()
        assert alone.getpeername() == place
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "create_connection", lambda *_: contextlib.nullcontext(alone))
            assert not rendezvous._answers(place)
