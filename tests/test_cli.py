import argparse
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tfvae import cli, data, evaluation, local_cluster, training
from tfvae.cli import verbs as cli_verbs

ROOT = pathlib.Path(__file__).parent.parent
pytestmark = pytest.mark.xdist_group("verbs")  # they run once
SMOKE = str(ROOT / "configs" / "smoke.yaml")


@pytest.fixture(scope="module")
def run(verbs):
    return verbs.run


def test_a_run_folder_holds_what_later_verbs_need(run):
    """Long: it is the first, for which all verbs run."""
    names = set(os.listdir(run))
    assert names >= {"config.yaml", "run.json", "model.keras", "history.csv", "tensorboard", "checkpoints"}
    assert not [name for name in names if name.startswith(".partial")]
    kept = [name for name in os.listdir(run / "checkpoints") if name.endswith(("keras", "index"))]
    assert sorted(kept) == ["best.keras", "step-10.index", "step-20.index"]
    record = json.loads((run / "run.json").read_text())
    assert record["seed"] == 0 and record["versions"]["keras"] == keras.__version__
    assert record["best_epoch"] in (1, 2) and record["parameters"] > 0
    history = (run / "history.csv").read_text().splitlines()
    assert history[0].startswith("epoch,elbo,kl,loss,reconstruction,val_elbo") and len(history) == 3
    assert list((run / "tensorboard").rglob("events.out.*"))


def test_the_best_epoch_is_kept(run):
    record = json.loads((run / "run.json").read_text())
    best, kept = (keras.saving.load_model(run / name) for name in ("checkpoints/best.keras", "model.keras"))
    np.testing.assert_array_equal(best.encoder.get_weights()[0], kept.encoder.get_weights()[0])
    assert record["best_val_elbo"] == max(
        float(line.split(",")[5]) for line in (run / "history.csv").read_text().splitlines()[1:]
    )


def test_evaluate_prints_a_table_and_writes_it(verbs):
    (printed, _), result = verbs.printed["evaluate"], verbs.evaluation
    assert result["examples"] == 100 and result["split"] == "test" and result["log_marginal_samples"] == 1000
    assert result["log_marginal"]["mean"] > result["elbo"]["mean"]
    for name in ("elbo", "reconstruction", "kl", "log_marginal"):
        assert f"{result[name]['mean']:.2f}" in printed
    assert (
        1
        <= result["log_marginal"]["effective_samples_least"]
        <= result["log_marginal"]["effective_samples_median"]
        <= 1000
    )


def test_evaluate_measures_latents_reconstructions_and_samples(verbs):
    (printed, _), result = verbs.printed["evaluate"], verbs.evaluation
    measures = result["measures"]
    assert set(measures) == {"reconstruction_error", "information", "gap", "rate_distortion", "probes", "samples"}
    assert list(result["left_out"]) == ["disentanglement"]
    assert "left out: disentanglement (digits has no factors: the TFDS data set digits cannot be conditioned" in printed
    parts = {name: numbers["mean"] for name, numbers in measures["information"].items() if name != "examples"}
    assert parts["kl"] == pytest.approx(parts["mutual_information"] + parts["aggregate_kl"], abs=1e-3)
    assert measures["rate_distortion"]["rates"][-1] == pytest.approx(result["kl"]["mean"], rel=1e-3)
    scores = [measures["probes"]["linear_probe"], *measures["samples"]["draws"].values()]
    for name, score in zip(("linear probe", "precision", "recall", "density", "coverage"), scores, strict=True):
        assert any(name in line and f"{score:.3f}" in line for line in printed.splitlines())


@pytest.mark.slow
def test_evaluate_scores_disentanglement_where_factors_are_known(tmp_path, capsys):
    keys = ["data={name: shapes, batch_size: 50, train: 'train[:100]', test: 'test[:300]'}", "fit.epochs=1"]
    assert cli.main(["train", SMOKE, str(tmp_path / "run"), *(w for key in keys for w in ("--set", key))]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", str(tmp_path / "run"), "--samples", "5"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    scores = result["measures"]["disentanglement"]
    assert scores.pop("examples") == 300 and result["left_out"] == {} and len(scores) == 6
    vae, _ = training.load(tmp_path / "run")
    codes = evaluation.codes(vae, data.load("shapes", "test[:300]", condition="factors"))
    assert scores["sap"] == pytest.approx(evaluation.sap(*codes, categorical=[0]))  # the shape, which has no order
    for name, score in scores.items():
        assert 0 <= score <= 1
        assert any(name.replace("_", " ") in line and f"{score:.3f}" in line for line in printed.splitlines())


def test_evaluate_takes_other_splits(run):
    assert cli.main(["evaluate", str(run), "--samples", "5", "--split", "validation", "--quick"]) == 0
    assert json.loads((run / "evaluation.json").read_text())["examples"] == 100
    assert cli.main(["evaluate", str(run), "--samples", "5", "--split", "test[:30]", "--quick"]) == 0
    assert json.loads((run / "evaluation.json").read_text())["examples"] == 30


def test_plot_draws_what_the_run_can_have_and_says_what_not(verbs):
    names = "interpolations latent_space learning_curves rate_distortion reconstructions samples traversals units"
    assert sorted(os.listdir(verbs.run / "figures")) == [f"{name}.png" for name in names.split()]
    *others, last = verbs.printed["plot"][0].splitlines()
    assert last.startswith("left out: manifold (the latent size is 20, and a plane shows 2); training.gif (it takes 2")
    assert sum(line.startswith("written: ") for line in others) == 8


@pytest.mark.slow
def test_a_run_with_pictures_has_a_gif_and_one_of_two_units_a_manifold(tmp_path, capsys):
    more = ["data.train=train[:100]", "latent_size=2", "fit.callbacks=[{Watch: }, {Pictures: {every: 1}}]"]
    assert cli.main(["train", SMOKE, str(tmp_path / "run"), *(w for key in more for w in ("--set", key))]) == 0
    capsys.readouterr()
    assert cli.main(["plot", str(tmp_path / "run")]) == 0
    assert "left out" not in capsys.readouterr().out
    assert {"manifold.png", "training.gif"} < set(os.listdir(tmp_path / "run" / "figures"))


@pytest.mark.slow
def test_plot_of_vectors_leaves_images_and_labels_out(tmp_path, capsys):
    arrays = {split: np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32) for split in ("train", "test")}
    np.savez(tmp_path / "table.npz", **arrays)
    keys = [
        f"data={{name: {tmp_path / 'table.npz'}, batch_size: 20}}",
        "preprocessor=null",
        "likelihood={Normal: }",
        "fit.callbacks=[{Watch: }, {Pictures: }]",
    ]
    assert cli.main(["train", SMOKE, str(tmp_path / "run"), *(w for key in keys for w in ("--set", key))]) == 0
    assert "Pictures draws nothing: x has shape (5,)" in capsys.readouterr().err
    assert cli.main(["plot", str(tmp_path / "run")]) == 0
    assert sorted(os.listdir(tmp_path / "run" / "figures")) == [
        "learning_curves.png",
        "rate_distortion.png",
        "units.png",
    ]
    said = capsys.readouterr().out.splitlines()[-1]
    assert "reconstructions, samples, interpolations, traversals, manifold (x has shape (5,), which is no image" in said
    assert "latent_space (" in said and "has no labels" in said


def test_export_makes_three_servables(verbs):
    assert sorted(os.listdir(verbs.models)) == [".lock", "decoder", "encoder", "scorer"]
    assert verbs.printed["export"][0].count("written: ") == 3
    record = json.loads((verbs.models / "scorer" / "1" / "model.json").read_text())
    assert record["config"]["data"]["name"] == "digits"
    assert record["run"]["best_epoch"] >= 1 and "elbo" in record["evaluation"]


def test_export_says_how_near_half_precision_is(tmp_path, capsys, monkeypatch):
    (tmp_path / "model.json").write_text('{"parity": {"encode": {"mean": 2.0e-4, "std": 0.00351}, "z": {"x": 0.001}}}')
    settings = []
    monkeypatch.setattr(training, "export", lambda *_, **given: settings.append(given) or {"encoder": tmp_path})
    cli_verbs.export(
        argparse.Namespace(run="run", models="models", samples=7, dtype="float16", xla=True, contamination=0.1)
    )
    assert settings == [{"samples": 7, "dtype": "float16", "jit_compile": True, "contamination": 0.1}]
    written, parity = capsys.readouterr().out.splitlines()
    assert written == f"written: {tmp_path}"
    assert parity == "  in float16 its answers to the check's examples are within 3.5e-03 of the model's"


def test_train_with_workers_starts_the_command_in_each(tmp_path, monkeypatch):
    """The processes are only noted here; those of `test_resume` run."""
    started, new = [], str(tmp_path / "new")
    monkeypatch.setattr(local_cluster, "launch", lambda *given: started.append(given))
    assert cli.main(["train", SMOKE, new, "--workers", "2", "--set", "seed=3", "--resume", "--quiet"]) == 0
    ((words, environments),) = started
    assert words == ["train", SMOKE, new, "--resume", "--quiet", "--set", "seed=3", "--set", "strategy=multi_worker"]
    first, second = (json.loads(environment["TF_CONFIG"]) for environment in environments)
    assert first["cluster"] == second["cluster"] and len(set(first["cluster"]["worker"])) == 2
    assert [each["task"]["index"] for each in (first, second)] == [0, 1]


def test_workers_that_were_told_to_end_give_their_status(tmp_path, monkeypatch):
    monkeypatch.setattr(local_cluster, "launch", lambda words, environments: 143)
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", SMOKE, str(tmp_path / "new"), "--workers", "1"])
    assert ended.value.code == 143


@pytest.mark.parametrize(("index", "lines"), [(0, 1), (1, 0)])
def test_only_the_chief_names_the_run_folder(tmp_path, capsys, monkeypatch, index, lines):
    trained, new = [], str(tmp_path / "new")
    monkeypatch.setenv("TF_CONFIG", json.dumps({"task": {"index": index}}))
    monkeypatch.setattr(training, "train", lambda *given, verbose: trained.append(given))
    assert cli.main(["train", SMOKE, new, "--set", "seed=3"]) == 0
    assert trained == [(SMOKE, new, ["seed=3"], False)]
    said = [f"run folder: {new} (model.keras, history.csv, tensorboard, checkpoints)"]
    assert capsys.readouterr().out.splitlines() == said[:lines]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no.yaml", "{new}"], "no such config: no.yaml"),
        (["train", SMOKE, "{run}"], "exists: choose another"),
        (["train", SMOKE, "{new}", "--set", "latent_siz=3"], "did you mean latent_size?"),
        (["train", SMOKE, "{new}", "--set", "likelihood={Bernuli: }"], "did you mean Bernoulli?"),
        (["train", SMOKE, "{new}", "--set", "data.name=digts"], "did you mean"),
        (["train", SMOKE, "{new}", "--set", "data.train=trian"], "Unknown split 'trian'"),
        (["train", SMOKE, "{new}", "--set", "preprocessor=null"], "Binarize"),
        (["train", SMOKE, "{new}", "--set", "preprocessor={Rescale: }"], "models 0 and 1"),
        (["train", SMOKE, "{new}", "--set", "encoder={conv: {filters: [4, 4, 4]}}"], "height and width that 8 divides"),
        (["train", SMOKE, "{new}", "--set", "objective.ELBO.beta=-1"], "beta"),
        (["train", SMOKE, "{new}", "--set", "data.evaluation.size=[14, 14]"], "models events of shape (28, 28, 1)"),
        (
            ["train", SMOKE, "{new}", "--set", "fit.epochs=0"],
            "fit.epochs: Input should be greater than",
        ),
        (["train", SMOKE], "the following arguments are required: RUN"),
        (["evaluate", "{new}"], "not the folder of a finished run: it has no config.yaml"),
        (["evaluate", "{run}", "--split", "tset"], "Unknown split 'tset'"),
        (["evaluate", "{run}", "--samples", "0"], "--samples: must be from 1 to 1000000, not 0"),
        (["evaluate", "{run}", "--samples", "many"], "--samples: must be a whole number, not 'many'"),
        (["plot", "{new}"], "not the folder of a finished run"),
        (["export", "{new}", "{new}"], "not the folder of a finished run"),
        (["trian", SMOKE, "{new}"], "no such command: trian; did you mean train?"),
        ([], "the following arguments are required: VERB"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, tmp_path, capsys, arguments, message):
    new = tmp_path / "new"
    try:
        status = cli.main([a.format(run=run, new=new) if "{new}" in a or "{run}" in a else a for a in arguments])
    except SystemExit as ended:
        status = ended.code
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("error: ") and message in line
    assert not new.exists()


def test_a_run_that_diverges_says_so(tmp_path, capsys):
    keys = ["optimizer={SGD: {learning_rate: 1.0e+30}}", "compile={run_eagerly: true, jit_compile: false}"]
    keys += ["data.train=train[:100]", "data.validation=train[500:520]"]
    assert cli.main(["train", SMOKE, str(tmp_path / "run"), *(w for key in keys for w in ("--set", key))]) == 2
    assert "epoch 1 is not finite: at step" in capsys.readouterr().err


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(FileNotFoundError):
        cli.main(["train", "no.yaml", str(tmp_path / "new"), "--debug"])


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["trian"]])
def test_help_and_wrong_arguments_do_not_wait_for_tensorflow(arguments):
    script = "import sys; sys.argv = ['tfvae', *sys.argv[1:]]\nfrom tfvae import cli\ntry: cli.main()\n"
    script += "except SystemExit as ended: print(ended.code, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == f"{2 if arguments == ['trian'] else 0} False"


def test_the_command_is_installed_and_quiet(tmp_path):
    command = pathlib.Path(sys.executable).with_name("tfvae")
    done = subprocess.run([command, "evaluate", tmp_path / "no"], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
