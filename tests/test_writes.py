"""Writes: whole or not at all, whatever fails, and whoever writes beside."""

import ast
import json
import math
import multiprocessing
import os
import pathlib

import numpy as np
import pytest

import tfvae
from tests.models import linear_gaussian
from tfvae import exporting, files

PACKAGE = pathlib.Path(tfvae.__file__).parent
RENAMES = {"rename", "renames", "replace"}


def test_only_one_file_of_the_package_renames():
    """Who writes, asks it: names of its own, synced, cleaned after a crash."""
    for path in PACKAGE.rglob("*.py"):
        calls = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "os"
        }
        assert path == PACKAGE / "files.py" or not calls & RENAMES, path


def test_two_write_the_same_file_at_once(tmp_path):
    path = tmp_path / "numbers.json"
    with files.beside(path) as first:
        first.write_text("first")
        with files.beside(path) as second:
            second.write_text("second")
            assert first != second and first.suffix == second.suffix == ".json"
        assert path.read_text() == "second" and first.read_text() == "first"
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def _killed_while_it_writes(path):
    with files.beside(path) as partial:
        partial.write_text("half")
        os._exit(9)


def test_what_the_killed_left_is_removed_by_the_next_and_what_others_write_is_not(tmp_path):
    path = tmp_path / "numbers.json"
    process = multiprocessing.get_context("fork").Process(target=_killed_while_it_writes, args=(path,))
    process.start()
    process.join()
    assert len(list(tmp_path.glob(".partial-*"))) == 1 and not path.exists()
    with files.beside(tmp_path / "other") as other:
        other.write_text("other")
        files.write_text(path, "whole")
        assert other.exists()
    assert sorted(place.name for place in tmp_path.iterdir()) == ["numbers.json", "other"]


def test_a_folder_takes_the_place_of_a_folder_but_a_file_does_not(tmp_path):
    folder = tmp_path / "best"
    for word in ("old", "new"):
        with files.beside(folder) as partial:
            partial.mkdir()
            (partial / word).write_text(word)
    assert [path.name for path in folder.iterdir()] == ["new"] and list(tmp_path.iterdir()) == [folder]
    with pytest.raises(IsADirectoryError):
        files.write_text(folder, "a file")
    assert [path.name for path in folder.iterdir()] == ["new"] and list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    folder, real = tmp_path / "best", os.rename
    (folder / "old").mkdir(parents=True)

    def fails(source, target):
        if pathlib.Path(target) == folder and pathlib.Path(source).name == "best":
            raise OSError("no")
        real(source, target)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no"), files.beside(folder) as partial:
        partial.mkdir()
        patched.setattr(os, "rename", fails)
    assert [path.name for path in folder.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [folder]


def test_what_is_renamed_was_synced_and_its_folder_is_after_it(tmp_path, monkeypatch):
    order, real_sync, real_replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (order.append(os.readlink(f"/proc/self/fd/{handle}")), real_sync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("renamed"), real_replace(*paths)))
    files.write_text(tmp_path / "a.txt", "a")
    assert [pathlib.Path(step).name for step in order] == ["a.txt", "renamed", tmp_path.name]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_all_are_published_or_none(tmp_path, failing):
    names = ["encoder", "decoder", "scorer"]
    moves = {tmp_path / ".new" / name: tmp_path / name / "1" for name in names}
    for partial in moves:
        partial.mkdir(parents=True)
    (tmp_path / names[failing]).write_text("a file")
    with pytest.raises(OSError):
        files.publish(moves)
    assert all(partial.is_dir() for partial in moves)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new", names[failing]]
    (tmp_path / names[failing]).unlink()
    files.publish(moves)
    assert all(path.is_dir() for path in moves.values())


def test_a_place_that_cannot_be_written_to_is_named_before_the_work(tmp_path, monkeypatch):
    files.check(tmp_path / "new" / "deep" / "evaluation.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file is a file, not a folder"):
        files.check(tmp_path / "file" / "evaluation.json")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"^nothing can be written to the folder {tmp_path}: No space left on device$"):
        files.check(tmp_path / "evaluation.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=f"^nothing can be written to the folder {tmp_path}: Permission denied$"):
        files.check(tmp_path / "evaluation.json")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_become_null_wherever_they_are(tmp_path, number):
    content = {"a": number, "b": [1.5, number, [number]], "c": ({"d": number},), "e": np.array([number, 2])}
    files.write_json(tmp_path / "a.json", content | {"f": np.float32(number), "g": [np.int64(3), True, "nan"]})
    expected = {"a": None, "b": [1.5, None, [None]], "c": [{"d": None}], "e": [None, 2], "f": None}
    assert json.loads((tmp_path / "a.json").read_text()) == expected | {"g": [3, True, "nan"]}


@pytest.fixture(scope="module")
def vae():
    return linear_gaussian()[0]


def test_an_export_that_cannot_be_published_whole_leaves_nothing(vae, tmp_path, monkeypatch):
    """The SavedModels, which take seconds to make, are a file each: what is tested is how they are published."""
    (tmp_path / "decoder").write_text("a file")
    with monkeypatch.context() as patched, pytest.raises(NotADirectoryError, match="decoder is a file, not a folder"):
        patched.setattr(exporting.saved_model, "write", lambda *_: pytest.fail("it had begun to work"))
        exporting.export(vae, tmp_path, 1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["decoder"]
    (tmp_path / "decoder").unlink()
    real = os.rename

    def write(path, *_):
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(b"whole")

    def fails(source, target):
        if pathlib.Path(target) == tmp_path / "scorer" / "1":
            raise OSError("the disk was taken away")
        real(source, target)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="taken away"):
        patched.setattr(os, "rename", fails)
        patched.setattr(exporting.saved_model, "write", write)
        exporting.export(vae, tmp_path, 1, 2)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
