"""Headers for viewers: any grid keeps its coordinates; units are those that astropy parses."""

import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from musedeep.storage.cubes.viewers import readable_header, viewer_header
from tests.makers import cubes

ELEMENTS = st.floats(-1e-3, 1e-3).map(lambda value: round(value, 9))


def header(**changes: object) -> fits.Header:
    made = fits.Header([*cubes.wcs().spatial(), *cubes.wcs().spectral(), ("BUNIT", "10**(-20)*erg/s/cm**2/Angstrom")])
    made.update(changes)
    return made


@given(cd=st.tuples(ELEMENTS, ELEMENTS, ELEMENTS, ELEMENTS), step=st.floats(0.1, 10.0))
def test_any_grid_keeps_its_coordinates(cd, step):
    if abs(cd[0] * cd[3] - cd[1] * cd[2]) < 1e-12:
        return
    before = header(CD1_1=cd[0], CD1_2=cd[1], CD2_1=cd[2], CD2_2=cd[3], CD3_3=step)
    after = viewer_header(before, fits.Header())
    pixel = [[2.0, 7.0, 9.0], [1.0, -3.0, 100.0]]
    np.testing.assert_allclose(WCS(after).wcs_pix2world(pixel, 1), WCS(before).wcs_pix2world(pixel, 1), rtol=1e-12)


def test_axes_along_north_and_east_are_exact():
    after = viewer_header(header(), fits.Header())
    assert after["CDELT1"] == header()["CD1_1"] and after["CDELT2"] == header()["CD2_2"] and after["CDELT3"] == 1.25
    assert after["PC1_1"] == after["PC2_2"] == after["PC3_3"] == 1.0 and after["PC1_2"] == after["PC2_1"] == 0.0
    keys = list(after)
    assert keys.index("WCSAXES") < min(keys.index(key) for key in ("CRPIX1", "CDELT1", "CTYPE1"))


def test_what_the_primary_header_says_is_in_the_extension():
    primary = fits.Header([("RADESYS", "FK5"), ("EQUINOX", 2000.0), ("SPECSYS", "BARYCENT"), ("TELESCOP", "VLT")])
    after = viewer_header(header(RADESYS="ICRS"), primary)
    assert (after["RADESYS"], after["EQUINOX"], after["SPECSYS"], after["TELESCOP"]) == (
        "ICRS", 2000.0, "BARYCENT", "VLT",
    )  # fmt: skip


def test_a_header_without_coordinates_keeps_its_cards():
    bare = fits.Header([("EXTNAME", "X"), ("BUNIT", "count")])
    assert list(viewer_header(bare, fits.Header([("RADESYS", "FK5")])).items()) == [
        ("EXTNAME", "X"),
        ("BUNIT", "count"),
    ]


@pytest.mark.parametrize(
    ("unit", "power"),
    [
        ("10**(-20)*erg/s/cm**2/Angstrom", 1),
        ("10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)", 1),
        ("(10**(-20)*erg/s/cm**2/Angstrom)**2", 2),
        ("10**(-40)erg**2.s**(-2).cm**(-4).angstrom**(-2)", 2),
    ],
)
def test_astropy_parses_the_units(unit, power):
    expected = (1e-20 * units.erg / units.s / units.cm**2 / units.AA) ** power
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of units that the standard discourages
        found = units.Unit(viewer_header(header(BUNIT=unit), fits.Header())["BUNIT"], format="fits")
    assert found.is_equivalent(expected) and found.to(expected) == pytest.approx(1.0, rel=1e-12)
    assert units.Unit(readable_header(header(BUNIT=unit))["BUNIT"]) == found


def test_a_unit_that_means_none_stays():
    assert viewer_header(header(BUNIT="furlongs"), fits.Header())["BUNIT"] == "furlongs"
    assert readable_header(header(BUNIT="furlongs"))["BUNIT"] == "furlongs"
