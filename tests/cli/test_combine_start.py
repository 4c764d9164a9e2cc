"""What commands load until the first row: a budget of modules, because what is loaded takes most of a start."""

import json
import subprocess
import sys

import pytest

from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT

LATER = [
    "asyncio", "astropy.convolution", "astropy.coordinates", "astropy.modeling", "astropy.stats", "astropy.table",
    "astropy.time", "astropy.wcs", "bokeh", "cffi", "dask", "distributed", "fsspec", "jinja2", "matplotlib",
    "numba.typed.dictobject", "numpy.f2py", "numpy.testing", "pandas", "rich.console", "scipy.interpolate",
    "scipy.linalg", "scipy.ndimage", "scipy.optimize", "scipy.sparse", "scipy.spatial", "scipy.special", "scipy.stats",
    "tornado", "xarray", "zarr",
]  # fmt: skip
"""What no combination needs before its first row."""

MODULES = {"astropy": 130, "musedeep": 145, "numba": 175, "numpy": 130, "pydantic": 50, "scipy": 12}
"""The most modules of a package until the first row."""

ALL = 1010
"""The most modules of all packages."""

AT_FIRST_ROW = """
import json, os, sys, threading
once = threading.Lock()
def report():
    once.acquire()  # two threads come to their first row
    os.write(1, ("MODULES " + json.dumps(sorted(sys.modules)) + "\\n").encode())
    os._exit(0)
class Found:
    def find_spec(self, name, path=None, target=None):
        if name == "musedeep.cli.run_log":  # the last module before the run, which has loaded all that it needs
            tasks = sys.modules["musedeep.graph.combine.tasks"]
            tasks.scan = lambda *call: report()
sys.meta_path.insert(0, Found())
from musedeep.cli.main import run
sys.exit(run())
"""

AT_THE_END = """
import json, os, sys
from musedeep.cli.main import run
status = run()
print("MODULES " + json.dumps(sorted(sys.modules)))
sys.exit(status)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A selection file and a set-of-frames of two small exposures."""
    made = tmp_path_factory.mktemp("start")
    paths, _ = write_dithers(made, 2, step=5.0, ifus=(11, 11), wavelength=(7000.0, 7010.0))
    (made / "selection.yaml").write_text("exposures: [PIXTABLE_REDUCED_*.fits]\noutput: out\n")
    (made / "combine.sof").write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in paths))
    return made


def loaded(script, directory, *arguments):
    """Names of the modules that a command has loaded when it reports them."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}", *arguments],
        cwd=directory, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    return json.loads(line.removeprefix("MODULES "))


@pytest.mark.parametrize(
    "command",
    [
        ("combine", "selection.yaml", "--overwrite"),
        ("recipe", "muse_exp_combine", "combine.sof", "--output-dir", "recipe", "--overwrite"),
    ],
    ids=["combine", "recipe"],
)
def test_what_a_combination_loads_until_its_first_row(directory, command):
    names = loaded(AT_FIRST_ROW, directory, *command)
    assert "musedeep.graph.combine.tasks" in names and "numba" in names
    assert [name for name in LATER if name in names] == []
    counts = {package: sum(name.split(".")[0] == package for name in names) for package in MODULES}
    assert {package: n for package, n in counts.items() if n > MODULES[package]} == {}
    assert len(names) <= ALL


def test_a_combination_in_one_process_never_loads_dask(directory):
    names = loaded(AT_THE_END, directory, "combine", "selection.yaml", "--overwrite", "--threads", "2")
    assert {"dask", "distributed", "tornado", "zarr"} & set(names) == set()
