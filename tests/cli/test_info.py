"""`musedeep info`: what is printed of each kind of file."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.info import describe
from musedeep.errors import MusedeepError
from tests.makers.pixel_tables import write_exposure


@pytest.mark.parametrize("fmt", ["image", "table"])
def test_pixel_table(tmp_path, fmt):
    truth = write_exposure(tmp_path / "p.fits", slices=(1, 2), wavelength=(7000.0, 7010.0), fmt=fmt, posang=30.0)
    title, facts = describe(tmp_path / "p.fits")
    found = dict(facts)
    assert title == "pixel table"
    assert found["rows"] == f"{truth.xi.size:,}"
    assert "position angle 30 deg" in found["pointing"]
    assert found["xpos"] == "rad"
    assert found["IFUs"] == "12 to 12"


def test_cube(tmp_path):
    header = fits.Header(
        {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4750.0, "CRPIX3": 1.0, "CD3_3": 1.25,
         "CD1_1": -0.2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.2 / 3600}
    )  # fmt: skip
    data = fits.ImageHDU(np.zeros((4, 5, 6), np.float32), header, "DATA")
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = "field"
    fits.HDUList([primary, data]).writeto(tmp_path / "c.fits")
    title, facts = describe(tmp_path / "c.fits")
    found = dict(facts)
    assert title == "cube"
    assert found["size"] == "6 x 5 spaxels, 4 planes"
    assert found["spaxel"] == "0.2 x 0.2 arcsec"
    assert found["target"] == "field"


def test_selection(tmp_path):
    for k in range(15):
        (tmp_path / f"P{k:02d}.fits").write_bytes(b"1234")
    path = tmp_path / "s.yaml"
    path.write_text("target: deep\nexposures: ['P*.fits']\nparameters: {crsigma: 5}\noutput: out\n")
    title, facts = describe(path)
    assert title == "selection file"
    assert ("exposures", "15 files, 60 bytes") in facts
    assert ("", "and 3 more") in facts
    assert ("  crsigma", "5") in facts


def test_cube_store(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(tmp_path / "c.zarr")
    group.create_array("data", data=np.zeros((4, 5, 6), np.float32))
    group.create_array("wavelength", data=np.arange(4.0) + 4750)
    title, facts = describe(tmp_path / "c.zarr")
    assert title == "cube store"
    assert ("size", "6 x 5 spaxels, 4 planes") in facts
    assert ("wavelength", "4750.00 to 4753.00 Angstrom") in facts


def test_anything_else_is_refused(tmp_path):
    (tmp_path / "x").write_text("hello")
    with pytest.raises(MusedeepError, match="neither FITS nor a zarr store nor YAML"):
        describe(tmp_path / "x")


def test_any_other_fits_file_lists_its_extensions(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 3)), name="SKY")]).writeto(tmp_path / "f.fits")
    title, facts = describe(tmp_path / "f.fits")
    assert title == "FITS file"
    assert ("SKY", "3x2") in facts


@pytest.mark.parametrize("value", ["nan", "'text'", "T", "(1,2)", "", "'Sombrero \xe9"])
def test_values_of_any_kind_are_shown(tmp_path, value):
    """A summary needs no keyword: what is there is shown, what has no value as '-'."""
    write_exposure(tmp_path / "p.fits", slices=(1,), wavelength=(7000.0, 7003.0))
    raw = (tmp_path / "p.fits").read_bytes()
    pixtable = "HIERARCH ESO DRS MUSE PIXTABLE "
    for key in ("OBJECT  ", "RA      ", "EXPTIME ", pixtable + "LIMITS IFU LOW ", pixtable + "LIMITS LAMBDA HIGH "):
        place = raw.index(key.encode())
        raw = raw[:place] + f"{key}= {value}".encode("latin-1").ljust(80) + raw[place + 80 :]
    (tmp_path / "p.fits").write_bytes(raw)
    found = dict(describe(tmp_path / "p.fits")[1])
    shown = {"nan": "nan", "'text'": "text", "T": "True", "(1,2)": "1+2j", "": "-"}.get(value, "Sombrero e")
    assert found["target"] == (shown if value != "(1,2)" else "(1+2j)")
    assert shown.split("+")[0] in found["pointing"] and found["IFUs"].endswith(" to 12")


def test_a_damaged_file_is_named(tmp_path):
    write_exposure(tmp_path / "p.fits", slices=(1,), wavelength=(7000.0, 7003.0))
    (tmp_path / "p.fits").write_bytes((tmp_path / "p.fits").read_bytes()[:-2800])
    with pytest.raises(MusedeepError, match=r"p\.fits: truncated"):
        describe(tmp_path / "p.fits")


@pytest.mark.parametrize("text", ["{", "[]", '{"zarr_format": 3, "node_type": "tree"}', '{"zarr_format": 9}'])
def test_a_foreign_store_is_named(tmp_path, text):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "zarr.json").write_text(text)
    with pytest.raises(MusedeepError, match=r"s\.zarr: a damaged or foreign zarr store"):
        describe(tmp_path / "s.zarr")
