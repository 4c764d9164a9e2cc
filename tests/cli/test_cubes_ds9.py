"""ds9 opens our cubes without an error, and its coordinates are those of astropy."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.cli.main import run
from tests.makers import viewer_cubes
from tests.makers.display import ds9


@pytest.mark.parametrize("turned", [False, True])
def test_ds9_opens_the_export(tmp_path, turned):
    values = viewer_cubes.write(tmp_path / "c.fits", wcs=viewer_cubes.TURNED if turned else None)
    assert run(["export", str(tmp_path / "c.fits"), str(tmp_path / "v.fits"), "--for", "viewers"]) == 0
    with fits.open(tmp_path / "v.fits") as hdus:
        world = WCS(hdus["DATA"].header).wcs_pix2world(9, 7, 21, 1)
        unit = hdus["DATA"].header["BUNIT"]
    with ds9(tmp_path, str(tmp_path / "v.fits"), "-zscale") as program:
        assert program.ask("file").endswith("v.fits[DATA]")
        assert program.ask("fits size").split() == ["17", "12"] and program.ask("fits depth") == "40"
        assert program.ask("fits header keyword BUNIT") == unit
        assert float(program.ask("data image 9 7 1 1 yes")) == pytest.approx(values["DATA"][0, 6, 8], rel=1e-5)
        program.tell("crosshair 9 7 image")
        place = [float(word) for word in program.ask("crosshair wcs fk5 degrees").split()]
        np.testing.assert_allclose(place, world[:2], atol=1e-6)
        program.tell("cube 21")
        assert float(program.ask("cube wcs")) == pytest.approx(7025.0, abs=1e-3)
        assert program.quit() == 0
        assert program.log.read_text() == ""
