"""What the documents say runs, and what they list is all there is."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests import processes
from tests.test_server import Server
from tfvae import tables

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"


def test_the_zoo_lists_every_yaml():
    text = (DOCS / "zoo.md").read_text()
    listed = re.findall(r"\[(\w+)\]\(\.\./configs/zoo/(\w+)\.yaml\)", text)
    assert all(name == path for name, path in listed)
    assert sorted(name for name, _ in listed) == sorted(
        path.stem for path in (ROOT / "configs" / "zoo").glob("*.yaml") if path.stem != "base"
    )


def test_every_link_leads_somewhere():
    for page in DOCS.glob("*.md"):
        for path in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (DOCS / path).exists(), f"{page.name}: {path}"


def walk():
    """The section of CONTRIBUTING.md that adds a paper."""
    return (ROOT / "CONTRIBUTING.md").read_text().split("## Add a paper")[1].split("\n## ")[0]


def test_the_walk_through_a_paper_shows_the_files_as_they_are():
    """Where this fails, copy the lines anew: each block stands in one of the files that are named before it."""
    text = walk()
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        before = text[: text.index(block)]
        files = [ROOT / path for path in re.findall(r"`((?:tfvae|tests|configs)/[\w/]+\.(?:py|yaml))`", before)]
        assert any(block in path.read_text() for path in files[-2:]), f"not in {files[-2:]}:\n{block}"
    assert len(blocks) == 4


@pytest.mark.slow
def test_the_walk_through_a_paper_runs(tmp_path):
    """Its tests are found, and its yaml trains."""
    commands = re.findall(r"^(?:scripts/test|tfvae) .*$", walk(), re.MULTILINE)
    assert len(commands) == 4
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for command in commands:
        name, *words = command.split()
        if name == "tfvae":
            done = processes.run("-m", "tfvae.cli", *words, cwd=tmp_path)
        else:
            started = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", *words]
            done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_likelihood_of_ones_own_trains_and_is_exported(tmp_path):
    text = (DOCS / "own_likelihood.md").read_text()
    (module,), (config,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "yaml"))
    (tmp_path / "mine.py").write_text(module)
    (tmp_path / "mine.yaml").write_text(config)
    (tmp_path / "configs").symlink_to(ROOT / "configs")  # as in the repository's folder
    environment = os.environ | {"PYTHONPATH": ".", "CUDA_VISIBLE_DEVICES": ""}
    for command in re.findall(r"PYTHONPATH=\. tfvae (.*)", text):
        few = ["--set", "fit.epochs=1"] if command.startswith("train") else []
        few = ["--samples", "3", "--split", "test[:20]"] if command.startswith("evaluate") else few
        if command.startswith("train"):  # a new Python, which PYTHONPATH is for; the others need not import all anew
            started = [sys.executable, "-m", "tfvae.cli", *command.split(), *few]
            done = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True)
        else:
            done = processes.run("-m", "tfvae.cli", *command.split(), *few, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
    done = processes.run(ROOT / "export" / "check.py", tmp_path / "models")
    assert done.returncode == 0 and "all answers are the model's" in done.stdout


@pytest.mark.slow
def test_the_guide_to_tables_runs(tmp_path, monkeypatch):
    """Long: a run of some hundred epochs, as a user has it, then each of its commands, a server and a request; and the
    same in Python."""
    text = (DOCS / "tables.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    commands, request = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    (tmp_path / "configs").symlink_to(ROOT / "configs")  # as in the repository's folder
    *verbs, serve = [line.split()[1:] for line in commands.splitlines()]
    assert [words[0] for words in verbs] == ["train", "score", "impute", "sample", "export"] and serve[0] == "serve"
    for words in verbs:
        done = processes.run("-m", "tfvae.cli", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    scores, whole, more = (tables.read(tmp_path / f"{name}.csv") for name in ("scores", "whole", "more"))
    assert len(scores) == len(whole) == 344 and len(more) == 1000 and not whole.isna().any().any()
    assert 0 < scores["flag"].mean() < 0.2
    server = Server(tmp_path / serve[1])
    try:
        body = re.search(r"-d '(.*)'", request, re.DOTALL)[1]
        (found,) = server.post("scorer:predict", body).json()["predictions"]
    finally:
        assert server.end()[0] == 0
    assert found["flag"] and found["odd_columns"].split(", ")[0] == "body_mass_g"  # a penguin of 9.75 kg
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "tables.md", "exec"), {})
