import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import images, peers, reproduce, results, scaling, tables, tasks
from benchmarks.tables import counts, imputation, sets
from benchmarks.tables import report as tables_report

ROOT = pathlib.Path(__file__).parent.parent


def measured(peer, *values, task="training"):
    return [{"task": task, "peer": peer, "row": peer, "figures": {"images/s": v, "loss": 1.0}} for v in values]


def failed(peer):
    return {"task": "training", "peer": peer, "row": peer, "error": "ValueError: no"}


def test_figures_are_medians_and_ratios_those_of_medians():
    summary = results.summarise(measured("tfvae", 30, 10, 20) + measured("keras_fit", 5, 4, 6))["training"]
    assert summary["tfvae"]["figures"] == {"images/s": 20, "loss": 1.0}
    assert list(summary["tfvae"]["figures"]) == ["images/s", "loss"]
    assert (summary["tfvae"]["low"], summary["tfvae"]["high"]) == (10, 30)
    assert (summary["tfvae"]["ratio"], summary["keras_fit"]["ratio"]) == (1, 4)


def test_figures_that_were_lost_in_the_noise_do_not_count():
    summary = results.summarise(measured("tfvae", 30, None, 20) + measured("jax_scan", None))["training"]
    assert summary["tfvae"]["figures"]["images/s"] == 25
    assert summary["jax_scan"]["figures"]["images/s"] is None and summary["jax_scan"]["ratio"] is None


def test_peers_that_are_missing_or_fail_are_named():
    summary = results.summarise(
        [*measured("tfvae", 2), failed("keras_fit"), *measured("torch_eager", 1), failed("torch_eager")]
    )
    text = results.markdown(summary, {"jax_scan": ["jax", "optax"]}, "Medians.")
    assert "left out: jax_scan, which needs jax, optax" in text
    assert "| keras_fit | ? | failed | ? | ? |" in text
    assert "failed: keras_fit, training, 1 of 1 runs: ValueError: no" in text
    assert "| torch_eager | 1 | 1 - 1 | 1 | 2 |" in text
    assert "failed: torch_eager, training, 1 of 2 runs: ValueError: no" in text


def test_absent_packages_are_found(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "tfvae", peers.PEERS["tfvae"]._replace(packages=("tfvae", "no_such_package")))
    assert peers.missing_packages("tfvae") == ["no_such_package"] and peers.missing_packages("keras_fit") == []


def test_peers_take_turns():
    jobs = list(command._jobs({"training": {"count": 1}}, ["tfvae", "keras_fit"], runs=2))
    assert [(job["run"], job["peer"]) for job in jobs] == [
        (1, "tfvae"),
        (1, "keras_fit"),
        (2, "tfvae"),
        (2, "keras_fit"),
    ]


def test_only_those_who_can_take_part():
    assert all(set(task.peers) <= set(peers.PEERS) for task in tasks.TASKS.values())
    assert not list(command._jobs({"scaling": {"count": 8}}, ["keras_fit"], runs=1))


def test_a_worker_that_fails_is_a_measurement_with_its_last_line():
    job = {"task": "training", "peer": "nobody", "row": "nobody", "settings": {}}
    assert command._measure(job, "images.npz", threads=1)["error"] == "KeyError: 'nobody'"


def test_scaling_varies_one_setting_at_a_time(tmp_path):
    settings = {"count": 80, "epochs": 2}
    points = list(scaling.points(settings))
    assert points[0] == ("images: 10", "count", 10, {"count": 10, "epochs": 2})
    assert points[-1] == ("width of the layers: 800", "width", 800, {"count": 20, "epochs": 2, "width": 800})
    rows = {row: {"figures": {"seconds of an epoch": 1.0}} for row, *_ in points}
    rows["images: 10"]["figures"] = {}  # failed
    scaling.draw(rows, settings, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 1000


def test_images_are_those_of_the_digits_or_of_a_folder(tmp_path):
    assert images.read()["train"].shape == (10_000, 28, 28)
    with pytest.raises(ValueError, match="does not hold train-images"):
        images.read(tmp_path)


@pytest.mark.slow
def test_the_command_runs(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(tmp_path)]
    command += ["--only", "training", "--peers", "tfvae,keras_fit"]
    environment = {k: v for k, v in os.environ.items() if k != "TFVAE_MNIST"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Training an MLP" in done.stdout and "tfvae / peer" in done.stdout
    assert "| keras_fit |" in (tmp_path / "results.md").read_text()
    found = json.loads((tmp_path / "results.json").read_text())
    assert [m["peer"] for m in found["measurements"]] == ["tfvae", "keras_fit"]
    assert all(len(m["figures"]) == 2 for m in found["measurements"])


@pytest.mark.slow
def test_the_table_is_filled_once(tmp_path, monkeypatch, capsys):
    """Two seeds of a small cell; a second call trains nothing and prints the same."""
    data = (
        "data={name: digits, batch_size: 50, train: 'train[:100]', test: 'test[:20]', evaluation: {binarize: static}}"
    )
    options = ["--cells", "elbo_1", "--seeds", "2", "--samples", "5", "--set", data, "--set", "fit.epochs=2"]
    monkeypatch.setattr("sys.argv", ["reproduce", str(tmp_path), *options])
    reproduce.main()
    table = capsys.readouterr().out.split("| cell")[1]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [row[1] for row in rows] == ["0", "1", "2 seeds"]
    assert all(row[6] == "2 epochs, batch 50, Nadam 0.004" for row in rows[:2])
    values = [
        json.loads((tmp_path / f"elbo_1-{i}/evaluation.json").read_text())["log_marginal"]["mean"] for i in (0, 1)
    ]
    assert values[0] != values[1] and rows[2][3].startswith(
        f"{np.mean(values):.2f}, spread {np.std(values, ddof=1):.2f}"
    )
    reproduce.main()
    assert capsys.readouterr().out.split("| cell")[1] == table


def test_each_table_is_read_as_it_is_described():
    assert tuple(sets.SETS) == tables.NAMES
    for name in ("wine", "diabetes", "penguins"):
        table = sets.read(name)
        assert set(table.kinds) <= set(table.numbers) and (table.target is None or table.target in table.categories)


def test_hidden_cells_alone_are_scored():
    table = sets.read("penguins")
    gaps, hidden = imputation.hide(table.frame, 0.3, seed=0)
    assert 0.28 < hidden.mean() < 0.31 and not table.frame.isna().to_numpy()[hidden].any()
    assert imputation.score(table, table.frame, hidden) == {"rmse": 0.0, "accuracy": 1.0}
    assert gaps.where(gaps.notna(), table.frame).equals(table.frame)
    filled = imputation.METHODS["mean"](table, gaps, 0, [])
    there = gaps.notna()
    assert filled.where(there).equals(gaps.where(there)) and not filled.isna().to_numpy().any()
    found = imputation.score(table, filled, hidden)
    assert 0.9 < found["rmse"] < 1.1 and 0.3 < found["accuracy"] < 0.6


def test_simulated_counts_are_mostly_zeros():
    frame, types = counts.simulate(200, 50)
    assert (frame.to_numpy() == 0).mean() > 0.5 and set(types) == {0, 1, 2} and frame.shape == (200, 50)


def test_the_best_of_each_table_is_bold():
    found = [
        {"task": "imputation", "table": "wine", "missing": 0.5, "seed": seed, "method": method, "rmse": value}
        for method, value in (("tfvae", 0.7), ("mean", 1.0))
        for seed in range(2)
    ]
    text = tables_report.markdown(found, ["tvae needs ctgan"], "Means.")
    assert "| wine | 0.5 | tfvae | **0.7** | 2 |" in text and "| wine | 0.5 | mean | 1 | 2 |" in text
    assert "- left out: tvae needs ctgan" in text


@pytest.mark.slow
def test_tables_are_measured_and_written(tmp_path):
    """Two small tables for an epoch, in a process of its own, without peers that are not installed."""
    options = ["--quick", "--seeds", "1", "--missing", "0.5", "--set", "fit.epochs=1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", *options], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "tables.jsonl").read_text().splitlines()]
    measured = {(each["task"], each.get("table"), each.get("method")) for each in found}
    assert {("imputation", "wine", "tfvae"), ("synthesis", "penguins", "tfvae")} <= measured
    assert {("counts", "simulated", "tfvae"), ("imputation", "penguins", "knn")} <= measured
