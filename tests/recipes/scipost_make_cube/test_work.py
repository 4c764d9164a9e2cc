"""muse_scipost_make_cube: pixel tables of any stage become a cube, or one line says why not."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.field_rows import write_field
from tests.makers.pixel_tables import write_dithers

RECIPE = "muse_scipost_make_cube"
SMALL = {"ifus": (12,), "slices": tuple(range(1, 13)), "wavelength": (7000.0, 7020.0)}


def made(tmp_path, paths, *arguments, name="out", tag="PIXTABLE_OBJECT", more=()):
    sof = tmp_path / f"{name}.sof"
    sof.write_text("".join(f"{path} {tag}\n" for path in paths) + "".join(f"{p} {t}\n" for p, t in more))
    status = run(["recipe", RECIPE, *arguments, str(sof), f"--output-dir={tmp_path / name}"])
    return status, tmp_path / name


def test_in_pixels_of_the_field(tmp_path):
    paths = write_field(tmp_path, wavelength=(7000.0, 7030.0))
    status, out = made(tmp_path, paths, "--stacked", "--format=xCube", "--dx=2")
    assert status == 0 and sorted(p.name for p in out.iterdir()) == ["DATACUBE_FINAL.fits", "OBJECT_RESAMPLED.fits"]
    with fits.open(out / "DATACUBE_FINAL.fits", checksum=True) as hdus:
        header = hdus["DATA"].header
        assert [h.name for h in hdus] == ["PRIMARY", "DATA", "STAT", "white"]
        assert (header["CTYPE1"], header["CD1_1"], header["CD2_2"], header["BUNIT"]) == ("PIXEL", 2.0, 1.0, "count")
        assert abs(np.nanmedian(hdus["DATA"].data) - 10) < 0.2
        primary = hdus[0].header
        assert primary["ESO PRO CATG"] == "DATACUBE_FINAL" and primary["ESO PRO REC1 ID"] == RECIPE
        assert primary["ESO PRO REC1 RAW2 NAME"] == paths[1].name and primary["ESO PRO DATANCOM"] == 2
        assert not any(key.startswith("ESO QC") for key in primary)


def test_reduced_and_positioned_tables_make_the_same_cube(tmp_path):
    paths = write_dithers(tmp_path, 2, step=20.0, **SMALL)[0]
    status, reduced = made(tmp_path, paths, "--crsigma=0", name="reduced")
    sof = tmp_path / "c.sof"
    sof.write_text("".join(f"{path} PIXTABLE_OBJECT\n" for path in paths))
    assert status == 0 and run(["recipe", "muse_scipost_combine_pixtables", str(sof), f"--output-dir={tmp_path}"]) == 0
    status, combined = made(tmp_path, [tmp_path / "PIXTABLE_COMBINED.zarr"], "--crsigma=0", name="combined")
    assert status == 0
    with fits.open(reduced / "DATACUBE_FINAL.fits") as a, fits.open(combined / "DATACUBE_FINAL.fits") as b:
        for name in ("DATA", "STAT"):
            np.testing.assert_allclose(a[name].data, b[name].data, rtol=1e-5, atol=1e-4)
        assert a["DATA"].header["CRVAL1"] == b["DATA"].header["CRVAL1"]


def _two_in_pixels(tmp_path):
    first = write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0))
    return first + write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0), date_obs="2014-09-21T03:00:00.000"), ()


def _two_stages(tmp_path):
    return write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0)) + write_dithers(tmp_path, 1, **SMALL)[0], ()


def _other_wavelengths(tmp_path):
    return write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0)), ("--lambdamin=8000",)


def _euro3d(tmp_path):
    return write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0)), ("--format=Euro3D",)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (_two_in_pixels, "only one exposure makes a cube of these: apply the astrometry first"),
        (_two_stages, "give exposures of the same stage of the reduction"),
        (_other_wavelengths, "no rows between 8000 and 10000 Angstrom"),
        (_euro3d, "use format=Cube, or apply the astrometry first"),
    ],
)
def test_bad_input(tmp_path, capsys, case, message):
    paths, arguments = case(tmp_path)
    status, out = made(tmp_path, paths, *arguments)
    error = capsys.readouterr().err
    assert status != 0 and message in error and len(error.strip().splitlines()) == 1
    assert not out.exists() or not list(out.iterdir())


def test_a_grid_on_the_sky_does_not_fit_pixels(tmp_path, capsys):
    wcs = tmp_path / "wcs.fits"
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 5.0, "CRPIX2": 5.0,
        "CD1_1": -5.5e-5, "CD2_2": 5.5e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CUNIT1": "deg", "CUNIT2": "deg",
    }  # fmt: skip
    fits.PrimaryHDU(np.zeros((9, 9)), fits.Header(list(cards.items()))).writeto(wcs)
    paths = write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0))
    status, _ = made(tmp_path, paths, more=[(wcs, "OUTPUT_WCS")])
    assert status != 0 and "are pixels of the field; apply the astrometry first" in capsys.readouterr().err


def test_stores_and_files_make_the_same_cube(tmp_path):
    paths = write_field(tmp_path, wavelength=(7000.0, 7010.0))
    stores = [ingest([path], path.with_suffix(".zarr"), chunk_rows=4096) for path in paths]
    cubes = [made(tmp_path, given, name=name)[1] for name, given in (("a", paths), ("b", stores))]
    with fits.open(cubes[0] / "DATACUBE_FINAL.fits") as a, fits.open(cubes[1] / "DATACUBE_FINAL.fits") as b:
        np.testing.assert_array_equal(a["DATA"].data, b["DATA"].data)
