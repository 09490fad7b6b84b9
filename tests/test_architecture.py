"""Imports run one way, from higher layers to lower ones; the public names are those that exist."""

import ast
import pathlib

import pytest

import tfvae

PACKAGE = pathlib.Path(tfvae.__file__).parent
LAYERS = (
    {
        "quiet",
        "progress",
        "files",
        "random",
        "replicas",
        "distributions",
        "networks",
        "flows",
        "data",
        "digits",
        "shapes",
    },
    {"posteriors", "priors", "likelihoods", "objectives", "preprocessing"},
    {"checks", "execution"},
    {"model"},
    {"evaluation", "figures", "callbacks", "server"},
    {"serving"},
    {"config", "workers"},
    {"training"},
    {"tuning"},
    {"preload", "showing"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """The modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tfvae":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfvae."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("tfvae."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    name = module_of(path)
    for other in imported(path):
        assert LEVEL[other] <= LEVEL[name], f"{name} imports {other}, which is above it"


def test_every_module_has_a_layer():
    assert {module_of(path) for path in FILES} == set(LEVEL)


def test_every_module_begins_with_a_docstring():
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in FILES)


@pytest.mark.parametrize("name", tfvae.__all__)
def test_public_names_exist(name):
    module = getattr(tfvae, name)
    assert all(hasattr(module, inner) for inner in getattr(module, "__all__", ()))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tfvae.nothing
