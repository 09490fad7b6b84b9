"""Nothing is half-written."""

import pytest

from tfvae import files


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "numbers.json"
    path.write_text("old")
    with files.beside(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old" and partial.suffix == ".json"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_what_was(tmp_path):
    path = tmp_path / "numbers.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.beside(path) as partial:
        partial.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_there_whole_and_what_was_left_by_the_killed_is_gone(tmp_path):
    folder = tmp_path / "run"
    (tmp_path / ".partial-run" / "deep").mkdir(parents=True)
    with files.beside(folder) as partial:
        partial.mkdir()
        (partial / "one").write_text("1")
    assert [path.name for path in folder.iterdir()] == ["one"] and list(tmp_path.iterdir()) == [folder]
