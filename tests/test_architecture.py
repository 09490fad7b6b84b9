"""Imports run one way, from higher layers to lower ones and in no circle; the public names are those that exist."""

import ast
import graphlib
import pathlib

import pytest

import tfvae

PACKAGE = pathlib.Path(tfvae.__file__).parent
LAYERS = (
    {
        "tensorflow_output",
        "yaml_files",
        "progress",
        "programs",
        "rendezvous",
        "files",
        "random",
        "replicas",
        "distributions",
        "networks",
        "flows",
        "data",
        "digits",
        "shapes",
        "tables",
    },
    {"posteriors", "priors", "likelihoods", "objectives", "preprocessing"},
    {"compatibility", "trainer"},
    {"model"},
    {"evaluation", "figures", "callbacks", "server"},
    {"exporting"},
    {"config", "local_processes"},
    {"training"},
    {"tuning"},
    {"forkserver_imports"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted(path):
    """A file's name as a module: tfvae.data.batches; of an __init__, its folder's."""
    parts = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path, known):
    """The modules of the package, of those `known`, that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in known else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


IMPORTS = {dotted(path): set(imported(path, set(map(dotted, FILES)))) - {PACKAGE.name} for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    name = module_of(path)
    for other in (target.split(".")[1] for target in IMPORTS[dotted(path)]):
        assert LEVEL[other] <= LEVEL[name], f"{name} imports {other}, which is above it"


def test_no_file_imports_itself_by_way_of_others():
    graphlib.TopologicalSorter(IMPORTS).prepare()  # raises CycleError, with the circle


def test_no_module_of_a_layer_imports_itself_by_way_of_others():
    """Files may be in no circle where the folders that they lie in are in one."""
    graph = {name: set() for name in LEVEL}
    for source, targets in IMPORTS.items():
        graph[source.split(".")[1]] |= {target.split(".")[1] for target in targets} - {source.split(".")[1]}
    graphlib.TopologicalSorter(graph).prepare()


def test_a_circle_within_a_folder_is_seen(tmp_path, monkeypatch):
    """Holds for what the tests above look at: each kind of import, anywhere in a file."""
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "tfvae")
    (tmp_path / "tfvae").mkdir()
    texts = {"a": "from tfvae import b", "b": "def f():\n    import tfvae.c", "c": "from tfvae.a import x"}
    for name, text in texts.items():
        (tmp_path / "tfvae" / f"{name}.py").write_text(text)
    files = sorted(tmp_path.rglob("*.py"))
    graph = {dotted(path): set(imported(path, set(map(dotted, files)))) for path in files}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_every_module_has_a_layer():
    assert {module_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_begins_with_a_docstring(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("name", tfvae.__all__)
def test_public_names_exist(name):
    module = getattr(tfvae, name)
    assert [inner for inner in getattr(module, "__all__", ()) if not hasattr(module, inner)] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tfvae.nothing
