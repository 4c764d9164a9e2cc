"""The key of the code that computes."""

import os
import shutil

from musedeep import provenance_key
from musedeep.provenance_key import PACKAGE, code_state


def state(package):
    """The key of a package as it is now."""
    code_state.cache_clear()
    return code_state(package)


def test_same_sources_elsewhere_and_later(tmp_path):
    copy = tmp_path / "elsewhere" / "musedeep"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
    (copy / "kernels" / ".#projection.py").symlink_to("nowhere")  # an editor's
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "errors.cpython-312.pyc").write_bytes(b"compiled")
    assert state(copy) == state(PACKAGE)
    assert len(state(copy)) == 16


def test_any_change_of_a_source_or_table(tmp_path):
    kernels, tables = tmp_path / "kernels", tmp_path / "tables"
    kernels.mkdir()
    tables.mkdir()
    (kernels / "one.py").write_text("a = 1\n")
    (tables / "lines.ecsv").write_text("1 2\n")
    states = [state(tmp_path)]
    (kernels / "one.py").write_text("a = 2\n")
    states.append(state(tmp_path))
    (tables / "lines.ecsv").write_text("1 3\n")
    states.append(state(tmp_path))
    (kernels / "one.py").rename(kernels / "two.py")
    states.append(state(tmp_path))
    assert len(set(states)) == 4


def test_another_version_of_a_library(tmp_path, monkeypatch):
    (tmp_path / "one.py").write_text("")
    before = state(tmp_path)
    monkeypatch.setattr(provenance_key, "version", lambda library: "0.1")
    assert state(tmp_path) != before
