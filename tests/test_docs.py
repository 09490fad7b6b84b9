"""What the documents say runs, and what they list is all there is."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests import processes

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
