"""What a combination takes from headers: the right value, or one line that names file and keyword."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.exposures import exposure_weights, group_exposures, load_exposures
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.pixel_tables import (
    FLUX,
    UNITS,
    exposure_rows,
    primary_header,
    write_dithers,
    write_exposure,
    write_rows,
)

SMALL = {"slices": (4, 5, 16, 17), "wavelength": (5000.0, 5008.0)}
PIXTABLE = "HIERARCH ESO DRS MUSE PIXTABLE "


def set_card(path, key, value):
    """Give a card of the primary header a value as it stands, in Latin-1."""
    raw = path.read_bytes()
    place = raw.index(f"{key:8}".encode())
    path.write_bytes(raw[:place] + f"{key:8}= {value}".encode("latin-1").ljust(80) + raw[place + 80 :])


def load(path, weight="exptime"):
    return load_exposures(group_exposures([path]), weight, None)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("RA", "1E9", r"1000000000\.0, expected a number from -360 to 360"),
        ("RA", "'10:11:12'", "'10:11:12', expected a number"),
        ("DEC", "-90.5", r"-90\.5, expected a number from -90 to 90"),
        ("DEC", "nan / south", "'nan', expected a number"),
        ("EXPTIME", "-1500.0", r"-1500\.0, expected a number >= 0"),
        ("EXPTIME", "T", "True, expected a number"),
        ("DATE-OBS", "", "empty in the header"),
        (PIXTABLE + "LIMITS IFU LOW", "99", "99, expected a number from 1 to 24"),
        (PIXTABLE + "LIMITS IFU HIGH", "2.5", r"2\.5, expected a whole number"),
        ("HIERARCH ESO INS DROT POSANG", "'north'", "'north', expected a number"),
    ],
)
def test_values_that_make_no_sense_are_named(tmp_path, key, value, shown):
    write_exposure(tmp_path / "odd.fits", **SMALL)
    set_card(tmp_path / "odd.fits", key, value)
    with pytest.raises(MusedeepError, match=rf"odd\.fits: keyword {key.removeprefix('HIERARCH ')} is {shown}"):
        load(tmp_path / "odd.fits")


def test_what_is_not_needed_may_be_anything(tmp_path):
    write_exposure(tmp_path / "odd.fits", ra=83.6, **SMALL)
    for key in ("MJD-OBS", "TELESCOP", "HIERARCH ESO TEL AMBI FWHM START", "HIERARCH ESO TEL AIRM END"):
        set_card(tmp_path / "odd.fits", key, "nan / \xe9")
    set_card(tmp_path / "odd.fits", "HIERARCH ESO INS MODE", "")
    (exposure,) = load(tmp_path / "odd.fits")
    assert (exposure.ra, exposure.mode, exposure.exptime) == (83.6, "WFM-NOAO-N", 1500.0)


def test_seeing_that_is_no_number(tmp_path):
    """The exposure that has it is named, not the first."""
    paths, _ = write_dithers(tmp_path, 3, **SMALL)
    set_card(paths[2], "HIERARCH ESO TEL AMBI FWHM END", "nan / [arcsec]")
    headers = [open_pixel_table(path).facts for path in paths]
    with pytest.raises(MusedeepError, match=r"c: keyword ESO TEL AMBI FWHM END is 'nan'; weight=fwhm needs the seeing"):
        exposure_weights("fwhm", headers, ["a", "b", "c"])
    headers[2]["ESO TEL AMBI FWHM END"] = 1.6
    assert exposure_weights("fwhm", headers, ["a", "b", "c"]) == [1.0, 1.0, pytest.approx(0.85 / 1.2, rel=1e-6)]


def test_a_weight_that_is_no_number(tmp_path):
    headers = [fits.Header({"EXPTIME": 100.0}), fits.Header({"EXPTIME": 50.0, "HIERARCH ESO DRS MUSE WEIGHT": 3.0})]
    assert exposure_weights("header", headers, ["a", "b"]) == [1.0, 1.5]
    headers[1]["ESO DRS MUSE WEIGHT"] = "much"
    with pytest.raises(MusedeepError, match="b: keyword ESO DRS MUSE WEIGHT is 'much', expected a number"):
        exposure_weights("header", headers, ["a", "b"])


def combined(paths, output):
    parameters = RECIPE.parse({"save": "cube,combined,exposures"})
    combine(Request(list(paths), parameters, output, combined_format=frozenset({"fits"})))
    with fits.open(output / "DATACUBE_FINAL.fits") as hdus:
        return hdus["DATA"].data.copy()


def test_products_are_fits_whatever_the_exposures_are(tmp_path):
    """Names and cards outside ASCII, cards that are no FITS: the same voxels, and products in ASCII with checksums."""
    paths, _ = write_dithers(tmp_path, 2, **SMALL)
    plain = combined(paths, tmp_path / "plain")
    odd = [path.rename(tmp_path / f"Galaxie-é漢-{k}.fits") for k, path in enumerate(paths)]
    set_card(odd[0], "OBJECT", "'Voie lact\xe9e' / \xe0 voir")
    set_card(odd[0], "TELESCOP", "VLT-\xfc")
    set_card(odd[0], "MJD-OBS", "1E999")
    set_card(odd[1], "HIERARCH ESO TEL AIRM START", "nan")
    np.testing.assert_array_equal(combined(odd, tmp_path / "odd"), plain)
    for path in sorted((tmp_path / "odd").glob("*.fits")):
        with fits.open(path, checksum=True) as hdus:
            header = hdus[0].header
            assert header["OBJECT"].startswith("Voie lactee")
            assert header["TELESCOP"] == "VLT-u"
            assert header["ESO PRO REC1 RAW1 NAME"] == "Galaxie-e?-0.fits"
            for hdu in hdus:
                assert hdu.header.tostring().isascii()
                hdu.verify("exception")


def test_units_written_otherwise(tmp_path):
    """As MPDAF writes them; positions in radians and wavelengths in angstrom by other names."""
    same = {
        "data": "10**-20 erg Angstrom-1 s-1 cm-2", "stat": "10**-40 erg2 Angstrom-2 s-2 cm-4", "xpos": "radian",
        "lambda": "angstrom",
    }  # fmt: skip
    cubes = []
    for name, units in (("plain", UNITS), ("other", UNITS | same)):
        paths = []
        for k in range(2):
            rows = exposure_rows(**SMALL, seed=k).rows
            keys = {
                "ra": 150.1,
                "dec": 2.2,
                "posang": 0.0,
                "date_obs": f"2019-05-0{k + 1}T00:00:00.000",
                "exptime": 300.0,
            }
            paths.append(tmp_path / f"{name}-{k}.fits")
            write_rows(paths[-1], primary_header(rows, **keys), rows, units=units)
        cubes.append(combined(paths, tmp_path / name))
    assert np.isfinite(cubes[0]).sum() > 1000
    np.testing.assert_array_equal(*cubes)


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("data", "erg/s/cm2/Angstrom"),
        ("stat", FLUX),
        ("lambda", "nm"),
        ("xpos", "arcsec"),
        ("data", "10**-20 erg/s/cm2"),
    ],
)
def test_other_units_are_refused(tmp_path, column, unit):
    rows = exposure_rows(**SMALL).rows
    keys = {"ra": 150.1, "dec": 2.2, "posang": 0.0, "date_obs": "2019-05-01T00:00:00.000", "exptime": 300.0}
    write_rows(tmp_path / "u.fits", primary_header(rows, **keys), rows, units=UNITS | {column: unit})
    with pytest.raises(MusedeepError, match=rf"u\.fits: column {column} has unit .* expected"):
        load(tmp_path / "u.fits")


@pytest.mark.parametrize("dec", [7.2, 62.0])
def test_the_exposure_that_lies_apart_is_named(tmp_path, dec):
    paths, _ = write_dithers(tmp_path, 3, **SMALL)
    set_card(paths[1], "DEC", str(dec))
    with pytest.raises(
        MusedeepError, match=r"PIXTABLE_REDUCED_0002\.fits \(RA .*\) lies far from PIXTABLE_REDUCED_000[13]"
    ):
        combine(Request(paths, RECIPE.parse({"crsigma": 0}), tmp_path / "out"))
