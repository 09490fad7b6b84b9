"""Local processes that run one command at a time: what each is given and shows, and how all end.

Shell scripts stand for Python: they begin at once.
"""

import json
import os
import re
import shlex
import signal
import sys

import pytest

from tfvae import local_cluster

READY = "echo $$ > ready.$WORKER"  # and its process


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """A function: a script for each worker -> what `launch` returns of the arguments "train" and "two words"."""
    monkeypatch.chdir(tmp_path)

    def launch(*scripts):
        python = tmp_path / "python"
        cases = "".join(f"{index}) {script} ;;\n" for index, script in enumerate(scripts))
        python.write_text(f"#!/bin/sh\ncase $WORKER in\n{cases}esac\n")
        python.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(python))
        return local_cluster.launch(["train", "two words"], [{"WORKER": str(i)} for i in range(len(scripts))])

    return launch


def after(worker, script):
    """A script that begins once another is ready."""
    return f"while ! [ -s ready.{worker} ]; do sleep 0.01; done; {script}"


def runs(tmp_path, worker):
    """Whether a worker's process, or what is left of it, is there."""
    return os.path.exists(f"/proc/{int((tmp_path / f'ready.{worker}').read_text())}")


def test_each_has_the_command_and_its_environment_and_the_chief_is_heard(launched, monkeypatch, capfd):
    """All others are told to be quiet, and what they write is kept."""
    monkeypatch.setenv("OF_ALL", "yes")
    script = 'printf "%s," $OF_ALL "$@" | tee heard.$WORKER; echo error of $WORKER >&2'
    assert launched(script, script, script) == 0
    with open("heard.0") as chief, open("heard.1") as one, open("heard.2") as other:
        heard = chief.read()
        assert heard == "yes,-m,tfvae.cli,train,two words,"
        assert one.read() == other.read() == f"{heard}--quiet,"
    assert capfd.readouterr() == (heard, "")


def test_one_that_fails_ends_all_and_is_named_with_its_last_lines(launched, tmp_path):
    lines = [f"line {number}" for number in range(1, 21)]
    with pytest.raises(ChildProcessError) as error:
        launched(
            f"{READY}; exec sleep 60",
            f"{READY}; exec sleep 60",
            after(0, after(1, f"printf '%s\\n' {shlex.join(lines)}; exit 3")),
        )
    assert str(error.value) == "worker 2 of 3 ended with status 3: " + "\n".join(lines[-local_cluster.LINES :])
    assert not runs(tmp_path, 0) and not runs(tmp_path, 1)


def test_a_chief_that_fails_without_a_word(launched):
    """What it prints is not kept, for it was shown. It is named, and not the other, which was told to end for it."""
    with pytest.raises(ChildProcessError, match=r"^worker 0 of 2 ended with status 7: it said nothing$"):
        launched(after(1, "echo shown; exit 7"), f"trap 'exit 143' TERM; {READY}; while :; do sleep 0.01; done")


def test_one_that_does_not_heed_the_end_is_killed(launched, tmp_path, monkeypatch):
    """It is not the one that is named: it failed later."""
    monkeypatch.setattr(local_cluster, "SECONDS_TO_END", 0.05)
    with pytest.raises(ChildProcessError, match=r"^worker 1 of 2 ended with status 5: no room$"):
        launched(f"trap '' TERM; {READY}; exec sleep 60", after(0, "echo no room >&2; exit 5"))
    assert not runs(tmp_path, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_tells_all_and_gives_their_status(launched, tmp_path, monkeypatch, number):
    wait = local_cluster._wait

    def told(workers):
        while not all((tmp_path / f"ready.{index}").is_file() for index in range(2)):
            assert not any(worker.poll() for worker in workers)
        signal.raise_signal(number)
        wait(workers)

    monkeypatch.setattr(local_cluster, "_wait", told)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    ends = f"trap 'echo told >> told.$WORKER; exit 143' TERM; {READY}; while :; do sleep 0.01; done"
    assert launched(ends, ends) == 143
    assert [(tmp_path / f"told.{index}").read_text() for index in range(2)] == ["told\n"] * 2
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_workers_of_one_model_know_of_each_other():
    with local_cluster.cluster_environments(2) as environments:
        tasks = [json.loads(environment["TF_CONFIG"]) for environment in environments]
    assert [task["task"] for task in tasks] == [{"type": "worker", "index": index} for index in range(2)]
    first, second = tasks[0]["cluster"]["worker"]
    assert tasks[0]["cluster"] == tasks[1]["cluster"] and first != second
    assert all(re.fullmatch(r"127\.0\.0\.1:[1-9]\d+", address) for address in (first, second))


def test_a_search_has_a_chief_beside_its_workers():
    with local_cluster.search_environments(2) as environments:
        assert [each["KERASTUNER_TUNER_ID"] for each in environments] == ["chief", "worker0", "worker1"]
        ((address, port),) = {(e["KERASTUNER_ORACLE_IP"], e["KERASTUNER_ORACLE_PORT"]) for e in environments}
    assert address == "127.0.0.1" and int(port) > 0


@pytest.mark.parametrize("environments", [local_cluster.cluster_environments, local_cluster.search_environments])
@pytest.mark.parametrize("count", [0, -2])
def test_there_is_one_worker_at_least(environments, count):
    with pytest.raises(ValueError, match=f"^--workers must be 1 or more, not {count}$"), environments(count):
        pass
