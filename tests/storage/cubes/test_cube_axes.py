from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.cube_axes import read_axes
from tests.makers import cube_pieces, cubes

PATH = Path("cube.fits")


def header(**cards):
    found = fits.Header([(key, value) for key, value, _ in cubes.wcs().spatial()])
    found.update({**cube_pieces.grid_cards(), **cards})
    return found


def test_planes():
    axes = read_axes(header(CRPIX3=3.0), PATH)
    np.testing.assert_array_equal(axes.wavelengths(3), [6997.5, 6998.75, 7000.0])
    assert axes.plane_of(7000.0) == 2.0 and axes.plane_of(6999.375) == 1.5
    assert axes.covered(3) == (6997.5, 7001.25)
    assert axes.systematic_error == (6e-7, 9e-7)
    assert axes.wcs(PATH).spectral()[2:5] == [("CD3_3", 1.25, ""), ("CRPIX3", 3.0, ""), ("CRVAL3", 7000.0, "")]


def test_logarithmic_planes():
    axes = read_axes(header(CTYPE3="WAVE-LOG"), PATH)
    waves = axes.wavelengths(100)
    np.testing.assert_allclose(np.diff(np.log(waves)), 1.25 / 7000, rtol=1e-9)
    assert axes.plane_of(float(waves[60])) == pytest.approx(60.0, abs=1e-9)


def test_steps_by_cdelt():
    other = header()
    for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "CD3_3"):
        other.remove(key)
    other.update({"CDELT1": -2e-5, "CDELT2": 2e-5, "CDELT3": 1.25, "PC1_2": 0.5})
    axes = read_axes(other, PATH)
    assert axes.cd == (-2e-5, -1e-5, 0.0, 2e-5) and axes.step == 1.25


def test_pixels_of_the_field():
    axes = read_axes(header(CTYPE1="PIXEL", CTYPE2="PIXEL"), PATH)
    with pytest.raises(MusedeepError, match="CTYPE1, CTYPE2 are 'PIXEL', 'PIXEL'"):
        axes.wcs(PATH)


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"CTYPE3": "FREQ"}, "CTYPE3 is 'FREQ'"),
        ({"CTYPE2": "AWAV", "CTYPE3": "DEC--TAN"}, "CTYPE2 is 'AWAV'"),
        ({"CD3_1": 0.1}, "CD3_1 is not zero"),
        ({"CD3_3": 0.0}, "CD3_3 is 0"),
        ({"CD3_3": "wide"}, "CD3_3 is 'wide'"),
        ({"CRVAL3": -1.0}, "CRVAL3 is -1"),
        ({"CRPIX2": "nan"}, "CRPIX2"),
    ],
)
def test_what_is_refused(cards, said):
    with pytest.raises(MusedeepError, match=f"cube.fits: .*{said}"):
        read_axes(header(**cards), PATH)
