"""Places on the sky, against astropy.wcs."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS as AstropyWcs

from musedeep.errors import MusedeepError
from musedeep.reduction.correct.placing import place, position
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs
from tests.makers.field_tables import field_rows, observation

MATRIX = np.array([[-5.548e-5, -2.2e-8], [8.0e-8, 5.501e-5]])


def solution(mode="WFM-NOAO-N"):
    return AstrometryWcs(MATRIX, np.array([-0.01, -1.2]), np.zeros(2), np.full(2, 1e-6), mode, {})


def header_of(corrections, seen):
    header = fits.Header([(key, value) for c in corrections for key, value, _ in c.cards() if len(key) < 9])
    header["CRVAL1"], header["CRVAL2"] = seen.ra, seen.dec
    return header


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0, -130.0])
@pytest.mark.parametrize("wcs", [solution(), None])
def test_sky_positions(angle, wcs):
    """Through native coordinates to the sky: what the header's solution says of the pixels."""
    seen = observation(ESO_INS_DROT_POSANG=angle)
    rows = field_rows(500)
    pixels = [rows[name].astype(np.float64) for name in ("xpos", "ypos")]
    placed = place(seen, wcs)
    ra, dec = AstropyWcs(header_of(placed, seen)).all_pix2world(*pixels, 1)
    for correction in [*placed, *position(seen)]:
        correction.apply(rows)
    off = (rows["xpos"] - (ra - seen.ra)) * np.cos(np.radians(dec)), rows["ypos"] - (dec - seen.dec)
    assert np.abs(off).max() * 3600.0 < 1e-4


def test_field_axes():
    """At position angle 0 x points to the west and y to the north, about the middle of the field."""
    (correction,) = place(observation(ESO_INS_DROT_POSANG=0.0), None)
    assert correction.centre.tolist() == [0.5, -10.0]
    assert correction.matrix == pytest.approx(np.diag([-0.2, 0.2]) / 3600.0)
    (correction,) = place(observation(ESO_INS_DROT_POSANG=90.0), None)
    # y points to the east
    assert correction.matrix == pytest.approx(np.array([[0.0, 0.2], [0.2, 0.0]]) / 3600.0)


def test_middle_of_the_field_is_that_before_refraction():
    limits = {f"ESO_DRS_MUSE_PIXTABLE_PREDAR_LIMITS_{k}": v for k, v in
              (("XLO", -100.0), ("XHI", 110.0), ("YLO", -30.0), ("YHI", 10.0))}  # fmt: skip
    (correction,) = place(observation(**limits), solution())
    assert correction.centre == pytest.approx([5.0 - 0.01, -10.0 - 1.2])


def test_scale_of_the_narrow_field():
    (correction,) = place(observation(ESO_INS_MODE="NFM-AO-N", ESO_INS_DROT_POSANG=0.0), None)
    assert correction.matrix == pytest.approx(np.diag([-0.02519, 0.02542]) / 3600.0)


def test_what_the_header_says():
    placed, positioned = place(observation(), solution()), position(observation(RA=0.0005), (0.001, -0.002))
    cards = {key: value for one in (*placed, *positioned) for key, value, _ in one.cards()}
    assert {"CRPIX1", "CD2_2", "CSYER1", "CTYPE1", "CUNIT2"} <= set(cards)
    assert cards["ESO DRS MUSE PIXTABLE WCS"] == "positioned (final)"
    assert (cards["CRVAL1"], cards["CRVAL2"]) == pytest.approx((359.9995, -27.778))
    assert placed[0].units["xpos"] == "rad"
    assert positioned[0].units["xpos"] == "deg"


@pytest.mark.parametrize(
    ("changed", "wcs", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, None, "it is placed already"),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "positioned (final)"}, None, "it is placed already"),
        ({}, solution("NFM-AO-N"), "MODE is WFM-NOAO-N, the ASTROMETRY_WCS is for NFM-AO-N"),
        ({"ESO_INS_DROT_POSANG": None}, None, "POSANG is missing"),
        ({"ESO_DRS_MUSE_PIXTABLE_LIMITS_Y_HIGH": None}, None, "LIMITS Y HIGH is missing"),
    ],
)
def test_never_twice_nor_with_what_does_not_fit(changed, wcs, words):
    with pytest.raises(MusedeepError, match=words):
        place(observation(**changed), wcs)


def test_positioned_once():
    with pytest.raises(MusedeepError, match="it is positioned already"):
        position(observation(ESO_DRS_MUSE_PIXTABLE_WCS="positioned (final)"))
