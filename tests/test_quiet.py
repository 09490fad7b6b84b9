"""What a newcomer reads: the verbs say what they do, and nothing that is to be ignored."""

import io
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import tensorflow as tf

from tests import models, processes
from tfvae import callbacks, cli, data, evaluation, progress, tensorflow_output, training, tuning
from tfvae.cli import terminal
from tfvae.data import binarization
from tfvae.training.report import tables

ROOT = pathlib.Path(__file__).parent.parent
SMOKE = str(ROOT / "configs" / "smoke.yaml")
pytestmark = pytest.mark.xdist_group("verbs")  # they run once


class Heard(progress.Listener):
    """Keeps what was said."""

    def __init__(self):
        self.said = []

    def doing(self, what):
        self.said.append(("doing", what))

    def at(self, so_far):
        self.said.append(("at", so_far))

    def line(self, text):
        self.said.append(("line", text))

    def of(self, kind):
        return [text for name, text in self.said if name == kind]


@pytest.mark.parametrize("verb", ["train", "evaluate", "plot", "export"])
def test_a_verb_writes_no_line_on_stderr_and_no_warning(verbs, verb):
    """Long: the fixture trains, evaluates, plots and exports."""
    output, errors = verbs.printed[verb]
    assert errors == ""
    assert not re.search(r"warning|retracing|oneDNN|\x1b|\r|\x08", output, re.IGNORECASE)


SAID = {
    "train": [r"reading the data", r"making the model", r"adapting", r"^epoch 2 of 2:  elbo -\d+", r"^run folder: "],
    "evaluate": [r"^loading the model", r"^ELBO", r"^log p\(x\), 1000", r"^gap", r"^samples", r"^written: .*json"],
    "plot": [r"^drawing traversals.png: ", r"^written: .*traversals.png", r"^left out: manifold"],
    "export": [r"^exporting the encoder: ", r"^exporting the scorer: ", r"^written: .*scorer/1"],
}


@pytest.mark.parametrize(("verb", "said"), [(verb, said) for verb, patterns in SAID.items() for said in patterns])
def test_a_verb_says_in_plain_lines_what_it_does(verbs, verb, said):
    assert re.search(said, verbs.printed[verb][0], re.MULTILINE)


def test_each_figure_is_named_when_it_is_written(verbs):
    lines = verbs.printed["plot"][0].splitlines()
    written = next(i for i, line in enumerate(lines) if line.startswith("written: ") and "reconstructions" in line)
    drawing = max(i for i, line in enumerate(lines) if line.startswith("drawing learning_curves"))
    assert written < drawing


@pytest.mark.slow
def test_quiet_leaves_the_lines_to_keep(verbs, capsys, monkeypatch):
    """Draws all figures: 6 s of CPU."""
    monkeypatch.setattr(terminal, "SECONDS", 0.01)
    assert cli.main(["plot", str(verbs.run), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and all(line.startswith(("written: ", "left out: ")) for line in lines)


@pytest.mark.slow
def test_few_effective_samples_are_one_line_below_the_table(verbs, capsys, monkeypatch):
    """With all measures, as some of them estimate log p(x) too: 10 s of CPU."""
    monkeypatch.setattr("tfvae.evaluation.evidence.FEW_EFFECTIVE", 10_000)  # so that all are few
    assert cli.main(["evaluate", str(verbs.run), "--samples", "1000", "--split", "test[:20]"]) == 0
    output, errors = capsys.readouterr()
    (note,) = [line for line in output.splitlines() if "effective, so that" in line]
    assert note.startswith("note: for 20 of 20 examples") and note.endswith("(docs/evaluation.md)") and errors == ""
    assert output.index("└") < output.index(note)
    assert (ROOT / tables.DOCS).is_file()


def test_library_functions_are_silent(verbs, capsys):
    training.evaluate(verbs.run, "test[:20]", 10, more=False)
    assert capsys.readouterr() == ("", "")


def test_evaluation_says_how_far_it_is():
    heard = Heard()
    with progress.listen(heard):
        evaluation.elbo_terms(models.small_vae(), models.dataset(models.small_images(20), 5))
    assert heard.said == [("at", f"{n} of 4 batches") for n in range(5)]


def test_training_says_epochs_and_steps():
    heard = Heard()
    x = models.small_images(20)
    with progress.listen(heard):
        models.small_vae().fit(
            x, batch_size=5, epochs=2, validation_data=x, verbose=0, callbacks=[callbacks.EpochLines()]
        )
    assert heard.of("doing") == ["epoch 1 of 2", "epoch 2 of 2"]
    assert {"step 4 of 4", "validation"} <= set(heard.of("at"))
    assert all(re.match(r"epoch \d of 2:  .*val_elbo -[\d.]+  .*\d s$", line) for line in heard.of("line"))


def test_what_a_part_says_is_how_far_the_whole_is():
    heard = Heard()
    with progress.listen(heard), progress.within("trial 3"):
        progress.doing("epoch 1 of 2")
        progress.at("step 4 of 9")
        progress.line("epoch 1: good")
    assert heard.said == [("doing", "trial 3"), ("at", "epoch 1 of 2"), ("at", "epoch 1 of 2, step 4 of 9")]


def test_nobody_hears_after_the_end_or_in_another_thread():
    heard = Heard()
    with progress.listen(heard):
        thread = threading.Thread(target=progress.doing, args=("this",))
        thread.start()
        thread.join()
    progress.doing("that")
    assert heard.said == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_a_line_that_moves_and_vanishes(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", Terminal())
    screen = sys.stdout
    with terminal.show_progress():
        progress.doing("log p(x)")
        progress.at("3 of 20 batches [x]")
        time.sleep(0.3)
        print("above")
        progress.line("written: a.png")
        progress.done()
        print("after")
    text = screen.getvalue()
    assert "log p(x): 3 of 20 batches [x]" in text and "0:00:0" in text
    assert text.index("above") < text.index("written: a.png") < text.index("after")
    assert sys.stdout is screen  # it is given back


def test_what_reads_the_lines_may_go(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(terminal, "SECONDS", 0.01)
    monkeypatch.setattr(sys, "stdout", Gone())
    with terminal.show_progress():
        progress.doing("this")
        time.sleep(0.1)


def test_a_warning_is_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with terminal.show_progress():
            warnings.warn("this\nand that", UserWarning, stacklevel=1)
        assert capsys.readouterr().err == "warning: this and that\n"
        shown = warnings.showwarning
    assert shown is not terminal._show_warning


def test_loading_data_many_times_traces_one_program():
    images = [data.load("digits", f"test[:{n}]", binarize="static") for n in (10, 20, 30)]
    assert all(len(np.concatenate(list(dataset))) == n for dataset, n in zip(images, (10, 20, 30), strict=True))
    assert binarization._draw_pixels.experimental_get_tracing_count() == 1


def test_static_pixels_follow_from_seed_split_and_place():
    whole, part = (next(iter(data.load("digits", s, 50, binarize="static"))) for s in ("test[:50]", "test[20:30]"))
    other = next(iter(data.load("digits", "test[:50]", 50, binarize="static", seed=2**40 + 1)))
    tf.debugging.assert_equal(whole[20:30], part)
    assert np.any(whole != other) and set(np.unique(other)) == {0, 255}


@pytest.mark.slow
def test_a_search_says_its_trials(tmp_path):
    """Two short trials: 6 s of CPU."""
    path = tmp_path / "search.yaml"
    path.write_text(
        f"base: {SMOKE}\nset: {{fit.epochs: 1}}\ntuner: {{RandomSearch: {{max_trials: 2}}}}\n"
        "space: {optimizer.Adam.learning_rate: {Float: {min_value: 1.0e-3, max_value: 1.0e-2}}}\n"
    )
    heard = Heard()
    with progress.listen(heard):
        tuning.search(path, tmp_path / "folder")
    assert {"trial 0", "trial 1", "searching"} <= set(heard.of("doing"))
    assert any(re.match("epoch 1 of 1, step 10 of 10", text) for text in heard.of("at"))
    assert len(heard.of("line")) == 2 and all(line.startswith("trial ") for line in heard.of("line"))


IMPORTED = """
import os
import tfvae
from tfvae import data
print(len(data.load("digits", "test[:10]")), os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""


def test_importing_the_package_writes_nothing():
    """A new Python, which imports TensorFlow: 5 s of CPU. `test_bad_data` has one that is asked to write."""
    variables = {key: value for key, value in os.environ.items() if key != tensorflow_output.LEVEL}
    variables |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", IMPORTED], env=variables, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "3"], done.stderr
    assert done.stderr == ""


def test_an_import_that_fails_shows_what_was_written(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import os\nos.write(2, b'E0000 00:00 a library fails\\n')\nraise ImportError\n"
    )
    (tmp_path / "fine.py").write_text("import os\nos.write(2, b'I0000 00:00 a note\\nof a user\\n')\n")
    script = "import sys\nfrom tfvae import tensorflow_output\ntensorflow_output.import_quietly(sys.argv[1])"
    for name, said in (("broken", ["E0000 00:00 a library fails"]), ("fine", ["of a user"])):
        started = [sys.executable, "-c", f"import sys; sys.argv[0] = 'tfvae'\n{script}", name]
        done = subprocess.run(started, env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}, capture_output=True)
        assert done.stderr.decode().splitlines()[: len(said)] == said


@pytest.mark.slow
def test_the_check_of_an_export_is_quiet(verbs):
    """It loads three servables and runs all that they have: 9 s of CPU."""
    done = processes.run(ROOT / "export" / "check.py", verbs.models)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.splitlines()[-1] == "all answers are the model's"


def test_in_notebooks_an_export_does_not_name_temporary_files(capfd):
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("INFO")
    try:
        with tensorflow_output.warnings_only():
            logger.info("Assets written to: /tmp/x")
            logger.warning("a warning")
        assert logger.level == 20
    finally:
        logger.setLevel(level)
    errors = capfd.readouterr().err
    assert "Assets" not in errors
