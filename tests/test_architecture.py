"""Imports run one way, from higher layers to lower ones and in no circle; files and functions are short, public ones
annotated; the public names are those that exist.

What many files may break is one test that lists all offenders.
"""

import ast
import functools
import pathlib

import pytest

import tfvae

PACKAGE = pathlib.Path(tfvae.__file__).parent
LAYERS = (
    {
        "extras",
        "keras_registration",
        "lazy_names",
        "tensorflow_output",
        "yaml_files",
        "progress",
        "programs",
        "rendezvous",
        "forward_signals",
        "files",
        "layers",
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
    {"adaptation", "compatibility", "imputation", "trainer"},
    {"model"},
    {"evaluation", "figures", "callbacks", "server"},
    {"exporting", "ensemble"},
    {"detector"},
    {"config", "local_cluster", "fresh_process"},
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


@functools.cache
def imports():
    """A module -> those of the package that it imports. Made where a test asks for it: each worker reads this file."""
    known = set(map(dotted, FILES))
    return {dotted(path): set(imported(path, known)) - {PACKAGE.name} for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    name = module_of(path)
    for other in (target.split(".")[1] for target in imports()[dotted(path)]):
        assert LEVEL[other] <= LEVEL[name], f"{name} imports {other}, which is above it"


def circles(graph):
    """The groups of nodes that import each other, directly or by way of others; each group sorted."""
    reached = {}
    for start in graph:
        seen, left = set(), [start]
        while left:
            new = graph.get(left.pop(), set()) - seen
            seen |= new
            left.extend(new)
        reached[start] = seen
    groups = {frozenset(other for other in reached[node] if node in reached.get(other, ())) for node in graph}
    return sorted(sorted(group) for group in groups if group)


def folder_of(name):
    """The folder that a file lies in, as a module; "tfvae.data" of "tfvae.data.batches"."""
    return name.rpartition(".")[0]


def with_folders(graph):
    """What files import, and the `__init__` that runs before: importing `a.b` imports `a` first.

    That a file lies in a folder, however deep, is no import of the folder, else each folder would be a circle.
    """
    return {
        source: targets | {folder for folder in map(folder_of, targets) if not f"{source}.".startswith(f"{folder}.")}
        for source, targets in graph.items()
    }


def test_no_file_imports_itself_by_way_of_others():
    assert circles(imports()) == []


def test_no_file_imports_itself_by_way_of_the_folders_of_others():
    """A file that imports `a.b` runs `a/__init__` first, and all that it imports."""
    assert circles(with_folders(imports())) == []


def test_no_module_of_a_layer_imports_itself_by_way_of_others():
    """Files may be in no circle where the folders that they lie in are in one."""
    graph = {name: set() for name in LEVEL}
    for source, targets in imports().items():
        graph[source.split(".")[1]] |= {target.split(".")[1] for target in targets} - {source.split(".")[1]}
    assert circles(graph) == []


def test_a_circle_within_a_folder_is_seen(tmp_path, monkeypatch):
    """Holds for what the tests above look at: each kind of import, anywhere in a file."""
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "tfvae")
    (tmp_path / "tfvae").mkdir()
    texts = {"a": "from tfvae import b", "b": "def f():\n    import tfvae.c", "c": "from tfvae.a import x"}
    for name, text in texts.items():
        (tmp_path / "tfvae" / f"{name}.py").write_text(text)
    files = sorted(tmp_path.rglob("*.py"))
    graph = {dotted(path): set(imported(path, set(map(dotted, files)))) for path in files}
    assert circles(graph) == [["tfvae.a", "tfvae.b", "tfvae.c"]]


def test_circles_are_found_whole():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"e", "a"}, "e": {"f"}, "f": {"e", "c"}}
    assert circles(graph) == [["b", "c"], ["e", "f"]]
    assert circles({"p.a": {"q.b"}, "q.b": set(), "q": {"p.a"}}) == []
    assert circles(with_folders({"p.a": {"q.b"}, "q.b": set(), "q": {"p.a"}})) == [["p.a", "q"]]


MAX_FILE = 260  # lines
MAX_FUNCTION = 50  # lines, its docstring not counted
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def trees():
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def length(function):
    """Lines of a function, without those of its docstring."""
    first = function.body[0]
    docstring = ast.get_docstring(function) and first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - (docstring or 0)


def listed(offenders, rule):
    offenders = list(offenders)
    if offenders:
        pytest.fail(f"{rule}: {len(offenders)} do not:\n  " + "\n  ".join(offenders), pytrace=False)


def test_files_are_short():
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")
    }
    listed(
        (f"{file}: {n}" for file, n in sorted(lengths.items()) if n > MAX_FILE), f"files have {MAX_FILE} lines at most"
    )


def test_functions_are_short():
    listed(
        (
            f"{file}:{node.lineno} {node.name}: {length(node)}"
            for file, tree in trees().items()
            for node in ast.walk(tree)
            if isinstance(node, FUNCTIONS) and length(node) > MAX_FUNCTION
        ),
        f"functions have {MAX_FUNCTION} lines at most, without their docstring",
    )


def test_init_files_only_import():
    listed(
        (
            f"{file}:{node.lineno} {node.name}"
            for file, tree in trees().items()
            if file.endswith("__init__.py")
            for node in ast.walk(tree)
            if isinstance(node, (*FUNCTIONS, ast.ClassDef))
        ),
        "__init__ files hold no function or class",
    )


def public_functions(body, prefix=""):
    """Public functions of a module, and public methods and constructors of its public classes: (name, node, method)."""
    for node in body:
        if isinstance(node, FUNCTIONS) and (node.name == "__init__" or not node.name.startswith("_")):
            yield f"{prefix}{node.name}", node, bool(prefix)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.If, ast.With, ast.Try)):
            yield from public_functions(node.body, prefix)


def missing_annotations(node, method):
    """What a function leaves without a type: names of arguments, and "return"."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)
    missing = [each.arg for each in arguments[1 if method and not static else 0 :] if each.annotation is None]
    if node.returns is None and node.name != "__init__":
        missing.append("return")
    return missing  # *args and **kwargs, which are handed on, may go without


def test_public_functions_are_annotated():
    listed(
        (
            f"{file}:{node.lineno} {name} ({', '.join(missing)})"
            for file, tree in trees().items()
            for name, node, method in public_functions(tree.body)
            if (missing := missing_annotations(node, method))
        ),
        "public functions and methods are annotated",
    )


def test_what_is_not_annotated_is_seen():
    text = "class A:\n def __init__(self, a, *args, **kwargs): ...\n def f(self, b: int): ...\n def _g(self, c): ...\n"
    text += "def h(d): ..."
    found = {name: missing_annotations(node, method) for name, node, method in public_functions(ast.parse(text).body)}
    assert found == {"A.__init__": ["a"], "A.f": ["return"], "h": ["d", "return"]}


def test_every_module_has_a_layer():
    assert {module_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_begins_with_a_docstring(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("name", tfvae.__all__)
def test_public_names_exist(name):
    module = getattr(tfvae, name)
    assert [inner for inner in getattr(module, "__all__", ()) if not hasattr(module, inner)] == []


def test_editors_are_told_the_public_names():
    assert {"VAE", *tfvae.__all__} <= set(dir(tfvae)) and "keras_registration" not in dir(tfvae)
    (block,) = [node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If)][:1]
    imported_names = {alias.name for node in block.body for alias in node.names}
    assert imported_names == set(tfvae.__all__)
    assert (PACKAGE / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tfvae.nothing
