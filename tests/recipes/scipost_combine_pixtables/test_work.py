"""muse_scipost_combine_pixtables: IFUs merged, exposures placed and weighted."""

import numpy as np
import pytest

from musedeep.cli.main import run
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.field_rows import write_field
from tests.makers.pixel_tables import CENTRE, write_dithers

SMALL = {"ifus": (12,), "slices": tuple(range(1, 13)), "wavelength": (7000.0, 7020.0)}


def combined(tmp_path, paths, *arguments):
    sof = tmp_path / "in.sof"
    sof.write_text("".join(f"{path} PIXTABLE_OBJECT\n" for path in paths))
    out = tmp_path / "out"
    return run(["recipe", "muse_scipost_combine_pixtables", *arguments, str(sof), f"--output-dir={out}"]), out


def test_the_ifus_of_an_exposure_are_merged(tmp_path):
    paths = write_field(tmp_path, (12, 13), wavelength=(7000.0, 7020.0))
    status, out = combined(tmp_path, paths, "--lambdamax=7010", "--save-fits")
    assert status == 0
    for ending in ("zarr", "fits"):
        table = open_pixel_table(out / f"PIXTABLE_COMBINED.{ending}")
        rows = table.read(np.array([[0, table.n_rows]]), ("lambda", "origin"))
        assert table.units["xpos"] == "pix" and "weight" not in table.names
        assert rows["lambda"].max() <= 7010 and set(np.unique(rows["origin"] >> 6 & 31)) == {12, 13}
        header = table.header
        assert header["ESO PRO CATG"] == "PIXTABLE_COMBINED" and header["ESO DRS MUSE PIXTABLE MERGED"] == 2
        assert header["ESO DRS MUSE PIXTABLE LIMITS LAMBDA HIGH"] <= 7010


def test_exposures_are_placed_and_weighted(tmp_path):
    paths, truths = write_dithers(tmp_path, 2, step=30.0, **SMALL)
    status, out = combined(tmp_path, paths, "--weight=fwhm")
    assert status == 0
    table = open_pixel_table(out / "PIXTABLE_COMBINED.zarr")
    header = table.header
    assert table.units["xpos"] == "deg" and header["ESO DRS MUSE PIXTABLE WCS"] == "positioned (final)"
    n = truths[0].xi.size
    assert [header[f"ESO DRS MUSE PIXTABLE EXP{k} FIRST"] for k in (1, 2)] == [0, n]
    place = CENTRE[0] - 0.5 / 3600, CENTRE[1] - 0.6 / 3600
    assert "weight" in table.names and (header["CRVAL1"], header["CRVAL2"]) == pytest.approx(place)


def test_exposures_in_pixels_are_refused(tmp_path, capsys):
    paths = write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0))
    paths += write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0), date_obs="2014-09-21T03:00:00.000")
    status, out = combined(tmp_path, paths)
    error = capsys.readouterr().err
    assert status != 0 and "apply the astrometry first" in error and len(error.strip().splitlines()) == 1
    assert not list(out.glob("*"))
