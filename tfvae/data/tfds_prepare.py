"""TFDS data sets on disk: found by name, and prepared, if need be from downloads; else refused within seconds."""

import contextlib
import difflib
import io
import json
import pathlib
import re
import threading
from typing import Any

import requests  # TFDS itself downloads with it
import tensorflow_datasets as tfds

from tfvae import digits, shapes  # TFDS knows their builders from now on
from tfvae.data.messages import first_line

__all__ = ["is_known", "prepare_builder"]

SECONDS_TO_ANSWER = 5  # for the host of a download
CLASS_KEYS = ("pythonClassName", "python_class_name", "type")  # in a features.json, of the class of a feature


def is_known(name: str) -> bool:
    """Tell whether TFDS has a data set of this name, which may be followed by a configuration and a version."""
    return re.split("[/:]", name)[0] in _list_builders()


def _list_builders() -> list[str]:
    return tfds.list_builders(with_community_datasets=False)


class _ForeignFeature(Exception):
    """A prepared data set has a feature that is not TFDS' own."""


def _check_features(folder: pathlib.Path) -> None:
    """Raise _ForeignFeature when a features.json names a class that is not TFDS' own: TFDS would import its module."""
    for path in sorted(folder.rglob("features.json")):
        left = [json.loads(path.read_bytes())]
        while left:
            part = left.pop()
            if isinstance(part, (dict, list)):
                left.extend(part.values() if isinstance(part, dict) else part)
            named = [part[key] for key in CLASS_KEYS if key in part] if isinstance(part, dict) else []
            for name in named:
                if not str(name).startswith("tensorflow_datasets."):
                    raise _ForeignFeature(f"{path} has the feature {name}, which is not TFDS' own and is not imported")


def prepare_builder(name: str, data_dir: str | None, manual_dir: str | None) -> Any:
    """Give the TFDS builder of this name, its data on disk; raise ValueError within seconds where that cannot be."""
    builder = _find_builder(name, data_dir)
    if builder.data_path.exists():
        return builder
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    if name in (digits.Digits.name, shapes.Shapes.name):
        tfds.disable_progress_bar()  # it takes seconds
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS says that it downloads; there is nothing to download
            _prepare(builder, config)
        tfds.enable_progress_bar()
    else:
        _check_download(builder, manual_dir)
        _prepare(builder, config)
    return tfds.builder(name, data_dir=data_dir)  # a new one reads what is on disk, whoever wrote it


def _find_builder(name: str, data_dir: str | None) -> Any:
    """Give the TFDS builder of this name; raise ValueError where there is none, or its files are not to be trusted."""
    try:
        if ":" in name and not is_known(name):  # TFDS would ask the hosts of its community
            raise ValueError(name)
        if data_dir is not None:
            _check_features(pathlib.Path(data_dir) / re.split("[/:]", name)[0])
        return tfds.builder(name, data_dir=data_dir)
    except _ForeignFeature as error:
        raise ValueError(f"the TFDS data set {name}: {error}") from None
    except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
        if is_known(name):
            raise ValueError(f"the TFDS data set {name}: {first_line(error)}") from None
        near = difflib.get_close_matches(name, _list_builders(), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no TFDS data set, .npz file or folder is called {name}{hint}") from None


def _prepare(builder: Any, config: Any) -> None:
    """Put the data on disk; an error does not matter where another process put it there at the same time."""
    try:
        builder.download_and_prepare(download_config=config)
    except Exception:
        if not builder.data_path.exists():
            raise


def _check_download(builder: Any, manual_dir: str | None) -> None:
    """Raise ValueError unless the original files of the data set are in manual_dir or their host answers."""
    missing = {
        url: info.filename
        for url, info in (builder.url_infos or {}).items()
        if manual_dir is None or not (pathlib.Path(manual_dir) / info.filename).is_file()
    }
    if not missing:
        return
    url, file = next(iter(missing.items()))
    if not _host_answers(url):
        where = f" (manual_dir {manual_dir} has no {file})" if manual_dir else ""
        raise ValueError(
            f"the data set {builder.name} is not prepared in {builder.data_dir_root}, and its host does not answer"
            f"{where}: copy that folder from a machine that has it, or give manual_dir, a folder with "
            f"{', '.join(missing.values())}; the data set digits needs no download"
        )


def _host_answers(url: str) -> bool:
    """Tell within seconds whether the host of a download can be reached, even where looking up its name hangs."""

    def ask() -> None:
        try:
            requests.head(url, timeout=SECONDS_TO_ANSWER, allow_redirects=True)
            answered.set()
        except requests.RequestException:
            pass  # silence is the answer

    answered = threading.Event()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(2 * SECONDS_TO_ANSWER)
    return answered.is_set()
