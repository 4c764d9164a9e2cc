"""Where compiled kernels are kept if not beside the package."""

import os
from pathlib import Path

import pytest

from musedeep.compiled import SOURCES, keep_compiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that cannot be written, whoever we are; its user has a cache."""
    made = tmp_path / "musedeep"
    for name in SOURCES:
        (made / name).mkdir(parents=True)
        (made / name / "one.py").write_text("first")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: made not in Path(path).parents and access(path, mode))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # so that it is put back whatever is set
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    return made


def kept(package):
    """What is set, once."""
    os.environ.pop("NUMBA_CACHE_DIR", None)
    keep_compiled(package)
    return os.environ.get("NUMBA_CACHE_DIR")


def test_beside_the_package_or_where_the_user_says(package, tmp_path, monkeypatch):
    os.environ["NUMBA_CACHE_DIR"] = "mine"
    keep_compiled(package)
    assert os.environ["NUMBA_CACHE_DIR"] == "mine"
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert kept(package) is None


def test_a_directory_for_these_very_sources(package, tmp_path):
    first = kept(package)
    assert Path(first).is_dir() and Path(first).parent == tmp_path / "cache" / "musedeep"
    assert kept(package) == first
    (package / SOURCES[0] / "one.py").write_text("second")
    assert kept(package) != first


def test_a_directory_of_the_process_for_who_has_no_cache(package, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for nowhere in (str(tmp_path / "file"), ""):
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert Path(kept(package)).parent == tmp_path
