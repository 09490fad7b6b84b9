"""Bad inputs of the command: each is one line and leaves nothing. They are in `bad_inputs`; others are made up."""

import copy
import io
import json
import os
import pathlib
import shutil
import string
import subprocess
import sys
import zipfile

import keras
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import bad_inputs, models, processes
from tfvae import cli, config, yaml_files
from tfvae.cli import arguments, streams

ROOT = pathlib.Path(__file__).parent.parent
pytestmark = processes.GROUP
DIGITS = tf.TensorSpec([None, 28, 28, 1], tf.uint8)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that was not trained."""
    small = "{mlp: {units: [4]}}"
    keys = ["latent_size=2", f"encoder={small}", f"decoder={small}", "data.test=test[:20]", "data.train=train[:100]"]
    return _finished(tmp_path_factory.mktemp("bad") / "run", config.read(bad_inputs.SMOKE, keys))


def _finished(run, experiment):
    run.mkdir()
    config.write(experiment, run / "config.yaml")
    vae = config.compiled_vae(experiment, DIGITS)
    vae.optimizer.build(vae.trainable_variables)
    vae.save(run / "model.keras")
    (run / "run.json").write_text(json.dumps({"best_epoch": 1, "seed": 0, "format": 1}))
    (run / "history.csv").write_text("epoch,elbo,kl,loss,reconstruction\n0,-200.0,5.0,200.0,-195.0\n")
    return run


def _contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def _put(folder, files):
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
        elif callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _status(words):
    try:
        return cli.main(words)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize(
    "bad", bad_inputs.ALL, ids=lambda bad: "-".join([bad.words[0] if bad.words else "", bad.says])[:60]
)
def test_a_bad_input_is_one_line_and_leaves_nothing(finished, tmp_path, capsys, bad):
    """Long where it is the first of a process, in which TensorFlow starts."""
    here = tmp_path / "here"
    if any("{run}" in word for word in bad.words):
        shutil.copytree(finished, here)
    else:
        here.mkdir()
    _put(here, bad.files)
    before = _contents(tmp_path)
    places = {"{new}": str(tmp_path / "new"), "{here}": str(here), "{run}": str(here)}
    words = list(bad.words)
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    status = _status(words)
    lines = capsys.readouterr().err.splitlines()
    assert status == 2 and len(lines) == 1
    assert lines[0].startswith("error: ") and bad.says in lines[0] and lines[0].isprintable()
    assert _contents(tmp_path) == before


def test_there_are_many():
    assert len(bad_inputs.ALL) >= 200


# Trust: what a yaml and a run folder may make, and import


SOURCES = {  # name: (source, the path of what is of the right kind or None, of what is not)
    "direct": ("from tfvae import distributions\nclass A(distributions.Conditional): pass\nclass B: pass", "A", "B"),
    "renamed": ("from tfvae.distributions import Conditional as C\nclass A(C): pass\nB = C", "A", "B"),
    "whole": ("import tfvae.distributions\nclass A(tfvae.distributions.Conditional): pass\nB = 3", "A", "B"),
    "short": ("import tfvae.distributions as d\nclass A(d.Conditional): pass\nimport os as B", "A", "B"),
    "chain": ("from direct import A as Base\nclass Mid(Base): pass\nclass A(Mid): pass\nclass B(set): pass", "A", "B"),
    "module": ("import direct\nclass A(direct.A): pass\nfrom os import system as B", "A", "B"),
    "again": ("from direct import A\ndef B(features): pass", "A", "B"),
    "guarded": ("try:\n from direct import A\nexcept ImportError:\n A = None\ndef B() -> int: pass", "A", "B"),
    "gives": ("from direct import A as C\ndef A(n) -> C: return C(n)\ndef B(n): return C(n)", "A", "B"),
    "quoted": ("from direct import A as C\ndef A(n) -> 'C': return C(n)\ndef B(n) -> 'D': pass", "A", "B"),
    "own": ("class A: pass\nclass B(A): pass", None, "B"),
    "circle": ("class A(B): pass\nclass B(A): pass", None, "B"),
    "mutual": ("from other import B", None, "B"),
    "other": ("from mutual import B", None, "B"),
    "broken": ("class B(:", None, "B"),
    "made": ("B = type('B', (), {})", None, "B"),
    "called": ("def f(): return set\nclass B(f()): pass", None, "B"),
}
MARK = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder on the path, with modules that leave a mark when they are imported."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, (source, *_) in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(MARK + source)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(MARK + "from .inner import A\nfrom . import inner")
    (tmp_path / "package" / "inner.py").write_text(MARK + SOURCES["direct"][0])
    yield tmp_path
    for name in [*SOURCES, "package", "package.inner"]:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_is_imported_only_for_a_class_of_the_right_kind(modules, name):
    _, right, wrong = SOURCES[name]
    with pytest.raises(config.ConfigError, match=rf"posterior.{name}.{wrong}: "):
        config.read(bad_inputs.SMOKE, [f"posterior={{{name}.{wrong}: }}"])
    assert not list(modules.rglob("*.imported"))
    if right:
        experiment = config.read(bad_inputs.SMOKE, [f"posterior={{{name}.{right}: }}"])
        assert experiment.posterior.name == f"{name}.{right}" and (modules / f"{name}.imported").exists()


@pytest.mark.parametrize("path", ["package.A", "package.inner.A"])
def test_a_class_in_a_package(modules, path):
    for wrong in ("package.inner", "package.B", "package.inner.B", "package.nothing.B"):
        with pytest.raises(config.ConfigError, match=r"posterior\.package"):
            config.read(bad_inputs.SMOKE, [f"posterior={{{wrong}: }}"])
    assert not list(modules.rglob("*.imported"))
    config.read(bad_inputs.SMOKE, [f"posterior={{{path}: }}"])
    assert (modules / "package" / "inner.imported").exists()


HOSTILE = """
import json, os, sys
import tfvae.training, matplotlib.pyplot
from tfvae import cli
seen = []
watched = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen"}
def hook(event, arguments):
    if event in watched or (event == "import" and "hostile" in str(arguments[0])):
        seen.append([event, str(arguments[:1])])
sys.path.insert(0, sys.argv[1])
sys.addaudithook(hook)
run, models = sys.argv[2:4]
verbs = [["evaluate", run, "--quick", "--samples", "2"], ["plot", run], ["export", run, models, "--samples", "2"]]
statuses = [cli.main(words) for words in verbs]
print(json.dumps([statuses, seen]))
"""


NO_WORK = """
from tfvae import exporting
from tfvae.training.report import measures, plots
term = dict(mean=0.0, standard_error=0.0)
log_marginal = term | dict(effective_samples_median=1.0, effective_samples_least=1.0, sampling_error=0.0)
counts = dict(examples=1, elbo_samples=1, log_marginal_samples=1, active_units=1, latent_units=1)
result = counts | dict(elbo=term, reconstruction=term, kl=term, log_marginal=log_marginal)
done = []
measures.evidence = lambda vae, data, samples: done.append(next(iter(data))) or result
plots.draw = lambda run, vae, experiment, report: done.append(vae)
exporting.export = lambda vae, models, **_: done.append(vae) or {}
import atexit
atexit.register(lambda: None if len(done) == 3 else os._exit(9))
"""


def _hostile(tmp_path, run, changes, before=""):
    """What evaluate, plot and export of a run do whose config was changed: exit statuses; processes and imports."""
    (tmp_path / "hostile.py").write_text(MARK + "class Thing: pass\ndef network(input_shape): pass\nvalue = 3")
    shutil.copytree(run, tmp_path / "run")
    keys = yaml_files.read(run / "config.yaml")
    for key, value in changes.items():
        yaml_files.assign(keys, key, value, "")
    yaml_files.write(keys, tmp_path / "run" / "config.yaml")
    done = processes.run("-c", before + HOSTILE, tmp_path, tmp_path / "run", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "PWNED").exists() and not (tmp_path / "hostile.imported").exists()
    return *json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("all_of_it", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_evaluate_plot_and_export_do_not_look_at_callbacks(finished, tmp_path, all_of_it):
    """Some 15 s of CPU where the verbs do all their work; else they only get as far as having model and data."""
    named = [{"os.system": {"command": f"touch {tmp_path / 'PWNED'}"}}, {"hostile.Thing": None}, {"no.such": None}]
    statuses, seen, _ = _hostile(tmp_path, finished, {"fit.callbacks": named}, "" if all_of_it else NO_WORK)
    assert statuses == [0, 0, 0] and seen == []


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("preprocessor", {"hostile.Thing": None}),
        ("encoder", {"hostile.network": None}),
        ("likelihood", {"hostile.value": None}),
        ("objective", {"os.system": {"command": "touch PWNED"}}),
        ("optimizer", {"hostile.Thing": None}),
    ],
)
def test_a_hostile_run_folder_starts_no_process_and_imports_nothing(finished, tmp_path, key, part):
    statuses, seen, errors = _hostile(tmp_path, finished, {key: part})
    assert statuses == [2, 2, 2] and seen == []
    assert errors.count(f"{key}.{next(iter(part))}: ") == 3


def _with_config(path, change):
    """Changes what config.json of a stored model holds."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    held = json.loads(members["config.json"])
    members["config.json"] = json.dumps(change(held)).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def _renamed(held):
    held["config"]["preprocessor"] |= {"module": "hostile", "class_name": "Thing", "registered_name": "hostile>Thing"}
    return held


def _plain(held):
    held["config"]["preprocessor"] |= {"module": "os", "class_name": "system", "registered_name": "system"}
    return held


def _deep(held):
    for _ in range(700):
        held = {"config": held}
    return held


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_renamed, "model.keras has Thing of hostile, which Keras does not know: import the module"),
        (_plain, "model.keras has system of os, which Keras does not know"),
        (_deep, "model.keras"),
        (lambda held: {}, "model.keras cannot be loaded"),
        (lambda held: [], "model.keras cannot be loaded"),
        (lambda held: held | {"config": {}}, "model.keras cannot be loaded"),
    ],
)
def test_a_stored_model_imports_nothing(finished, tmp_path, capsys, modules, change, says):
    (modules / "hostile.py").write_text(MARK + "class Thing: pass")
    shutil.copytree(finished, tmp_path / "run")
    _with_config(tmp_path / "run" / "model.keras", change)
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line and not (modules / "hostile.imported").exists()


@pytest.mark.parametrize("missing", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_stored_model_without_a_member(finished, tmp_path, missing):
    with zipfile.ZipFile(finished / "model.keras") as file, zipfile.ZipFile(tmp_path / "m.keras", "w") as other:
        for name in set(file.namelist()) - {missing}:
            other.writestr(name, file.read(name))
    with pytest.raises(ValueError, match=f"m.keras: it has no {missing}, it is damaged"):
        config.load_model(tmp_path / "m.keras")


def test_a_stored_model_with_code_is_refused(tmp_path):
    x = keras.Input([3])
    keras.Model(x, keras.layers.Lambda(lambda x: x)(x)).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"m.keras cannot be loaded: .*safe"):
        config.load_model(tmp_path / "m.keras")


def test_a_stored_model_that_is_no_vae(tmp_path):
    x = keras.Input([3])
    keras.Model(x, keras.layers.Dense(2)(x)).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"m.keras holds a Functional, not a VAE"):
        config.load_model(tmp_path / "m.keras")


def test_a_run_of_ones_own_class_can_be_read(tmp_path):
    keys = ["likelihood={tests.models.FixedNormal: }", "preprocessor={Rescale: }"]
    run = _finished(tmp_path / "run", config.read(bad_inputs.SMOKE, keys))
    assert config.of_run(run).likelihood.name == "tests.models.FixedNormal"
    assert isinstance(config.load_model(run / "model.keras").likelihood, models.FixedNormal)


def test_an_optimizer_within_another_is_made():
    spec = "optimizer={LossScaleOptimizer: {inner_optimizer: {SGD: {learning_rate: 0.5}}}}"
    optimizer = config.compiled_vae(config.read(bad_inputs.SMOKE, [spec]), DIGITS).optimizer
    assert type(optimizer).__name__ == "LossScaleOptimizer" and float(optimizer.learning_rate) == 0.5


# Any exception is one line


def _raising(error):
    def verb(options):
        raise error

    verb.__doc__ = "Fail."
    return verb


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ValueError("a\n  b"), 2, "error: a b"),
        (FileNotFoundError(2, "No such file or directory", "x"), 2, "error: [Errno 2] No such file or directory: 'x'"),
        (ZeroDivisionError("no"), 2, "error: no"),
        (ValueError("x" * 5000), 2, "[...]"),
        (ValueError("\x1b[31mred"), 2, "error: \\x1b[31mred"),
        (MemoryError(), 2, "error: not enough memory, or space on the disk: make model, batches or samples smaller"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), 2, "error: not enough memory, or space on the disk: OOM"),
        (tf.errors.PermissionDeniedError(None, None, "x"), 2, "error: x"),
        (ValueError(), 2, "error: ValueError"),
        (BrokenPipeError(32, "Broken pipe"), 2, "error: standard output was closed before all was said"),
        (KeyError("a"), 1, "error: a fault of tfvae: KeyError: 'a' (please report it with "),
        (RecursionError("deep"), 1, "error: a fault of tfvae: RecursionError: deep"),
        (AssertionError(), 1, "error: a fault of tfvae: AssertionError:"),
        (tf.errors.InternalError(None, None, "bad"), 1, "error: a fault of tfvae: InternalError: bad"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_exception_is_one_line(monkeypatch, capfd, tmp_path, error, status, says):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cli.verbs, "plot", _raising(error))
    monkeypatch.setitem(arguments.ARGUMENTS, "plot", (lambda adding: None, lambda options: None))
    assert cli.main(["plot"]) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert says in line and len(line) < 1000 and line.isprintable()
    kept = list(tmp_path.glob("tfvae-*.txt"))
    assert len(kept) == (status == 1)
    for path in kept:
        assert str(path) in line and "Traceback" in path.read_text()
    if not isinstance(error, KeyboardInterrupt):
        with pytest.raises(type(error)):
            cli.main(["plot", "--debug"])


@pytest.mark.parametrize(
    ("shell", "status", "lines"),
    [
        ("evaluate nope 2>&-", 2, 0),
        ("evaluate nope >&- ", 2, 1),
        ("evaluate nope <&- >&- 2>&-", 2, 0),
        ("evaluate nope 2>/dev/full", 2, 0),
        ("--help >&-", 0, 0),
        ("--help >/dev/full", 0, 0),
        ("train {yaml} {new}", 2, 1),
    ],
)
@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_closed_streams_and_locales(tmp_path, shell, status, lines, locale):
    (tmp_path / "c.yaml").write_text("# ü\nlatent_size: [ü", encoding="utf-8")
    command = shell.format(yaml=tmp_path / "c.yaml", new=tmp_path / "new")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m tfvae.cli {command}"],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)} | locale,
    )
    assert done.returncode == status and len(done.stderr.splitlines()) == lines


def is_null(number):
    """Whether a file descriptor is of the null device."""
    return os.fstat(number).st_rdev == os.stat(os.devnull).st_rdev


def test_a_closed_number_is_opened_on_the_null_device():
    kept = os.dup(0)
    try:
        os.close(0)
        streams.open_closed_streams()
        assert is_null(0) and os.write(0, b"dropped") == 7 and os.read(0, 1) == b""
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_python_did_not_open_can_be_written_to(name, capfd):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, name, None)
        streams.open_closed_streams()
        print("ü", file=getattr(sys, name), flush=True)
    assert getattr(capfd.readouterr(), name.removeprefix("std")) == "ü\n"


@pytest.mark.parametrize(
    ("encoding", "written"), [("ascii", b"a\\xfc"), ("latin-1", b"a\xfc"), ("UTF-8", b"a\xc3\xbc")]
)
def test_letters_that_a_locale_does_not_have_are_escapes(encoding, written, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    streams.open_closed_streams()
    print("aü", end="", flush=True)
    assert sys.stdout.buffer.getvalue() == written


@pytest.mark.parametrize(
    ("name", "number", "write"),
    [
        ("stdout", 1, lambda: (print("lost"), streams.flush_stdout())),
        ("stderr", 2, lambda: streams.write_error_line("lost")),
    ],
    ids=["stdout", "stderr"],
)
def test_what_nobody_reads_is_dropped_and_does_not_fail_at_the_end(name, number, write, capfd):
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, number)  # `capfd` puts back what was there
    os.close(writing)
    with pytest.MonkeyPatch.context() as patch, open(number, "w", closefd=False) as stream:
        patch.setattr(sys, name, stream)
        write()
        assert is_null(number)
        stream.flush()  # as Python does at its end; what is left goes to the null device
        os.write(number, b"lost too")
    assert "lost" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("text", ["x", "3", "[]", '{"task": 3}'])
def test_a_cluster_that_is_none(monkeypatch, capsys, tmp_path, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cli.main(["train", bad_inputs.SMOKE, str(tmp_path / "new")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the variable TF_CONFIG")


MISTAKES = [
    ["train", "no.yaml", "new"],
    ["train", bad_inputs.SMOKE, "new", "--set", "seed=[1"],
    ["evaluate", "no"],
    ["export", "no", "new", "--samples", "0"],
    ["serve", "no"],
]


def test_cheap_mistakes_do_not_wait_for_tensorflow(tmp_path):
    script = (
        f"import sys; sys.argv = ['tfvae']\nfrom tfvae import cli\nfor words in {MISTAKES!r}:\n try: cli.main(words)\n"
    )
    script += " except SystemExit: pass\nprint('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "False\n" and len(done.stderr.splitlines()) == len(MISTAKES)


# Made up


NAMES = [
    "Adam",
    "SGD",
    "mlp",
    "Bernoulli",
    "Binarize",
    "ELBO",
    "EarlyStopping",
    "os.system",
    "keras.layers.Dense",
    "a.b",
]
KEYS = [
    *config.Experiment.model_fields,
    "data.name",
    "data.batch_size",
    "data.size",
    "data.evaluation",
    "fit.callbacks",
]
KEYS += ["fit.epochs", "compile.jit_compile", "optimizer.Adam", "optimizer.Adam.learning_rate", "encoder.mlp", "base"]
WORDS = st.text(max_size=8) | st.sampled_from(NAMES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
ASSIGNMENTS = st.builds(
    lambda key, value: f"{key}={json.dumps(value)}", st.sampled_from(KEYS) | st.text(max_size=8), VALUES
)
SYNTAX = st.text(
    st.sampled_from(string.ascii_letters[:4] + string.digits[:3] + "!&*[]{},:#|>-?%@`'\"\\ \n\t.~="), max_size=40
)
ARGUMENTS = st.sampled_from(
    [
        "train",
        "evaluate",
        "plot",
        "tune",
        "export",
        "serve",
        "--set",
        "--samples",
        "--workers",
        "--engine",
        "--",
        "-1",
        "0",
    ]
)


def made_up(examples):
    """Settings of a property: no time is measured, and the examples are the same each time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def _is_read_or_refused(*arguments):
    try:
        config.read(*arguments)
    except (config.ConfigError, OSError) as error:
        assert str(error)


def _any_yaml(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _is_read_or_refused(path)


def _any_command(words, capsys):
    try:
        status = cli.main(words)
    except SystemExit as ended:
        status = ended.code
    lines = capsys.readouterr().err.splitlines()
    assert (status, len(lines)) in ((2, 1), (0, 0))


@pytest.mark.parametrize("examples", [100, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")  # Keras' of values that it takes
class TestMadeUp:
    """Property-based: what is made up is read, or refused by one of the two exceptions that the command tells."""

    def test_yaml(self, tmp_path, examples):
        contents = (
            SYNTAX
            | st.text()
            | st.binary()
            | VALUES.map(json.dumps)
            | st.builds("{}\n{}".format, st.just(bad_inputs.LEAST), SYNTAX)
        )
        made_up(examples)(given(contents)(lambda content: _any_yaml(tmp_path / "c.yaml", content)))()

    def test_assignments(self, monkeypatch, examples):
        read = yaml_files.read(bad_inputs.SMOKE)  # once: it takes half the time, and is not what is made up
        monkeypatch.setattr(yaml_files, "read", lambda path: copy.deepcopy(read))
        many = st.lists(ASSIGNMENTS | SYNTAX, min_size=1, max_size=3)
        made_up(examples)(given(many)(lambda given: _is_read_or_refused(bad_inputs.SMOKE, given)))()

    def test_commands(self, tmp_path, monkeypatch, capsys, examples):
        monkeypatch.chdir(tmp_path)
        made_up(examples)(
            given(st.lists(ARGUMENTS | st.text(), max_size=6))(lambda words: _any_command(words, capsys))
        )()
