"""What a recipe on raw frames loads in all: a budget of modules, because loading takes a third of its time."""

from tests.makers.loaded_modules import AT_THE_END, beyond, loaded
from tests.makers.raw_frames import write_biases

NEVER = [
    "asyncio", "astropy.constants", "astropy.convolution", "astropy.coordinates", "astropy.modeling", "astropy.stats",
    "astropy.table", "astropy.time", "astropy.units", "astropy.wcs", "cffi", "dask", "distributed", "fsspec", "jinja2",
    "matplotlib", "numba.typed.dictobject", "numcodecs", "numpy.f2py", "numpy.testing", "pandas", "scipy.interpolate",
    "scipy.linalg", "scipy.ndimage", "scipy.optimize", "scipy.sparse", "scipy.spatial", "scipy.special", "scipy.stats",
    "tornado", "xarray", "yaml", "zarr",
]  # fmt: skip
"""What muse_bias does without."""

MODULES = {"astropy": 75, "musedeep": 80, "numba": 175, "numpy": 130, "pydantic": 50, "scipy": 12}
"""The most modules of a package."""

ALL = 800
"""The most modules of all packages."""


def test_what_muse_bias_loads(tmp_path):
    sof, _ = write_biases(tmp_path, n=3)
    names = loaded(AT_THE_END, tmp_path, "recipe", "muse_bias", "--nifu=1", str(sof))
    assert "musedeep.recipes.bias.master" in names and "numba" in names
    assert [name for name in NEVER if name in names] == []
    assert beyond(names, MODULES) == {}
    assert len(names) <= ALL
