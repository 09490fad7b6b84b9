import pathlib
import re

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.slow
def test_the_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["estimate"].mean > -150 and np.isfinite(names["estimate"].standard_error)
    assert (tmp_path / "vae.keras").is_file() and (tmp_path / "models" / "encoder" / "1").is_dir()


def test_files_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / path).exists(), path
