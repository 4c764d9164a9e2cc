"""Where compiled kernels are kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from musedeep.compiled import PREFIX, keep_compiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that has kernels; its user has a cache."""
    made = tmp_path / "musedeep"
    (made / "kernels").mkdir(parents=True)
    (made / "kernels" / "one.py").write_text("first")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is put back whatever is set
    return made


@pytest.fixture
def read_only(package, monkeypatch):
    """The same, where the package cannot be written, whoever we are."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: package not in Path(path).parents and access(path, mode))
    return package


def kept(package, given=""):
    """What is set where this was set before."""
    os.environ["NUMBA_CACHE_DIR"] = given
    keep_compiled(package)
    return os.environ["NUMBA_CACHE_DIR"]


def test_where_the_user_says(package):
    assert kept(package, "mine") == "mine"


def test_beside_the_package_for_these_very_sources(package):
    first = kept(package)
    assert Path(first).is_dir() and Path(first).parent == package / "__pycache__"
    assert kept(package) == first
    (package / "kernels" / "one.py").write_text("second!")
    second = kept(package)
    assert second != first and not Path(first).exists()
    (package / "kernels" / "two.py").write_text("")
    assert kept(package) != second


def test_not_what_another_installation_says(package, tmp_path):
    theirs = tmp_path / "theirs" / f"{PREFIX}0123"
    theirs.mkdir(parents=True)
    assert Path(kept(package, str(theirs))).parent == package / "__pycache__"


def test_in_the_cache_of_the_user(read_only, tmp_path):
    first = kept(read_only)
    assert Path(first).parent == tmp_path / "cache" / "musedeep" and kept(read_only) == first
    (read_only / "kernels" / "one.py").write_text("second!")
    assert kept(read_only) != first and Path(first).exists()  # another container may use it


def test_a_directory_of_the_process_for_who_has_no_cache(read_only, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for nowhere in (str(tmp_path / "file"), ""):
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        own = kept(read_only)
        assert Path(own).parent == tmp_path
        assert kept(read_only, own) == own  # of the process that has started this one


KERNELS = {
    "inner.py": "import numba as nb\n@nb.njit(cache=True)\ndef inner(x):\n    return {factor} * x\n",
    "outer.py": (
        "import numba as nb\nfrom made.kernels.inner import inner\n"
        "@nb.njit(cache=True)\ndef outer(x):\n    return inner(x)\n"
    ),
    "__init__.py": "",
}


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path):
    package = tmp_path / "made"
    (package / "kernels").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from pathlib import Path\nfrom musedeep.compiled import keep_compiled\n"
        "import os; os.environ['NUMBA_CACHE_DIR'] = ''\nkeep_compiled(Path(__file__).parent)\n"
    )
    code = "from made.kernels.outer import outer; print(outer(1)); print(sum(outer.stats.cache_hits.values()))"
    said = []
    for factor in (2, 2, 30):
        for name, text in KERNELS.items():
            text = text.format(factor=factor)
            if not (package / "kernels" / name).exists() or (package / "kernels" / name).read_text() != text:
                (package / "kernels" / name).write_text(text)
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}:{root}"},
        )  # fmt: skip
        said.append(done.stdout.split())
    assert said == [["2", "0"], ["2", "1"], ["30", "0"]]


def test_numba_comes_without_what_it_only_looks_for():
    """No kernel of ours uses a BLAS; those of others find it."""
    code = """
import sys
import numpy as np
from musedeep.kernels.calibrate import scale
scale(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), 2.0)
assert "scipy.linalg" not in sys.modules
import numba
from numba.np import arraymath
assert arraymath._HAVE_BLAS
square = numba.njit(lambda a: np.dot(a, a))
assert (square(np.full((2, 2), 2.0)) == 8.0).all()
assert "scipy.linalg" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
