"""The private names of Keras, TensorFlow, TFP, TFDS and keras-tuner that tfvae uses: all are in one table, and exist.

A new version of one of them may rename or drop such a name without notice: then a test here says which, and where it is
used. A name that is used and not in the table fails too; so does an entry that is no longer used.
"""

import ast
import functools
import importlib
import inspect
import pathlib
from typing import NamedTuple

import pytest

import tfvae

PACKAGE = pathlib.Path(tfvae.__file__).parent
TFP = "tensorflow_probability.python.distributions"


class Private(NamedTuple):
    """A private name, and its use."""

    owner: str  # dotted path of the class
    name: str
    files: tuple[str, ...]  # of tfvae
    why: str
    parameters: tuple[str, ...] | None = None  # of a method; None where it is an attribute
    overridden: bool = False  # tfvae defines it in a subclass, which the library calls


TABLE = (
    Private(
        "keras.Model",
        "_maybe_symbolic_build",
        ("trainer/step_model.py",),
        "a VAE is built from the start; Keras' way fails on distributed batches",
        ("self", "iterator", "data_batch"),
        overridden=True,
    ),
    Private(
        "keras.optimizers.Optimizer",
        "_all_reduce_sum_gradients",
        ("replicas.py",),
        "gradients are summed before they are clipped",
        ("self", "grads_and_vars"),
    ),
    Private(
        f"{TFP}.distribution.Distribution",
        "_parameter_properties",
        ("distributions/mixtures.py",),
        "TFP warns of subclasses that do not define it",
        ("dtype", "num_classes"),
    ),
    Private(
        f"{TFP}.independent._Independent",
        "_log_prob",
        ("distributions/scalars.py",),
        "TFP's density, where there is no faster one",
        ("self", "x", "kwargs"),
    ),
    Private(
        "tensorflow_datasets.core.DatasetBuilder",
        "_get_filename_template",
        ("shapes/builder.py",),
        "TFDS has no split without names of files",
        ("self", "split_name"),
    ),
    Private(
        "keras_tuner.Oracle",
        "_save_trial",
        ("tuning/oracle.py",),
        "a trial's file is written beside and then renamed; keras-tuner writes it in place",
        ("self", "trial"),
    ),
)

PUBLIC_DESPITE_THEIR_NAME = {"_replace", "_asdict", "_fields", "_field_defaults", "_make"}  # of NamedTuples
ALLOWED_MODULES = {  # file -> private module, and the name that is taken from it
    "trainer/feed.py": ("keras.src.trainers.data_adapters.data_adapter", "DataAdapter"),  # tells Keras how many steps
}
PRIVATE_MODULES = {"keras.src", "tensorflow.python", "tensorflow_probability.python", "keras_tuner.src"}
STANDARD_CLASSES = {"builtins", "typing", "collections.abc", "abc"}  # modules of bases without such names
STANDARD_LIBRARY = {"os"}  # os._exit is documented


def resolve(path):
    """The object of a dotted path."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[end:], found)
    raise ModuleNotFoundError(path)


def where(entry):
    return f"{entry.owner}.{entry.name} (used in tfvae/{', tfvae/'.join(entry.files)}: {entry.why})"


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.owner.split('.')[-1]}.{entry.name}")
def test_a_private_name_is_still_there(entry):
    try:
        owner = resolve(entry.owner)
    except (ModuleNotFoundError, AttributeError):
        pytest.fail(f"{entry.owner} is gone, and with it {where(entry)}", pytrace=False)
    if entry.parameters is None:  # an attribute, which __init__ sets
        sources = [inspect.getsource(base) for base in owner.__mro__ if base.__module__ not in STANDARD_CLASSES]
        there = any(f"self.{entry.name}" in source for source in sources)
    else:
        there = hasattr(owner, entry.name)
    if not there:
        pytest.fail(f"gone: {where(entry)}", pytrace=False)
    if entry.parameters is not None:
        found = tuple(inspect.signature(getattr(owner, entry.name)).parameters)
        if found != entry.parameters:
            pytest.fail(f"takes {found}, and not {entry.parameters}: {where(entry)}", pytrace=False)


def own_names(trees):
    """Private names that the package defines: functions, classes, attributes of self, variables."""
    own = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                own.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                own.add(name)
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                own.add(name)
    return own


def foreign_names(tree, own):
    """Private names that a file takes from other libraries: name -> lines."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=ast.Name(id=receiver)) if receiver in STANDARD_LIBRARY:
                continue
            case ast.Attribute(attr=name, value=ast.Call(func=ast.Name(id="super"))):
                pass  # the base is another library's: own bases have no private methods that are called so
            case ast.Attribute(attr=name):
                if name in own:
                    continue
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=name), *_]):
                if name in own:
                    continue
            case _:
                continue
        if name.startswith("_") and not name.startswith("__") and name not in PUBLIC_DESPITE_THEIR_NAME:
            found.setdefault(name, []).append(node.lineno)
    return found


def files_and_trees():
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_private_name_that_is_used_is_in_the_table():
    trees = files_and_trees()
    own = own_names(trees.values())
    known = {(file, entry.name) for entry in TABLE for file in entry.files}
    listed = {entry.name for entry in TABLE}
    missing = [
        f"tfvae/{file}:{lines[0]} uses {name}"
        for file, tree in trees.items()
        for name, lines in foreign_names(tree, own - listed).items()
        if (file, name) not in known
    ]
    if missing:
        pytest.fail("not in TABLE of tests/test_private_apis.py: " + "; ".join(missing), pytrace=False)


def test_every_entry_of_the_table_is_used():
    trees = files_and_trees()
    own = own_names(trees.values()) - {entry.name for entry in TABLE}
    used = {file: set(foreign_names(tree, own)) for file, tree in trees.items()}
    for file, tree in trees.items():  # names that are overridden
        used[file] |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    gone = [
        f"{entry.name} in tfvae/{file}"
        for entry in TABLE
        for file in entry.files
        if entry.name not in used.get(file, ())
    ]
    if gone:
        pytest.fail("no longer used, remove from TABLE: " + "; ".join(gone), pytrace=False)


def test_no_private_module_is_imported():
    found = []
    for file, tree in files_and_trees().items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name == ALLOWED_MODULES.get(file, ("",))[0]:
                    continue
                if any(name == module or name.startswith(f"{module}.") for module in PRIVATE_MODULES):
                    found.append(f"tfvae/{file}:{node.lineno} imports {name}")
    if found:
        pytest.fail("; ".join(found), pytrace=False)


@pytest.mark.parametrize(("file", "module", "name"), [(file, *names) for file, names in ALLOWED_MODULES.items()])
def test_a_private_module_that_is_used_is_still_there(file, module, name):
    try:
        there = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        there = False
    if not there:
        pytest.fail(f"{module}.{name} is gone, which tfvae/{file} uses", pytrace=False)


def test_each_way_to_use_a_private_name_is_seen():
    text = """
class A(Base):
    def _mine(self):
        self._own = 1
        self._mine()
        super()._foreign_method()
        return self._own, other._foreign, self._inherited, pair._replace(a=1), os._exit, getattr(x, "_by_name")
"""
    tree = ast.parse(text)
    assert set(foreign_names(tree, own_names([tree]))) == {"_foreign_method", "_foreign", "_inherited", "_by_name"}
