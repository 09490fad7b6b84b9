"""What is imported is declared in pyproject.toml, where it is needed; and a missing extra is said in one line."""

import ast
import importlib
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests import processes
from tfvae import extras

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULE_OF = {  # distribution: module that it brings, where that is not its name
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "pillow": "PIL",
    "protobuf": "google.protobuf",
    "pytest-cov": "pytest_cov",
    "pytest-rerunfailures": "pytest_rerunfailures",
    "pytest-xdist": "xdist",
    "python-dateutil": "dateutil",
    "ruamel.yaml": "ruamel.yaml",
    "scikit-learn": "sklearn",
    "tensorflow-serving-api": "tensorflow_serving",
}
NOT_IMPORTED = {  # declared for other reasons: see the comments in pyproject.toml
    *("importlib_resources", "setuptools", "tf_keras"),
    "httptools",
    *("mypy", "pandas_stubs", "ruff", "types_protobuf", "types_psutil", "types_requests"),
    "pyarrow",  # by tfvae/tables/optional.py
    *("pytest_cov", "pytest_rerunfailures", "xdist"),
}
OUR_OWN = ("tfvae", "tests", "benchmarks", "client")  # the last is export/client.py
ROOMS = {  # folders of tfvae that are imported only where an extra is installed
    "server": "serve",
    "tables": "tables",
    "tuning": "plot",
}


def declared(requirements):
    """The modules of requirements, such as "scikit-learn>=1.6"; of extras too, "tfvae[plot,serve]"."""
    found = set()
    for requirement in requirements:
        name, within = re.match(r"([\w.-]+)(?:\[([\w,]+)\])?", requirement).groups()
        if name == "tfvae":
            found |= {module for extra in within.split(",") for module in EXTRAS[extra]}
        else:
            found.add(MODULE_OF.get(name, name.replace("-", "_")))
    return found


EXTRAS = {}
for extra, requirements in PROJECT["optional-dependencies"].items():  # "all" comes after those that it names
    EXTRAS[extra] = declared(requirements)
CORE = declared(PROJECT["dependencies"])


def third_party(name, known):
    """The declared module that a dotted name belongs to, or its first part; None of this project and Python itself."""
    first = name.split(".")[0]
    if first in sys.stdlib_module_names or first in OUR_OWN:
        return None
    return next((module for module in known if name == module or name.startswith(f"{module}.")), first)


class Imports(ast.NodeVisitor):
    """Collects (line, module, extra): what a file imports, and the extra that is required around it."""

    def __init__(self, known):
        self.found, self.known, self.extra = [], known, None

    def add(self, node, name):
        module = third_party(name, self.known)
        if module is not None:
            self.found.append((node.lineno, module, self.extra))

    def visit_Import(self, node):
        for alias in node.names:
            self.add(node, alias.name)

    def visit_ImportFrom(self, node):
        if node.level == 0:
            for alias in node.names:
                self.add(node, f"{node.module}.{alias.name}")

    def visit_With(self, node):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        arguments = [call.args[0] for call in calls if ast.unparse(call.func) == "require_extra"]
        required = [argument.value for argument in arguments if isinstance(argument, ast.Constant)]
        outer, self.extra = self.extra, required[0] if required else self.extra
        self.generic_visit(node)
        self.extra = outer

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":  # else it is no import when the program runs
            self.generic_visit(node)


def imports_of(path):
    known = sorted(CORE.union(*EXTRAS.values()), key=len, reverse=True)
    visitor = Imports(known)
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


def undeclared(folder, allowed):
    """Lines that import what is not allowed there; `allowed` is a function of (path within the folder, extra)."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        place = path.relative_to(ROOT / folder)
        for line, module, extra in imports_of(path):
            if module not in allowed(place, extra):
                yield f"{folder}/{place}:{line} imports {module}"


def test_the_package_imports_what_it_declares_and_extras_where_they_are_required():
    def allowed(place, extra):
        room = ROOMS.get(place.parts[0])
        optional = {"uvloop"} if room == "serve" else set()
        return CORE | EXTRAS.get(room, set()) | EXTRAS.get(extra, set()) | optional

    assert list(undeclared("tfvae", allowed)) == []


@pytest.mark.parametrize(("folder", "extra"), [("export", ()), ("tests", ("test",)), ("benchmarks", ("test", "bench"))])
def test_what_lies_beside_the_package_imports_what_is_declared(folder, extra):
    known = CORE.union(EXTRAS["all"], *(EXTRAS[name] for name in extra))
    assert list(undeclared(folder, lambda place, extra: known)) == []


def test_what_is_declared_is_imported():
    used = {module for folder in ("tfvae", "export", "tests", "benchmarks") for _, module, _ in everything(folder)}
    assert CORE.union(*EXTRAS.values()) - used - NOT_IMPORTED == set()


def everything(folder):
    return (found for path in (ROOT / folder).rglob("*.py") for found in imports_of(path))


def test_extras_are_those_of_pyproject():
    assert EXTRAS["all"] == set().union(*(EXTRAS[extra] for extra in extras.MODULES))
    for extra, modules in extras.MODULES.items():
        assert set(modules) == EXTRAS[extra] - {"uvloop"}  # which is optional within its extra


def test_every_declared_package_is_pinned():
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    names = {
        re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")
        for requirement in [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]
    }
    assert names - {"tfvae"} - pinned == set()


def test_a_missing_extra_is_said_in_one_line(monkeypatch):
    extras.check_extra("plot")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(extras.MissingExtra, match=r'^matplotlib is not installed: pip install "tfvae\[plot\]"'):
        extras.check_extra("plot")
    with pytest.raises(extras.MissingExtra, match=r"tfvae\[plot\]"), extras.require_extra("plot"):
        import matplotlib.figure  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"tfvae\.nothing"), extras.require_extra("plot"):
        importlib.import_module("tfvae.nothing")


BLOCKED = sorted({module for modules in extras.MODULES.values() for module in modules} - {"grpc", "google.protobuf"})
BLOCK = f"import sys\nfor name in {[*BLOCKED, 'uvloop']!r}: sys.modules[name] = None\n"  # TensorFlow itself needs grpc


@processes.GROUP
@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        ("evaluate {run}", "scipy", "evaluate"),
        ("plot {run}", "matplotlib", "plot"),
        ("tune {root}/configs/tune/digits.yaml {new}", "matplotlib", "plot"),
        ("export {run} {new}", "tensorflow_serving", "export"),
        ("serve {here}", "anyio", "serve"),
    ],
)
def test_a_verb_says_which_extra_is_missing(tmp_path, words, module, extra):
    """Before anything is read or written, and before TensorFlow is imported."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text((ROOT / "configs" / "smoke.yaml").read_text())
    with zipfile.ZipFile(run / "model.keras", "w") as file:
        file.writestr("config.json", "{}")
    places = {"run": run, "root": ROOT, "new": tmp_path / "new", "here": tmp_path}
    arguments = [word.format(**places) for word in words.split()]
    script = f"{BLOCK}from tfvae import cli\nstatus = cli.main({arguments!r})\n"
    done = processes.run("-c", f"{script}sys.exit(status)")
    assert done.returncode == 2, done.stderr
    assert done.stderr == f'error: {module} is not installed: pip install "tfvae[{extra}]" brings it\n'
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_the_core_works_without_extras(tmp_path):
    """A new Python, in which no module of an extra can be imported: the README's example but its export, and a run."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = "\n".join(line for line in example.splitlines() if "exporting.export(" not in line)
    example = example.replace("epochs=5", "epochs=1").replace("samples=100", "samples=5")
    train = ["train", str(ROOT / "configs" / "smoke.yaml"), str(tmp_path / "run")]
    evaluate = ["evaluate", train[2], "--quick", "--samples", "5"]
    script = f"{BLOCK}{example}\nfrom tfvae import cli\nassert cli.main({train!r}) == cli.main({evaluate!r}) == 0\n"
    script += MISSING
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "vae.keras").is_file() and (tmp_path / "run" / "model.keras").is_file()


MISSING = """
import numpy as np
from tfvae import figures
from tfvae.extras import MissingExtra

codes, labels = np.eye(4, dtype="float32"), np.arange(4) % 2
for call, extra in [
    (lambda: exporting.export(vae, "models"), "export"),
    (lambda: figures.samples(vae), "plot"),
    (lambda: evaluation.linear_probe(codes, labels, codes, labels), "evaluate"),
    (lambda: evaluation.dci(codes, np.arange(8).reshape(4, 2)), "evaluate"),
    (lambda: __import__("tfvae.server"), "serve"),
]:
    try:
        call()
    except MissingExtra as error:
        assert f'pip install "tfvae[{extra}]"' in str(error), error
    else:
        raise AssertionError(extra)
"""
