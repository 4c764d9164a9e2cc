"""What commands load until the first row: a budget of modules, because what is loaded takes most of a start."""

import pytest

from tests.makers.loaded_modules import AT_THE_END, beyond, loaded
from tests.makers.pixel_tables import write_dithers

LATER = [
    "asyncio", "astropy.constants", "astropy.convolution", "astropy.coordinates", "astropy.modeling", "astropy.stats",
    "astropy.table", "astropy.time", "astropy.units", "astropy.wcs", "bokeh", "cffi", "dask", "distributed",
    "fsspec", "jinja2", "matplotlib",
    "numba.typed.dictobject", "numcodecs", "numpy.f2py", "numpy.testing", "pandas", "rich.console", "scipy.interpolate",
    "scipy.linalg", "scipy.ndimage", "scipy.optimize", "scipy.sparse", "scipy.spatial", "scipy.special", "scipy.stats",
    "tornado", "xarray", "zarr",
]  # fmt: skip
"""What no combination needs before its first row."""

MODULES = {"astropy": 75, "musedeep": 145, "numba": 175, "numpy": 130, "pydantic": 50, "scipy": 12}
"""The most modules of a package until the first row."""

ALL = 870
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


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A selection file and a set-of-frames of two small exposures."""
    made = tmp_path_factory.mktemp("start")
    paths, _ = write_dithers(made, 2, step=5.0, ifus=(11, 11), wavelength=(7000.0, 7010.0))
    (made / "selection.yaml").write_text("exposures: [PIXTABLE_REDUCED_*.fits]\noutput: out\n")
    (made / "combine.sof").write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in paths))
    return made


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
    assert beyond(names, MODULES) == {}
    assert len(names) <= ALL


def test_a_combination_in_one_process_never_loads_dask(directory):
    names = loaded(AT_THE_END, directory, "combine", "selection.yaml", "--overwrite", "--threads", "2")
    assert {"dask", "distributed", "tornado", "zarr"} & set(names) == set()
