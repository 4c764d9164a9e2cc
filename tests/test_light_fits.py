"""astropy.io.fits without what it loads beside, which works as ever afterwards."""

import subprocess
import sys

from tests.makers.places import ROOT


def run(script):
    """Standard output of a script in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_units_are_loaded_when_they_are_asked_for():
    out = run("""
from musedeep.light_fits import load_fits
load_fits()
print("astropy.io.fits" in sys.modules, "astropy.units" in sys.modules, "numcodecs" in sys.modules)
from astropy import units
from astropy.utils.data import get_free_space_in_dir
print(get_free_space_in_dir("/", unit=True).unit == units.byte)
import numcodecs
print(numcodecs.Blosc().codec_id)
""")
    assert out == ["True", "False", "False", "True", "blosc"]


def test_a_version_that_needs_more_units_gets_them():
    out = run("""
import importlib
import astropy.utils
class Asks:  # a module of astropy.io.fits that takes a unit when it is loaded
    def find_spec(self, name, path=None, target=None):
        if name == "astropy.io.fits.card":
            from astropy.units import deg
sys.meta_path.insert(0, Asks())
from musedeep.light_fits import load_fits
load_fits()
from astropy.utils.data import Quantity
from astropy import units
print("astropy.io.fits" in sys.modules, Quantity is units.Quantity)
""")
    assert out == ["True", "True"]


def test_compressed_images_are_read(tmp_path):
    out = run(f"""
from musedeep.light_fits import load_fits
load_fits()
import numpy as np
from astropy.io import fits
fits.CompImageHDU(np.arange(100, dtype=np.int16).reshape(10, 10)).writeto({str(tmp_path / "a.fits")!r})
print(fits.getdata({str(tmp_path / "a.fits")!r}).sum())
""")
    assert out == ["4950"]
