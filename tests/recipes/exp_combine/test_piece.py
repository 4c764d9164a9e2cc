"""A piece of a cube: its planes, its header, what is there already, and what may be replaced."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import combine
from musedeep.graph.combine.run import WORK
from musedeep.progress import Silent
from musedeep.recipes.exp_combine.piece import NOTE
from tests.makers.pieces import piece_request, run_piece, run_whole
from tests.makers.pixel_tables import write_dithers

SMALL = 4 << 20
"""Memory of boxes of which there are several [bytes]."""


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    options = {"ifus": (11,), "wavelength": (7000.0, 7015.0), "cosmics": 1e-3}
    return write_dithers(tmp_path_factory.mktemp("exposures"), 2, step=50.0, **options)[0]


def test_the_planes_of_the_whole_cube(exposures, tmp_path):
    run_whole(exposures, tmp_path / "whole")
    run_piece(exposures, tmp_path, "2/3")
    path = tmp_path / "piece-2-of-3" / "DATACUBE_FINAL.fits"
    with fits.open(tmp_path / "whole" / "DATACUBE_FINAL.fits") as whole, fits.open(path) as piece:
        for name in ("DATA", "STAT"):
            assert piece[name].data.tobytes() == whole[name].data[4:9].tobytes()
            waves = [WCS(hdus[name].header).spectral.pixel_to_world_values(np.arange(9)) for hdus in (whole, piece)]
            np.testing.assert_array_equal(waves[1][:5], waves[0][4:9])
        header = piece[0].header
        said = [header[f"ESO DRS MUSE PIECE {key}"] for key in ("NUMBER", "TOTAL", "FIRST", "PLANES")]
        assert said == [2, 3, 5, whole["DATA"].shape[0]]
        assert piece[0].header["ESO PRO CATG"] == "DATACUBE_FINAL"
        piece[0].verify("exception")


def test_what_is_there_already(exposures, tmp_path):
    request = piece_request(exposures, tmp_path, "1/2")
    assert not request.finished()
    run_piece(exposures, tmp_path, "1/2")
    assert piece_request(exposures, tmp_path, "1/2").finished()
    other = piece_request(exposures, tmp_path, "1/2", {"pixfrac": "0.8"})
    assert not other.finished()
    with pytest.raises(MusedeepError, match=r"piece-1-of-2: piece 1 of 2 is there, made of other inputs.*--overwrite"):
        combine(other)
    run_piece(exposures, tmp_path, "1/2", {"pixfrac": "0.8"}, overwrite=True)
    assert piece_request(exposures, tmp_path, "1/2", {"pixfrac": "0.8"}).finished()
    (tmp_path / "piece-1-of-2" / NOTE).write_text("{")
    assert not piece_request(exposures, tmp_path, "1/2").finished()


def test_an_interrupted_piece_goes_on(exposures, tmp_path):
    class Stop(Silent):
        def advance(self, n=1, **kwargs):
            raise KeyboardInterrupt

    request = piece_request(exposures, tmp_path, "2/2", box_bytes=SMALL)
    with pytest.raises(KeyboardInterrupt):
        combine(request, Stop())
    assert not (request.output / NOTE).exists()
    outcome = combine(piece_request(exposures, tmp_path, "2/2", box_bytes=SMALL))
    assert outcome.resumed_boxes == 1
    assert not (request.output / WORK).exists()
    run_piece(exposures, tmp_path / "undisturbed", "2/2")
    cubes = [d / "piece-2-of-2" / "DATACUBE_FINAL.fits" for d in (tmp_path, tmp_path / "undisturbed")]
    assert fits.getdata(cubes[0], "DATA").tobytes() == fits.getdata(cubes[1], "DATA").tobytes()
    notes = [json.loads((path.parent / NOTE).read_text()) for path in cubes]
    assert notes[0] == notes[1]


def test_more_pieces_than_planes(exposures, tmp_path):
    with pytest.raises(MusedeepError, match=r"the cube has 14 planes: they make no 99 pieces"):
        run_piece(exposures, tmp_path, "7/99")
    assert not (tmp_path / "piece-7-of-99").exists()


def test_a_plan_of_a_piece(exposures, tmp_path):
    outcome = combine(piece_request(exposures, tmp_path, "2/3", box_bytes=SMALL), dry_run=True)
    assert {z for t in outcome.plan.tasks for z in range(t.box.z0, t.box.z1)} == set(range(*outcome.job.part[0]))
    assert not (tmp_path / "piece-2-of-3").exists()
