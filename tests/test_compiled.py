"""Where compiled kernels are kept."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from musedeep import kernel_cache
from musedeep.compiled import COMMAND, PREFIX, SOURCES, compiling_seconds, keep_compiled
from tests.makers.places import ROOT


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
from musedeep.kernels.ccd.calibrate import scale
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


def test_a_change_in_a_folder_of_kernels_or_of_a_reader_counts(package):
    (package / "kernels" / "more").mkdir()
    for name in ("pixel_tables", "stores"):
        (package / "storage" / name).mkdir(parents=True)
    said = {kept(package)}
    for name in ("kernels/more/three.py", *SOURCES[1:]):
        (package / name).write_text("")
        said.add(kept(package))
        (package / name).write_text("# changed")
        said.add(kept(package))
    assert len(said) == 1 + 2 * len(SOURCES)
    (package / "storage" / "lock.py").write_text("")
    assert kept(package) in said


def test_all_files_with_kernels_are_looked_at():
    root = Path(__file__).resolve().parents[1] / "musedeep"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if "njit(" in path.read_text()}
    assert "kernels/cube/drizzle.py" in files
    # and the constants that are compiled into them
    assert {name for name in files if not name.startswith("kernels/")} | {"instrument.py"} == set(SOURCES[1:])


def started(cache, code, command=None):
    """A process that runs code with this directory of compiled kernels; `command` is the one it belongs to."""
    environment = {name: value for name, value in os.environ.items() if name != COMMAND}
    environment |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    environment |= {COMMAND: command} if command else {}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def said_by(process):
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out, error


SCALE = """
import numpy as np
from musedeep.kernels.ccd.calibrate import scale
from musedeep.kernels.cube.sorting import count_cells, scatter
def work():
    image = np.ones((2, 2), np.float32)
    scale(image, image.copy(), 2.0)
    start = np.zeros(3, np.int32)
    count_cells(np.array([1, 1], np.int32), start)
    scatter(np.ones(1, np.float32), np.zeros(1, np.int32), np.zeros(1, np.float32))
    print(start.tolist(), *(sum(k.stats.cache_misses.values()) for k in (scale, count_cells, scatter)))
"""
ANNOUNCED = f"{SCALE}\nfrom musedeep.compiled import announced\nwith announced():\n    work()"


def test_a_command_says_once_that_it_compiles(tmp_path):
    out, error = said_by(started(tmp_path, ANNOUNCED))
    assert out == "[0, 0, 2] 1 1 1\n"
    first, last = error.splitlines()
    assert first == "compiling kernels (once after an installation) ..."
    took = re.fullmatch(r"compiled kernels in (\d+\.\d) s", last)
    assert took and 0.0 < float(took[1]) < 60.0
    assert said_by(started(tmp_path, ANNOUNCED)) == ("[0, 0, 2] 0 0 0\n", "")


def test_of_several_processes_one_compiles_each_kernel(tmp_path):
    processes = [started(tmp_path, f"{SCALE}\nwork()", "one command") for _ in range(3)]
    said = [said_by(process) for process in processes]
    assert {out.split("]")[0] for out, _ in said} == {"[0, 0, 2"}
    compiled = [[int(word) for word in out.split("]")[1].split()] for out, _ in said]
    assert [sum(column) for column in zip(*compiled, strict=True)] == [1, 1, 1]
    assert sorted(error for _, error in said) == ["", "", "compiling kernels (once after an installation) ...\n"]


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
time.sleep(99)
"""


def test_who_compiles_is_waited_for_and_not_when_killed(tmp_path):
    said_by(started(tmp_path, f"{SCALE}\nwork()"))
    [lock] = tmp_path.rglob("*sorting.scatter.lock")
    for path in tmp_path.rglob("sorting.scatter-*.nb?"):
        path.unlink()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            holder.stdout.readline()
            waiting = started(tmp_path, f"{SCALE}\nwork()")
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(4.0)
        finally:
            holder.kill()
    assert said_by(waiting)[0] == "[0, 0, 2] 0 0 1\n"


def test_who_takes_too_long_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "PATIENCE", 0.3)
    lock = kernel_cache._take(tmp_path / "new" / "one.lock")
    assert lock is not None and kernel_cache._take(tmp_path / "new" / "one.lock") is None
    os.close(lock)
    lock = kernel_cache._take(tmp_path / "new" / "one.lock")
    assert lock is not None
    os.close(lock)
    (tmp_path / "file").touch()
    assert kernel_cache._take(tmp_path / "file" / "one.lock") is None


def test_time_of_compiling_counts_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    lines = ["10.0 14.0 1 a", "12.0 13.0 1 b", "13.5 15.0 2 c", "said x", "20.0 21.5 2 d", "22.0 2", "1.0 2.0 3 e"]
    (tmp_path / "musedeep-compiled").write_text("\n".join(lines))
    assert compiling_seconds(9.0) == pytest.approx(6.5)
    assert compiling_seconds(14.5) == pytest.approx(2.0)
    assert compiling_seconds(30.0) == 0.0


LOAD_ALL = """
import importlib, pkgutil, sys
import musedeep.kernels
from numba.core.dispatcher import Dispatcher
modules = [one.name for one in pkgutil.walk_packages(musedeep.kernels.__path__, "musedeep.kernels.")]
modules += ["musedeep.storage.pixel_tables.fits", "musedeep.storage.pixel_tables.zarr"]
loaded = 0
for name in modules:
    for kernel in list(vars(importlib.import_module(name)).values()):
        if not isinstance(kernel, Dispatcher) or kernel.__module__ != name or not hasattr(kernel._cache, "_cache_file"):
            continue
        for key in kernel._cache._cache_file._load_index() if kernel._can_compile else ():
            if key[0] in kernel.overloads:  # which one that is compiled when it is imported has needed
                continue
            kernel.compile(key[0])
            assert kernel._cache_hits[key[0]] == 1, (name, kernel, key[0])
            loaded += 1
print(loaded, "numba.typed.dictobject" in sys.modules)
"""


def test_every_kernel_that_is_kept_is_loaded_without_the_compiler():
    """Also those of other tests: a kernel that lacks something of numba's would end the process."""
    from musedeep.kernels.cube.middle import median

    median(np.array([2.0, 1.0, 3.0]), 3)  # one at least
    for _ in range(2):  # the first one compiles what is compiled when it is imported
        done = subprocess.run(
            [sys.executable, "-c", LOAD_ALL], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    loaded, compiler = done.stdout.split()
    assert int(loaded) >= 1
    assert compiler == "False"
