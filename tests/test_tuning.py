"""Search spaces, searches, and what is left of them."""

import csv
import gc
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import types

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from tests import processes, renewals
from tests.models import dataset, small_images, small_vae, weights
from tfvae import cli, config, data, evaluation, fresh_process, local_cluster, progress, training, tuning
from tfvae.cli import tables
from tfvae.config import ConfigError
from tfvae.tuning import Space, results, run_search
from tfvae.tuning import oracle as oracles
from tfvae.tuning.trials import Trials

ROOT = pathlib.Path(__file__).parent.parent
SMOKE = str(ROOT / "configs" / "smoke.yaml")
EAGERLY = {"compile": {"run_eagerly": True, "jit_compile": False}}  # a program takes longer than ten steps
RATE = {"optimizer.Adam.learning_rate": {"Float": {"min_value": 1e-3, "max_value": 1e-2, "sampling": "log"}}}


def written(folder, **keys):
    """The path of a yaml for `tfvae tune`, with these keys in place of, or beside, a small search's."""
    path = folder / "tune.yaml"
    small = {
        "base": SMOKE,
        "set": {"fit.epochs": 1, "data.train": "train[:100]", "data.validation": "train[500:520]"} | EAGERLY,
        "space": RATE,
        "tuner": {"RandomSearch": {"max_trials": 2}},
    }
    path.write_text(json.dumps(small | keys))
    return path


def free_nothing(patched, freed=None):
    """Memory is not freed, which takes half a second where many tests have run, and the kernels that TensorFlow keeps.
    `freed`, a list, notes how often it would have been."""
    patched.setattr(keras.backend, "clear_session", lambda: None if freed is None else freed.append(True))
    patched.setattr(gc, "collect", lambda: 0)


def drawn(space, **chosen):
    hp = keras_tuner.HyperParameters()
    hp.values = {key.replace("__", "."): value for key, value in chosen.items()}
    return Space(space).draw(hp)


def test_every_kind_of_value():
    space = {
        "a": {"Float": {"min_value": 0.1, "max_value": 10.0, "default": 2.0}},
        "b.c": {"Int": {"min_value": 1, "max_value": 4}},
        "d": {"Choice": {"values": [{"FullNormal": None}, {"PlanarFlow": {"layers": 2}}]}},
        "e": {"Boolean": {"default": True}},
        "f": {"Repeat": {"value": {"Int": {"min_value": 8, "max_value": 16}}, "times": {"Choice": {"values": [2, 3]}}}},
        "g": {"Same": "f"},
        "h": {"Choice": {"values": ["relu", "tanh"]}},
    }
    assert drawn(space) == {
        "a": 2.0, "b.c": 1, "d": {"FullNormal": None}, "e": True, "f": [8, 8], "g": [8, 8], "h": "relu",
    }  # fmt: skip
    found = drawn(space, b__c=3, h="tanh", f__times=3, d=json.dumps({"PlanarFlow": {"layers": 2}}))
    assert found["b.c"] == 3 and found["h"] == "tanh" and found["g"] == [8, 8, 8] and "PlanarFlow" in found["d"]


def test_a_key_is_set_only_under_its_condition():
    space = {
        "posterior": {"Choice": {"values": [{"FullNormal": None}, {"PlanarFlow": None}]}},
        "posterior.PlanarFlow.layers": {
            "Int": {"min_value": 1, "max_value": 3, "when": {"posterior": {"PlanarFlow": None}}}
        },
    }
    assert drawn(space) == {"posterior": {"FullNormal": None}}
    found = drawn(space, posterior=json.dumps({"PlanarFlow": None}), posterior__PlanarFlow__layers=3)
    assert found == {"posterior": {"PlanarFlow": None}, "posterior.PlanarFlow.layers": 3}
    model = tuning.HyperModel(SMOKE, space)
    hp = keras_tuner.HyperParameters()
    hp.values = {"posterior": json.dumps({"PlanarFlow": None}), "posterior.PlanarFlow.layers": 3}
    assert model.experiment(hp).posterior.as_keys() == {"PlanarFlow": {"layers": 3}}
    hp = keras_tuner.HyperParameters()
    model.space.draw(hp)
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("x", "max"), 8, hyperparameters=hp, seed=1)
    values = [oracle.populate_space("0")["values"] for _ in range(8)]
    assert {"posterior.PlanarFlow.layers" in v for v in values} == {True, False}
    assert all(("PlanarFlow" in v["posterior"]) == ("posterior.PlanarFlow.layers" in v) for v in values)


RATE_OF = {"min_value": 1e-3, "max_value": 1e-2}
ONE_TO_TWO = {"Int": {"min_value": 1, "max_value": 2}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"space": {"optimizer.Adm.learning_rate": {"Float": RATE_OF}}}, "optimizer: must be one"),
        (
            {"space": {"latent_sise": {"Int": {"min_value": 1, "max_value": 2}}}},
            "latent_sise: no such key; did you mean",
        ),
        ({"space": {"objective.ELBO.bta": {"Float": RATE_OF}}}, "objective.ELBO.bta: no such key; did you mean beta"),
        ({"space": {"latent_size": {"Float": RATE_OF}}}, "latent_size: .*valid integer"),
        ({"space": {"latent_size": {"Choice": {"values": []}}}}, "latent_size.Choice.values: is empty"),
        (
            {"space": {"prior": {"Choice": {"values": [{"StandardNormal": None}, {"Vamp": None}]}}}},
            "prior.Vamp: no such",
        ),
        (
            {"space": {"latent_size": {"Int": {"min_value": 4, "max_value": 2}}}},
            "min_value 4 must be below",
        ),
        (
            {"space": {"a.b": {"Float": {"min_value": 0.0, "max_value": 1.0, "sampling": "log"}}}},
            "log needs a min_value",
        ),
        ({"space": {"latent_size": {"Int": {"min_value": 1}}}}, "Int.max_value: is missing"),
        ({"space": {"latent_size": {"Flaot": {}}}}, "no such kind; there are Float, Int"),
        ({"space": {"latent_size": {"Same": "x"}}}, "'x' is no key of the space above it"),
        ({"space": {}}, "space: must hold a key"),
        ({"objective": "val_elbow"}, "objective: 'val_elbow' is none; there are val_elbo and val_log_marginal"),
        ({"tuner": {"RandomSerch": {}}}, "no such tuner; there are RandomSearch"),
        ({"tuner": {"RandomSearch": {"max_trails": 3}}}, "max_trails: no such key; did you mean max_trials"),
        ({"tuner": {"RandomSearch": {"max_trials": 0}}}, "max_trials: must be a whole number"),
        ({"tuner": {"Hyperband": {"max_epochs": 3, "factor": 1}}}, "Hyperband: factor needs"),
        ({"set": {"data.validation": None}}, "has no data.validation"),
        ({"set": {"strategy": "multi_worker"}}, "multi_worker cannot be searched"),
        ({"spaces": {}}, "spaces: no such key; did you mean space"),
    ],
)
def test_mistakes_are_named_before_any_trial(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        tuning.search(written(tmp_path, **keys), tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_what_runs_in_all_processes_is_said(tmp_path, monkeypatch):
    """By the chief, which runs nothing itself."""
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("e", "max"), 3, hyperparameters=hp)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "search")
    heard, lines, listener = [], [], progress.Listener()
    monkeypatch.setattr(listener, "at", heard.append)
    monkeypatch.setattr(listener, "line", lines.append)
    with progress.listen(listener):
        oracles.tell_progress(oracle, lambda trial: tmp_path / "search" / f"trial_{trial}" / "run")
    trials = [oracle.create_trial(f"worker{index}") for index in range(2)]
    trials[1].status, trials[1].message = "INVALID", "no"
    oracle.end_trial(trials[1])
    oracle.create_trial("worker1")
    assert heard == [
        "0 of 3 trials done, running: 0",
        "0 of 3 trials done, running: 0, 1",
        "1 of 3 trials done, running: 0",
        "1 of 3 trials done, running: 0, 2",
    ]
    assert len(lines) == 1 and lines[0].startswith("trial 1, 1 of 3 done: failed")


SEARCHED = pytest.mark.xdist_group("searched")  # it is searched once


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search of three trials, one of which cannot be trained."""
    folder = tmp_path_factory.mktemp("tune")
    widths = {"Repeat": {"value": {"Int": {"min_value": 8, "max_value": 9}}, "times": ONE_TO_TWO}}
    space = RATE | {"latent_size": {"Choice": {"values": [2, 3]}}, "encoder.mlp.units": widths}
    path = written(folder, space=space, tuner={"RandomSearch": {"max_trials": 3}})
    with pytest.MonkeyPatch.context() as patched:
        trained = training.train_experiment

        def diverges(experiment, run, *arguments, **more):
            if "trial_1" in str(run):
                experiment = config.from_keys(experiment.as_keys() | {"optimizer": {"SGD": {"learning_rate": 1e30}}})
            return trained(experiment, run, *arguments, **more)

        patched.setattr(training, "train_experiment", diverges)
        free_nothing(patched)
        rows = tuning.search(path, folder / "search")
    return path, folder / "search", rows


@SEARCHED
def test_a_search_leaves_a_table_the_best_and_figures(searched):
    """Long: it is the first, for which three runs are trained."""
    _, folder, rows = searched
    assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    assert rows[1]["score"] is None and "epoch 1 is not finite" in rows[1]["message"]
    with open(folder / "trials.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["trial"] for row in table] == [row["trial"] for row in rows]
    best = max((row for row in rows if row["score"] is not None), key=lambda row: row["score"])
    assert best["score"] == training.best_epoch(folder / "best")["val_elbo"]
    assert training.load(folder / "best")[1].latent_size == best["latent_size"]
    for name in ("trials", "parameters", "parallel"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
    assert len(list((folder / "tensorboard").iterdir())) == 2


@SEARCHED
def test_best_yaml_gives_the_best_run_bit_for_bit(searched, tmp_path):
    _, folder, _ = searched
    again = training.train(folder / "best.yaml", tmp_path / "run")
    np.testing.assert_array_equal(weights(again), weights(keras.saving.load_model(folder / "best" / "model.keras")))


@SEARCHED
def test_a_finished_search_runs_nothing_again(searched, monkeypatch):
    path, folder, rows = searched
    monkeypatch.setattr(training, "train_experiment", lambda *a, **k: pytest.fail("a trial was run again"))
    assert tuning.search(path, folder) == rows
    with pytest.raises(ConfigError, match="was begun with another config"):
        tuning.search(path, folder, ["samples=7"])


@pytest.mark.slow
def test_a_search_that_fails_as_a_whole_says_so(tmp_path):
    rates = {"optimizer.SGD.learning_rate": {"Choice": {"values": [1e30, 1e31]}}}
    path = written(tmp_path, set={"optimizer": {"SGD": None}, "fit.epochs": 1}, space=rates)
    with pytest.raises(ArithmeticError, match=r"no trial of 2 was completed.*epoch 1 is not finite"):
        tuning.search(path, tmp_path / "search")
    assert not (tmp_path / "search" / "best.yaml").exists() and (tmp_path / "search" / "trials.csv").is_file()


@pytest.mark.slow
def test_hyperband_goes_on_with_the_best(tmp_path):
    path = written(
        tmp_path, tuner={"Hyperband": {"max_epochs": 2, "factor": 2}}, objective="val_log_marginal", samples=3
    )
    rows = tuning.search(path, tmp_path / "search")
    assert {row["epochs"] for row in rows} == {1, 2}
    assert all(row["score"] is not None for row in rows)


@pytest.mark.slow
def test_any_tuner_of_keras_tuner_takes_the_hypermodel(tmp_path):
    model = tuning.HyperModel(SMOKE, RATE, ["fit.epochs=1"])
    tuner = keras_tuner.RandomSearch(
        model, keras_tuner.Objective("val_elbo", "max"), max_trials=2, directory=str(tmp_path), seed=1
    )
    tuner.search(verbose=0)
    (best,) = tuner.get_best_hyperparameters()
    assert 1e-3 <= best.get("optimizer.Adam.learning_rate") <= 1e-2
    assert len(model.kept) == 2  # training and validation data, once


def test_a_build_of_ones_own(tmp_path, monkeypatch):
    """Long: keras-tuner makes the model three times."""
    free_nothing(monkeypatch)

    def build(hp):
        rate = hp.Float("rate", 1e-3, 1e-2, sampling="log")
        return small_vae(keras.optimizers.Adam(rate))

    tuner = keras_tuner.RandomSearch(
        build, keras_tuner.Objective("val_elbo", "max"), max_trials=1, directory=str(tmp_path), seed=1
    )
    images = small_images()
    tuner.search(dataset(images, 5), validation_data=dataset(images, 5), epochs=1, verbose=0)
    (best,) = tuner.get_best_models()
    assert best.predict(images, verbose=0).shape == images.shape


@pytest.mark.parametrize("path", [*(ROOT / "configs" / "tune").glob("*.yaml"), ROOT / "docs" / "tuning.md"], ids=str)
def test_the_searches_that_are_shown_can_be_made(tmp_path, path):
    text = path.read_text()
    if path.suffix == ".md":
        (text,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "tune.yaml").write_text(text.replace("../digits.yaml", str(ROOT / "configs" / "digits.yaml")))
    settings, model, oracle = run_search.read_search(tmp_path / "tune.yaml", ())
    assert settings.objective == "val_elbo" and oracle.max_trials == 20
    assert model.experiment(keras_tuner.HyperParameters()).decoder.written["units"] == [100]


FEW = {"data.train": "train[:5]", "data.validation": "train[20:25]", "data.batch_size": 5, "fit.epochs": 2} | EAGERLY
PIXELS = tf.TensorSpec([None, 28, 28, 1], tf.uint8)


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = {"optimizer.Adam.learning_rate": 0.002} | values
    return hp


def hypermodel(**more):
    return tuning.HyperModel(SMOKE, RATE, [f"{key}={json.dumps(value)}" for key, value in (FEW | more).items()])


@pytest.mark.parametrize("adapt", [False, True])
def test_the_hypermodel_builds_the_vae_of_the_experiment_and_adapts_it_where_that_says_so(adapt):
    model, hp = hypermodel(adapt=adapt), hyperparameters()
    vae, plain = model.build(hp), config.compiled_vae(model.experiment(hp), PIXELS)
    changed = [w.path for w, other in zip(vae.weights, plain.weights, strict=True) if np.any(w != other)]
    assert len(changed) == adapt and all(re.match(r"bernoulli.*/bias$", path) for path in changed)
    assert float(vae.optimizer.learning_rate) == pytest.approx(0.002) and vae.run_eagerly


def test_the_hypermodel_fits_on_the_experiments_data_unless_it_is_given_other():
    """The experiment's is loaded once. What a tuner gives to `fit` replaces what the experiment says."""
    model, hp = hypermodel(), hyperparameters()
    vae = types.SimpleNamespace(fit=lambda *arguments, **more: (arguments, more))
    (train,), more = model.fit(hp, vae, verbose=0, callbacks=[])
    loaded = dict(model.kept)
    assert more["epochs"] == 2 and more["verbose"] == 0 and more["callbacks"] == []
    digits = next(iter(data.load("digits", "train[:5]", batch_size=5, shuffle=False)))
    np.testing.assert_array_equal(np.sort(next(iter(train)), axis=0), np.sort(digits, axis=0))
    validation = config.evaluation_data(model.experiment(hp), "train[20:25]")
    np.testing.assert_array_equal(next(iter(more["validation_data"])), next(iter(validation)))
    own = small_images()
    for arguments, more in (((own,), {}), ((), {"x": own})):
        found, named = model.fit(hp, vae, *arguments, **more, epochs=1)
        assert found == arguments and named.pop("epochs") == 1 and "validation_data" not in named
        assert named.get("x") is more.get("x")
    model.fit(hp, vae)
    assert len(loaded) == len(model.kept) == 2 and all(model.kept[key] is value for key, value in loaded.items())


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """A function: keys of a search's yaml -> its `Trials`, which train nothing: (run, epochs) of each is noted, and
    how often memory was freed."""

    def make(max_trials=None, **keys):
        settings, model, oracle = run_search.read_search(written(tmp_path, **{"set": FEW} | keys))
        return Trials(oracle, model, settings, tmp_path / "search", max_trials)

    make.trained, make.freed = [], []
    free_nothing(monkeypatch, make.freed)
    monkeypatch.setattr(training, "train_experiment", lambda e, run, *a, **k: make.trained.append((run, e.fit.epochs)))
    monkeypatch.setattr(training, "best_epoch", lambda run: {"val_elbo": -float(run.parent.name[-1])})
    return make


def trial(number="1", **values):
    return keras_tuner.engine.trial.Trial(hyperparameters(**values), trial_id=number, status="RUNNING")


def test_a_process_runs_so_many_trials_and_the_next_goes_on(trials):
    for count, more in ((2, True), (1, True), (2, False)):
        assert trials(count, tuner={"RandomSearch": {"max_trials": 4}}).run() is more
    assert [run.parent.name for run, _ in trials.trained] == [f"trial_{number}" for number in range(4)]
    assert not trials(tuner={"RandomSearch": {"max_trials": 4}}).run() and len(trials.trained) == 4


def test_a_trial_of_hyperband_goes_on_from_a_copy_of_the_earlier_run(trials):
    """One that was begun goes on with what it has."""
    search = trials(tuner={"Hyperband": {"max_epochs": 6, "factor": 2}})
    earlier, run = search.run_folder("1"), search.run_folder("4")
    earlier.mkdir(parents=True)
    (earlier / "state").write_text("of 1")
    config.write(search.experiment(trial()), earlier / "config.yaml")
    longer = {"tuner/epochs": 6, "tuner/initial_epoch": 3, "tuner/trial_id": "1"}
    for state in ("of 1", "of 4"):
        assert search.run_trial(trial("4", **longer)) == {"val_elbo": -4.0}
        assert (run / "state").read_text() == state
        (run / "state").write_text("of 4")
    assert trials.trained == [(run, 6)] * 2 and sorted(p.name for p in run.iterdir()) == ["config.yaml", "state"]
    assert config.read(run / "config.yaml").fit.epochs == 6
    assert config.read(earlier / "config.yaml").fit.epochs == 2 and (earlier / "state").read_text() == "of 1"


def test_what_is_no_fault_of_a_trial_ends_the_search(trials, monkeypatch):
    """A disk that is full, and not a model that cannot be trained: the search goes on after that."""
    search, reason = trials(), "no room\n left"

    def fails(kind):
        def train(*arguments, **more):
            search.run_folder("1").mkdir(parents=True, exist_ok=True)
            raise kind(reason)

        return train

    written_reason = search.run_folder("1").with_name(results.REASON)
    monkeypatch.setattr(training, "train_experiment", fails(OSError))
    with pytest.raises(keras_tuner.errors.FatalError, match=r"^no room\n left$"):
        search.run_trial(trial())
    assert not written_reason.exists()
    monkeypatch.setattr(training, "train_experiment", fails(ArithmeticError))
    with pytest.raises(keras_tuner.errors.FailedTrialError, match=r"^ArithmeticError: no room left$"):
        search.run_trial(trial())
    assert written_reason.read_text() == "ArithmeticError: no room left" and len(trials.freed) == 2


def test_the_score_may_be_the_log_marginal_of_the_best_epochs_model(trials, monkeypatch):
    search = trials(objective="val_log_marginal", samples=3)
    experiment, loaded = search.experiment(trial()), []
    vae = config.compiled_vae(experiment, PIXELS)
    monkeypatch.setattr(training, "load", lambda run: loaded.append(run) or (vae, experiment))
    found = search.run_trial(trial())
    images = config.evaluation_data(experiment, "train[20:25]", search.model.kept)
    assert found == {"val_log_marginal": evaluation.log_marginal(vae, images, 3).mean}
    assert loaded == [search.run_folder("1")] and len(next(iter(images))) == 5


def test_only_active_parameters_stand_in_a_line():
    row = {"trial": "3", "status": "completed", "score": -101.234, "message": None, "a.b": 0.00123, "c": "x", "d.b": 2}
    assert results.line(row, 4, 20) == "trial 3, 4 of 20 done: -101.23 nats; a.b=0.00123, c=x, d.b=2"


@pytest.mark.slow
def test_a_search_can_be_done_in_parts(tmp_path):
    path, folder = written(tmp_path), tmp_path / "search"
    assert tuning.search(path, folder, max_trials=1) is None
    assert len(list(folder.glob("search/trial_*"))) == 1 and not (folder / "best").exists()
    assert tuning.search(path, folder, max_trials=1) is None
    rows = tuning.search(path, folder, max_trials=1)
    assert [row["status"] for row in rows] == ["completed"] * 2 and (folder / "best" / "model.keras").is_file()


@processes.GROUP
def test_a_process_is_renewed_until_there_is_no_more(tmp_path):
    fresh_process.call_in_fresh_processes(renewals.write_number, tmp_path / "numbers")
    numbers = (tmp_path / "numbers").read_text().split()
    assert len(numbers) == len(set(numbers)) == 3 and str(os.getpid()) not in numbers
    with pytest.raises(OSError, match="no room in x") as raised:
        fresh_process.call_in_fresh_processes(renewals.fail, "x")
    assert "in fail" in raised.value.__notes__[0]
    with pytest.raises(ChildProcessError, match="status -9"):
        fresh_process.call_in_fresh_processes(renewals.end, "x")


def row(trial, score, rate, message=None):
    """A row as `tuning.search` gives them."""
    status = "failed" if score is None else "completed"
    about = {"trial": str(trial), "status": status, "score": score, "epochs": 4, "message": message}
    return about | {"optimizer.Adam.learning_rate": rate}


def test_the_verb_goes_on_in_further_processes_and_prints_the_best_trials(tmp_path, monkeypatch, capsys):
    """The processes are not started: what would run in each is called."""
    rows = [row(trial, -100.0 - trial, trial / 1000) for trial in (3, 0, 11, 7, 1, 10, 2, 9, 4, 8, 6)]
    rows += [row(5, None, 0.005, "no room"), row(12, None, 0.012, "another")]
    searched, outcomes, answers = [], [], iter([None, None, rows])

    def call(function, *arguments):
        while not outcomes or outcomes[-1]:
            outcomes.append(function(*arguments))

    monkeypatch.setattr(fresh_process, "call_in_fresh_processes", call)
    monkeypatch.setattr(tuning, "search", lambda *given: searched.append(given) or next(answers))
    monkeypatch.chdir(tmp_path)
    path = str(written(tmp_path))
    assert cli.main(["tune", path, "search", "--set", "seed=3"]) == 0
    assert outcomes == [True, True, False] and searched == 3 * [(path, "search", ["seed=3"], 5)]
    output = capsys.readouterr().out
    assert "search: the best of 13 trials" in output
    shown = re.findall(r"│ (\d+) +│ (-[\d.]+) │ +4 │ learning_rate=([\d.]+) +│", output)
    assert shown == [(str(n), f"-{100 + n}.00", f"{n / 1000:.4g}") for n in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10)]
    assert output.splitlines()[-2:] == [
        "2 failed, the first: no room",
        "written: search (best.yaml, best, trials.csv, figures, tensorboard)",
    ]


def test_where_no_trial_failed_none_is_said_to(capsys):
    tables.print_trials("search", [row(0, -1.0, 0.1)])
    assert "failed" not in capsys.readouterr().out


def test_the_verb_with_workers_starts_a_chief_and_them(tmp_path, monkeypatch):
    """The processes are only noted here."""
    noted, path, folder = [], str(written(tmp_path)), str(tmp_path / "search")
    monkeypatch.setattr(local_cluster, "launch", lambda *given: noted.append(given))
    assert cli.main(["tune", path, folder, "--workers", "2", "--set", "seed=3"]) == 0
    ((words, environments),) = noted
    assert words == ["tune", path, folder, "--set", "seed=3"]
    assert [each["KERASTUNER_TUNER_ID"] for each in environments] == ["chief", "worker0", "worker1"]
    assert len({(each["KERASTUNER_ORACLE_IP"], each["KERASTUNER_ORACLE_PORT"]) for each in environments}) == 1


def started(path, folder, *more):
    command = [sys.executable, "-m", "tfvae.cli", "tune", str(path), str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_killed_search_goes_on(tmp_path, workers):
    """Kills the whole search, or a worker and then the chief: no finished trial is lost, none is run twice."""
    path, folder = written(tmp_path, tuner={"RandomSearch": {"max_trials": 6}}), tmp_path / "search"
    for number in (1, 3):
        process = started(path, folder, *workers)
        while sum((run / "model.keras").is_file() for run in folder.glob("search/trial_*/run")) < number:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[number == 1]) if workers else process.pid, signal.SIGKILL)  # a worker, then the chief
        process.communicate(timeout=120)
    finished = {run: run.stat().st_mtime_ns for run in folder.glob("search/trial_*/run/model.keras")}
    process = started(path, folder, *workers)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "best of 6 trials" in output
    ended = json.loads((folder / "search" / "oracle.json").read_text())["end_order"]
    assert sorted(ended) == sorted(set(ended)) and len(ended) == 6
    assert len(finished) >= 3 and len(list(folder.glob("search/trial_*/run/model.keras"))) == 6
    assert config.read(folder / "best.yaml")
    assert not list(folder.glob("search/trial_*/failed.txt"))
