"""muse_scipost against the reference, on the same pixel tables and calibrations of a night: rows, cube, headers."""

import re

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.registry import named
from musedeep.storage.pixel_tables.open import open_pixel_table

pytestmark = [pytest.mark.reference, pytest.mark.modes]

STRONG = ((5570.0, 5584.0), (5885.0, 5897.0), (6297.0, 6304.0), (6360.0, 6367.0))
"""Wavelengths of the strongest sky lines below the forest of OH [Angstrom]."""


@pytest.fixture(scope="module")
def ours(second_stage):
    """Our products, without the correction for the choice of dark spaxels, which the reference does not have."""
    return second_stage.ours("scipost-1", "--save=cube,skymodel,individual", "--unbiased=false", "--water=false")


@pytest.fixture(scope="module")
def rows(ours, night):
    """Some rows of the reduced pixel tables, ours and theirs, in the order of their origin, by column."""
    table = open_pixel_table(ours / "PIXTABLE_REDUCED_0001.zarr")
    everything = np.array([[0, table.n_rows]], np.int64)
    found = []
    with fits.open(night.product("scipost-1/PIXTABLE_REDUCED_0001"), memmap=True) as hdus:
        for column in (
            lambda name: table.read(everything, (name,))[name],
            lambda name: np.asarray(hdus[name].data[:, 0]).astype(hdus[name].data.dtype.newbyteorder("=")),
        ):
            origin = column("origin")
            some = np.flatnonzero((origin & 63) % 16 == 3)
            some = some[np.argsort(origin[some])]
            found.append({n: column(n)[some] for n in ("xpos", "ypos", "lambda", "data", "stat", "dq", "origin")})
    common = np.intersect1d(found[0]["origin"], found[1]["origin"])
    # they leave out the last bin of the continuum
    assert common.size > 0.999 * found[0]["origin"].size
    return [{n: v[np.isin(one["origin"], common)] for n, v in one.items()} for one in found]


def strong(wavelength):
    return np.any([(wavelength > low) & (wavelength < high) for low, high in STRONG], axis=0)


def test_rows_are_at_the_same_places(rows):
    ours, theirs = rows
    turn = (ours["xpos"] - theirs["xpos"] + np.pi) % (2.0 * np.pi) - np.pi
    assert np.abs(turn * theirs["ypos"]).max() < 3e-9 and np.abs(ours["ypos"] - theirs["ypos"]).max() < 3e-9
    # their velocity is that of another longitude: 0.2 km/s
    assert np.abs(ours["lambda"] / theirs["lambda"] - 1.0).max() * 299792.458 < 0.5
    assert np.array_equal(ours["dq"], theirs["dq"])


def test_data_of_rows_agree_within_a_tenth_of_their_noise(rows, figure):
    ours, theirs = rows
    good = theirs["dq"] == 0
    off = np.abs(ours["data"] - theirs["data"]) / np.sqrt(theirs["stat"])
    lines = strong(theirs["lambda"])
    assert figure("rows, 99 of 100 within [sigma]", np.percentile(off[good & ~lines], 99)) < 0.2
    assert figure("rows at strong lines, 99 of 100 within [sigma]", np.percentile(off[good & lines], 99)) < 0.5
    # theirs has errors more where its telluric correction begins and ends; the flat's spectrum is steep in the blue
    waves = theirs["lambda"]
    inside = good & (waves > 5000.0) & ((waves < 6270.0) | ((waves > 6870.0) & (waves < 7600.0)))
    ratio = np.abs(ours["stat"] / theirs["stat"] - 1.0)
    assert np.percentile(ratio[inside], 99) < 1e-3 and np.median(ratio[good]) < 1e-3


def test_the_cube(ours, night, figure):
    with (
        fits.open(ours / "DATACUBE_FINAL.fits", memmap=True) as mine,
        fits.open(night.product("scipost-1/DATACUBE_FINAL"), memmap=True) as other,
    ):
        header, reference = mine["DATA"].header, other["DATA"].header
        assert [header[f"NAXIS{k}"] for k in (1, 2, 3)] == [reference[f"NAXIS{k}"] for k in (1, 2, 3)]
        for key in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD2_2", "CD3_3"):
            assert header[key] == pytest.approx(reference[key], rel=1e-6), key
        assert header["CRVAL3"] == pytest.approx(reference["CRVAL3"], abs=0.01)
        data, theirs, stat = mine["DATA"].data, other["DATA"].data, other["STAT"].data
        assert figure("cube, share of equal masks", (np.isnan(data) == np.isnan(theirs)).mean()) > 0.999
        off = np.abs(data - theirs) / np.sqrt(stat)
        waves = reference["CRVAL3"] + reference["CD3_3"] * np.arange(data.shape[0])
        plain = off[~strong(waves)]
        plain, lines = plain[np.isfinite(plain)], off[strong(waves)]
        assert figure("cube, share of voxels within 0.1 sigma", (plain < 0.1).mean()) > 0.93
        assert figure("cube, share of voxels within 0.5 sigma", (plain < 0.5).mean()) > 0.998
        assert figure("cube at strong lines, 99 of 100 within [sigma]", np.nanpercentile(lines, 99)) < 0.7


@pytest.mark.parametrize("name", ["DATACUBE_FINAL", "IMAGE_FOV_0001", "PIXTABLE_REDUCED_0001"])
def test_headers_have_the_same_keywords(ours, night, name):
    theirs = fits.getheader(night.product(f"scipost-1/{name}"))
    if name.startswith("PIXTABLE"):
        found = open_pixel_table(ours / f"{name}.zarr").header
    else:
        found = fits.getheader(ours / f"{name}.fits")
    own = re.compile(
        r"ESO PRO REC\d+ (PARAM|CAL|RAW).*|ESO QC .*|CHECKSUM|DATASUM|NAXIS.*|EXTEND|SIMPLE|BITPIX|COMMENT|"
    )
    missing = {key for key in theirs if not own.fullmatch(key)} - set(found)
    assert not missing


def test_parameters_are_those_of_the_reference(night):
    theirs = fits.getheader(night.product("scipost-1/DATACUBE_FINAL"))
    values = {}
    for k in range(1, 40):
        if f"ESO PRO REC2 PARAM{k} NAME" in theirs:
            values[theirs[f"ESO PRO REC2 PARAM{k} NAME"]] = theirs.comments[f"ESO PRO REC2 PARAM{k} VALUE"]
    parameters = {p.name: p for p in named("muse_scipost").parameters if p.neutral is None}
    assert list(parameters) == list(values)


def test_quality_keywords(ours, night):
    theirs = fits.getheader(night.product("scipost-1/DATACUBE_FINAL"))
    found = fits.getheader(ours / "DATACUBE_FINAL.fits")
    assert found["ESO QC SCIPOST LAMBDA"] == pytest.approx(theirs["ESO QC SCIPOST LAMBDA"], abs=0.01)
    assert abs(found["ESO QC SCIPOST NDET"] - theirs["ESO QC SCIPOST NDET"]) <= 1
    assert found["ESO QC SCIPOST FWHM MEDIAN"] == pytest.approx(theirs["ESO QC SCIPOST FWHM MEDIAN"], rel=0.05)
    for name in ("SKY_LINES", "SKY_CONTINUUM", "SKY_MASK"):
        keys = {key for key in fits.getheader(night.product(f"scipost-1/{name}_0001")) if key.startswith("ESO QC")}
        assert keys <= set(fits.getheader(ours / f"{name}_0001.fits")), name
