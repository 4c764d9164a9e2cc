"""The solution: the transformation that placed the stars is found, with stars left out that do not fit."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.kernels.field.tangent import sky_position, tangent_offsets
from musedeep.recipes.astrometry.recipe import RECIPE
from musedeep.recipes.astrometry.solution import fit_linear, solve, stars_near
from musedeep.recipes.astrometry.stars import Stars
from musedeep.reduction.observation import observation_of
from musedeep.storage.calibrations.astrometry_reference import ReferenceField
from tests.makers.star_fields import POINTING, turn

START = np.array([-150.0, -140.0])
SIZE = (300.0, 60.0)
LIMITS = {"X": (-150.0, 150.0), "Y": (-140.0, -80.0)}
MATRIX0 = turn(0.2) @ np.array([[-0.1997, 0.0], [0.0, 0.2003]])

REFERENCE_POINTING = (31.2, -45.1)
REFERENCE_MATRIX = [[-5.54829218635551e-05, -2.22671870999901e-08], [7.95469832546552e-08, 5.50144547334576e-05]]
REFERENCE_SOURCES = [
    (252.673906062998, 17.057977422463, 31.1920471789449, -45.0997348107940),
    (19.705882832861, 10.174802674856, 31.2103603296008, -45.1001352187463),
    (119.272443779811, 15.597759064120, 31.2025324196184, -45.0998269084883),
    (144.612854911057, 9.677032746698, 31.2005393349911, -45.1001523849067),
    (78.895201788072, 6.700084901457, 31.2057082337651, -45.1003213380128),
    (225.691628727680, 7.065750276663, 31.1941610673179, -45.1002996537989),
    (236.641342044248, 16.023298363336, 31.1933096357703, -45.0997957744981),
    (215.989351119578, 14.180917910207, 31.1949310203948, -45.0999052927164),
    (168.361334315275, 15.755208349260, 31.1986748071443, -45.0998179786756),
    (194.692389025769, 11.251585974989, 31.1966058625714, -45.1000589430333),
    (40.790410944921, 18.453952179735, 31.2086976446232, -45.0996945222065),
]
"""XPOS, YPOS, RA and DEC of ASTROMETRY_SOURCES of muse_astrometry 2.8.7, and CDi_j of the same file."""


def observation(position_angle=0.0, mode="WFM-NOAO-N"):
    """The circumstances of an exposure."""
    header = fits.Header()
    header["RA"], header["DEC"] = POINTING
    header["HIERARCH ESO INS MODE"] = mode
    header["HIERARCH ESO INS DROT MODE"] = "SKY"
    header["HIERARCH ESO INS DROT POSANG"] = position_angle
    for axis, (low, high) in LIMITS.items():
        header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS {axis} LOW"] = low
        header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS {axis} HIGH"] = high
    return observation_of(header, "exposure")


def exposed(position_angle=0.0, number=16, noise=0.0, seed=3, moved=()):
    """Stars as they were found, and the catalogue; numbers in `moved` lie half a pixel off."""
    rng = np.random.default_rng(seed)
    places = np.stack([np.linspace(8.0, 292.0, number), rng.uniform(4.0, 56.0, number)], axis=1)
    axis = np.array([0.0, -110.0]) + (-0.01, -1.2)
    plane = (places + START - axis) @ (turn(position_angle) @ MATRIX0).T + (1.7, -0.9)
    ra, dec = sky_position(*plane.T, *POINTING)
    found = places + rng.normal(0.0, noise, places.shape) if noise else places.copy()
    found[list(moved)] += (0.35, -0.35)
    one = np.ones((number, 2))
    stars = Stars(found, 0.01 * one, 3.5 * one, np.linspace(1e5, 1e3, number), 1.5)
    return stars, ReferenceField("FIELD", 1.0, ra, dec, np.linspace(14.0, 18.0, number)), axis


@pytest.mark.parametrize("position_angle", [0.0, 37.0, -90.0, 180.0])
@pytest.mark.parametrize("method", [{}, {"faccuracy": 5.0, "radius": 5.0}])
def test_the_transformation_comes_back_at_any_position_angle(position_angle, method):
    stars, field, axis = exposed(position_angle)
    found = solve(observation(position_angle), field, stars, START, RECIPE.parse(method))
    np.testing.assert_allclose(found.wcs.matrix * 3600.0, MATRIX0, atol=1e-7)
    np.testing.assert_array_equal(found.wcs.centre, (-0.01, -1.2))
    # the place of the axis, and the solution of the image
    xi, eta = tangent_offsets(*found.wcs.place, *POINTING)
    np.testing.assert_allclose((float(xi), float(eta)), (1.7, -0.9), atol=1e-6)
    np.testing.assert_allclose(found.image.centre, axis - START + 1.0)
    np.testing.assert_allclose(found.image.matrix * 3600.0, turn(position_angle) @ MATRIX0, atol=1e-7)
    assert len(found.wcs.sources["XPOS"]) == 16
    assert np.hypot(*found.median_residuals) < 1e-6


def test_rotcenter_moves_the_axis():
    stars, field, _ = exposed()
    here, there = (
        solve(observation(), field, stars, START, RECIPE.parse({"rotcenter": text})).wcs for text in ("0,0", "10,0")
    )
    np.testing.assert_array_equal(there.centre, (10.0, 0.0))
    moved = np.array([float(v) for v in tangent_offsets(*there.place, *here.place)])
    np.testing.assert_allclose(moved, MATRIX0 @ (10.0, 0.0), atol=1e-4)


def test_stars_that_do_not_fit_are_left_out_and_listed():
    stars, field, _ = exposed(noise=0.01, moved=(4, 9))
    found = solve(observation(), field, stars, START, RECIPE.parse({}))
    assert len(found.kept) == 16 and set(found.matches.detection[~found.kept]) >= {4, 9}
    np.testing.assert_allclose(found.wcs.matrix * 3600.0, MATRIX0, atol=1e-4)
    all_in = solve(observation(), field, stars, START, RECIPE.parse({"niter": 1}))
    assert all_in.kept.all()


def test_of_places_of_the_reference_the_matrix_is_that_of_the_reference():
    rows = np.array(REFERENCE_SOURCES)
    plane = np.stack(tangent_offsets(rows[:, 2], rows[:, 3], *REFERENCE_POINTING), axis=1)
    transformation, kept = fit_linear(rows[:, :2], plane, 2, 3.0, "exposure")
    np.testing.assert_allclose(transformation[:2].T / 3600.0, REFERENCE_MATRIX, atol=1e-13)
    np.testing.assert_array_equal(np.flatnonzero(~kept), [5, 10])
    spread = 1.48 * np.median(np.abs(rows[:, :2] @ transformation[:2] + transformation[2] - plane)[kept], axis=0)
    np.testing.assert_allclose(spread, (0.002629295, 0.00877859), rtol=1e-5)  # QC ASTRO MEDRES


def test_a_field_with_fewer_than_four_stars_near_the_pointing():
    _, field, _ = exposed()
    few = ReferenceField("FIELD", 1.0, field.ra[:3], field.dec[:3], field.magnitude[:3])
    with pytest.raises(MusedeepError, match=r"reference.fits: field FIELD has 3 stars within 60 arcsec"):
        stars_near(observation(), few, "reference.fits")
    assert stars_near(observation(), field, "reference.fits").ra.size == 16
    # the narrow field sees an eighth of that
    far = ReferenceField("FIELD", 1.0, field.ra, field.dec + 10.0 / 3600.0, field.magnitude)
    with pytest.raises(MusedeepError, match=r"within 7.5 arcsec"):
        stars_near(observation(mode="NFM-AO-N"), far, "reference.fits")


def test_too_few_stars_and_other_stars():
    stars, field, _ = exposed(number=16)
    three = Stars(stars.places[:3], stars.errors[:3], stars.widths[:3], stars.flux[:3], 1.5)
    with pytest.raises(MusedeepError, match=r"exposure: 3 stars above detsigma=1\.5, a solution needs 4"):
        solve(observation(), field, three, START, RECIPE.parse({}))
    _, other, _ = exposed(seed=8)
    with pytest.raises(MusedeepError, match="match no pattern of 16 stars of field FIELD"):
        solve(observation(), other, stars, START, RECIPE.parse({}))


def test_a_field_that_is_turned_against_the_header_is_none():
    stars, field, _ = exposed(30.0)
    with pytest.raises(MusedeepError, match=r"turned by 30\.2 deg against ESO INS DROT POSANG"):
        solve(observation(0.0), field, stars, START, RECIPE.parse({}))


def test_stars_on_a_line_make_no_solution():
    pixels = np.stack([np.arange(6.0), 2.0 * np.arange(6.0)], axis=1)
    with pytest.raises(MusedeepError, match="not on a line"):
        fit_linear(pixels, pixels, 2, 3.0, "exposure")
