"""ASTROMETRY_WCS: what is written is read back; what is none is refused."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.astrometry_wcs import (
    SOURCES,
    AstrometryWcs,
    read_astrometry_wcs,
    write_astrometry_wcs,
)

MATRIX = np.array([[-5.5483e-5, -2.2267e-8], [7.9547e-8, 5.5014e-5]])


def solution(**changes) -> AstrometryWcs:
    """A solution of three stars."""
    sources = {column.name: np.arange(3.0) + k for k, column in enumerate(SOURCES)}
    given = {
        "matrix": MATRIX, "centre": np.array([-0.01, -1.2]), "place": np.array([31.21, -45.1]),
        "errors": np.array([7.3e-7, 2.4e-6]), "mode": "WFM-NOAO-N", "sources": sources,
    }  # fmt: skip
    return AstrometryWcs(**(given | changes))


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "ASTROMETRY_WCS_0001.fits"
    header = fits.Header()
    header["HIERARCH ESO INS MODE"] = "WFM-NOAO-N"
    write_astrometry_wcs(path, header, solution())
    return path


def test_a_solution_comes_back(written):
    found, wanted = read_astrometry_wcs(written), solution()
    for name in ("matrix", "centre", "place", "errors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert found.mode == "WFM-NOAO-N"
    assert list(found.sources) == [column.name for column in SOURCES]
    for name, values in found.sources.items():
        np.testing.assert_array_equal(values, wanted.sources[name])


def test_scales_and_angles_are_those_of_the_reference():
    # of the product with this matrix: 0.1997385, 0.1980522 arcsec; 0.02299475, -0.08284556 deg
    matrix = np.array([[-5.54829218635551e-05, -2.22671870999901e-08], [7.95469832546552e-08, 5.50144547334576e-05]])
    wcs = solution(matrix=matrix)
    np.testing.assert_allclose(wcs.scales, (0.1997385, 0.1980522), atol=5e-8)
    np.testing.assert_allclose(wcs.angles, (0.02299475, -0.08284556), atol=5e-9)


def test_the_header_places_the_sky_as_astropy_reads_it(written):
    wcs = WCS(fits.getheader(written))
    np.testing.assert_allclose(wcs.wcs.cd, MATRIX)
    ra, dec = wcs.all_pix2world(99.99, -1.2, 1)
    np.testing.assert_allclose((ra, dec), (31.21 - 5.5483e-3 / np.cos(np.radians(45.1)), -45.1), atol=1e-5)


def test_a_solution_without_its_stars_is_read(written):
    with fits.open(written) as hdus:
        fits.HDUList([hdus[0]]).writeto(written.with_name("bare.fits"))
    assert not read_astrometry_wcs(written.with_name("bare.fits")).sources


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"CD{i}_{j}": None for i in (1, 2) for j in (1, 2)}, "no CDi_j"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "no matrix of pixels"),
        ({"CD1_1": -1.0}, "no matrix of pixels"),
        ({"CD2_1": 5.5e-5, "CD1_2": -5.5e-5}, "no matrix of pixels"),
        ({"CD1_1": "wide"}, "CD1_1"),
        ({"CRPIX2": None}, "CRPIX2 is missing"),
        ({"CTYPE1": "PIXEL"}, "CTYPE1 is PIXEL, expected RA---TAN"),
    ],
)
def test_what_is_no_solution_is_refused_in_one_line(written, changes, message):
    with fits.open(written, mode="update") as hdus:
        for key, value in changes.items():
            if value is None:
                del hdus[0].header[key]
            else:
                hdus[0].header[key] = value
    with pytest.raises(MusedeepError, match=message) as error:
        read_astrometry_wcs(written)
    assert str(written) in str(error.value)
    assert "\n" not in str(error.value)
