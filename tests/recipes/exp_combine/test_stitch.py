"""Pieces of a cube, stitched: the products of one run, to the last bit and card; what is missing is named."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.recipes.exp_combine import stitch as stitching
from musedeep.recipes.exp_combine.piece import NOTE
from musedeep.recipes.exp_combine.stitch import WORK, stitch
from musedeep.reduction.cube.joined import join, primary_header
from musedeep.reduction.cube.layout import adjacent
from musedeep.reduction.cube.piece import read_piece
from musedeep.statics.formats import filter_list
from musedeep.statics.load import load_filters
from musedeep.storage.lock import output_lock
from tests.makers.pieces import assert_same_products, run_piece, run_pieces, run_whole
from tests.makers.pixel_tables import write_dithers

EVERYTHING = {"save": "cube,exposures,zarr,combined"}


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    options = {"ifus": (11,), "wavelength": (7000.0, 7015.0), "cosmics": 1e-3}
    return write_dithers(tmp_path_factory.mktemp("exposures"), 2, step=50.0, **options)[0]


@pytest.fixture(scope="module")
def made(exposures, tmp_path_factory):
    """Three pieces, and the products of one run."""
    directory = tmp_path_factory.mktemp("made")
    run_whole(exposures, directory / "whole", EVERYTHING)
    run_pieces(exposures, directory / "pieces", 3, EVERYTHING)
    return directory


@pytest.fixture
def pieces(made, tmp_path):
    """A copy of the three pieces."""
    shutil.copytree(made / "pieces", tmp_path / "out")
    return tmp_path / "out"


def products(output):
    return sorted(p.name for p in output.iterdir() if not p.name.startswith("piece-"))


def test_three_pieces_are_one_run(made, pieces):
    stitch([pieces])
    assert_same_products(pieces, made / "whole")
    assert products(pieces) == sorted(p.name for p in (made / "whole").iterdir())
    assert len(list(pieces.glob("piece-*-of-3/piece.json"))) == 3


@pytest.fixture(scope="module")
def of_the_field(exposures, tmp_path_factory):
    """Six pieces of the field."""
    directory = tmp_path_factory.mktemp("field")
    run_pieces(exposures, directory, "3x2", EVERYTHING)
    return directory


def test_pieces_of_the_field_are_one_run(made, of_the_field, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(of_the_field, output)
    with fits.open(output / "piece-4-of-3x2" / "DATACUBE_FINAL.fits") as piece:
        header, shape = piece[0].header, piece["DATA"].shape
        first = WCS(piece["DATA"].header).celestial.pixel_to_world_values(0, 0)
    assert [header[f"ESO DRS MUSE PIECE {key}"] for key in ("NUMBER", "TOTAL", "FIELD")] == [4, 6, "3x2"]
    stitch([output])
    assert_same_products(output, made / "whole")
    with fits.open(output / "DATACUBE_FINAL.fits") as whole:
        nz, ny, nx = whole["DATA"].shape
        wcs = WCS(whole["DATA"].header).celestial
        column, line = (header[f"ESO DRS MUSE PIECE {key}"] for key in ("COLUMN", "LINE"))
        assert (column, line) == (1, ny // 2 + 1)
        assert [header[f"ESO DRS MUSE PIECE {key}"] for key in ("COLUMNS", "LINES")] == [nx, ny]
        assert shape == (nz, ny - ny // 2, nx // 3)
        np.testing.assert_allclose(wcs.pixel_to_world_values(column - 1, line - 1), first, rtol=0, atol=1e-12)
    rejected = [sum(len(np.load(p)) for p in d.glob("rejected-*.npy")) for d in sorted(of_the_field.glob("piece-*"))]
    assert sum(n > 0 for n in rejected) > 4  # each on its own; PIXTABLE_COMBINED has them all


@pytest.mark.parametrize(
    ("division", "parameters"),
    [
        ("2x2", {"crsigma": 3, "ld": 3, "resample": "lanczos"}),
        ("4x1", {"crsigma": 3, "resample": "nearest"}),
        ("2x2", {"crsigma": 3, "ld": 2, "pixfrac": "1.7", "weight": "none"}),
        ("1x3", {"crsigma": 2, "crtype": "iraf", "resample": "renka"}),
        ("2x2", {"crsigma": 3, "rejection": "stars"}),
    ],
    ids=["lanczos", "nearest", "drizzle", "renka", "stars"],
)
def test_every_method_on_a_turned_grid(exposures, tmp_path, turned, division, parameters):
    parameters |= {"lambdamax": 7003}
    run_whole(exposures, tmp_path / "whole", parameters, output_wcs=turned)
    run_pieces(exposures, tmp_path / "out", division, parameters, output_wcs=turned, box_bytes=4 << 20)
    # the first piece of one division lies where there are no data
    empty = np.isnan(fits.getdata(tmp_path / "out" / f"piece-1-of-{division}" / "DATACUBE_FINAL.fits", "DATA")).all()
    assert empty == (division == "4x1")
    stitch([tmp_path / "out"])
    assert_same_products(tmp_path / "out", tmp_path / "whole")


@pytest.fixture(scope="module")
def turned(exposures, tmp_path_factory):
    """An OUTPUT_WCS turned by 30 degrees, larger than the data on the one side and smaller on the other."""
    path = tmp_path_factory.mktemp("grid") / "wcs.fits"
    size = 0.6 / 3600
    cosine, sine = size * np.cos(np.pi / 6), size * np.sin(np.pi / 6)
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": 100.0, "CRPIX2": 20.3,
        "CD1_1": -cosine, "CD1_2": sine, "CD2_1": sine, "CD2_2": cosine,
    }  # fmt: skip
    with fits.open(exposures[0]) as hdus:
        cards |= {"CRVAL1": hdus[0].header["RA"], "CRVAL2": hdus[0].header["DEC"]}
    hdu = fits.ImageHDU(np.zeros((50, 120), np.float32))
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def test_a_missing_piece_of_the_field_is_named(exposures, of_the_field, made, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(of_the_field, output)
    shutil.rmtree(output / "piece-5-of-3x2")
    with pytest.raises(MusedeepError, match=r"out: piece 5 of 3x2 is missing \(columns \d+ to \d+, lines \d+ to \d+\)"):
        stitch([output])
    run_piece(exposures, output, "5/3x2", EVERYTHING)
    run_piece(exposures, tmp_path, "5/2x3", EVERYTHING)
    with pytest.raises(MusedeepError, match=r"is piece 5 of 2x3, .* is piece 1 of 3x2"):
        stitch([output, tmp_path / "piece-5-of-2x3"], output)
    stitch([output])
    assert_same_products(output, made / "whole")


def test_one_piece_and_as_many_as_planes(exposures, tmp_path):
    parameters = {"lambdamax": 7005.0}
    run_whole(exposures, tmp_path / "whole", parameters)
    with fits.open(tmp_path / "whole" / "DATACUBE_FINAL.fits") as hdus:
        planes = hdus["DATA"].shape[0]
    assert planes == 5
    for number in (1, planes):
        output = tmp_path / str(number)
        run_pieces(exposures, output, number, parameters)
        stitch([output / f"piece-{k}-of-{number}" for k in range(number, 0, -1)], output)
        assert_same_products(output, tmp_path / "whole")


@pytest.mark.parametrize("form", ["xCube", "sdpCube", "Euro3D"])
def test_every_format_filter_and_grid(exposures, tmp_path, form):
    wcs = tmp_path / "wcs.fits"
    # the first piece lies where there are no data
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV-LOG", "CRPIX1": 30.0, "CRPIX2": 20.0, "CRPIX3": 1.0,
        "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4, "CD3_3": 1.5, "CRVAL3": 6996.0,
    }  # fmt: skip
    with fits.open(exposures[0]) as hdus:
        cards |= {"CRVAL1": hdus[0].header["RA"], "CRVAL2": hdus[0].header["DEC"]}
    hdu = fits.ImageHDU(np.zeros((8, 40, 60), np.float32))
    hdu.header.update(cards | {"CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Angstrom"})
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(wcs)
    run_whole(exposures, tmp_path / "whole", {"format": form}, output_wcs=wcs)
    run_pieces(exposures, tmp_path / "out", 3, {"format": form}, output_wcs=wcs)
    assert not np.isfinite(fits.getdata(tmp_path / "out" / "piece-1-of-3" / "DATACUBE_FINAL.fits", "DATA")).any()
    stitch([tmp_path / "out"])
    assert_same_products(tmp_path / "out", tmp_path / "whole")


def test_a_missing_piece_is_named_and_the_rest_kept(made, exposures, pieces):
    shutil.rmtree(pieces / "piece-2-of-3")
    with pytest.raises(MusedeepError, match=r"out: piece 2 of 3 is missing \(planes 5 to 9, .*--piece 2/3") as error:
        stitch([pieces])
    assert "\n" not in str(error.value)
    assert not (pieces / "DATACUBE_FINAL.fits").exists()
    (pieces / "piece-2-of-3").mkdir()  # at work, or interrupted
    with pytest.raises(MusedeepError, match="piece 2 of 3 is missing"):
        stitch([pieces])
    run_piece(exposures, pieces, "2/3", EVERYTHING)

    class Planes(Silent):
        done = advanced = 0

        def begin(self, total, unit, done=0, cost=None):
            if unit == "planes":
                self.done = done

        def advance(self, n=1, **kwargs):
            self.advanced += n

    seen = Planes()
    stitch([pieces], progress=seen)
    assert (seen.done, seen.advanced) == (9, 5)
    assert_same_products(pieces, made / "whole")
    assert not (pieces / WORK).exists()


@pytest.mark.parametrize("spoiled", [False, True])
def test_an_interrupted_start_goes_on(made, pieces, spoiled):
    class Stop(Silent):
        def advance(self, n=1, **kwargs):
            self.n = getattr(self, "n", 0) + n
            if self.n > 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stitch([pieces], progress=Stop())
    journal = pieces / WORK / "done.txt"
    assert len(journal.read_text().splitlines()) == 1
    if spoiled:
        journal.write_bytes(b"one \xff\n")
    stitch([pieces])
    assert_same_products(pieces, made / "whole")


@pytest.mark.parametrize("form", ["xCube", "Euro3D"])
def test_an_interrupted_completion_goes_on(exposures, tmp_path, monkeypatch, form):
    run_whole(exposures, tmp_path / "whole", {"format": form})
    run_pieces(exposures, tmp_path / "out", 2, {"format": form})

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("musedeep.reduction.cube.products.give_name", stop)
    with pytest.raises(KeyboardInterrupt):
        stitch([tmp_path / "out"])
    monkeypatch.undo()
    stitch([tmp_path / "out"])
    assert_same_products(tmp_path / "out", tmp_path / "whole")


def test_the_manuals_tool_takes_them_too(made, pieces, caplog):
    paths = [pieces / f"piece-{k}-of-3" / "DATACUBE_FINAL.fits" for k in (3, 1, 2)]
    with caplog.at_level("INFO", "musedeep"):
        cube = join(adjacent([read_piece(path) for path in paths]))
    assert "cosmic rays" not in caplog.text
    with fits.open(made / "whole" / "DATACUBE_FINAL.fits") as whole:
        for name in ("DATA", "STAT"):
            assert cube.arrays[name].read_stored(0, cube.shape[0]).tobytes() == whole[name].data.tobytes()
    assert not [key for key in primary_header(cube, "cube.fits", "muse_cube_concatenate") if " PIECE " in key]


def test_a_piece_made_again_is_joined_again(made, exposures, pieces):
    hidden = pieces.parent / "hidden"
    (pieces / "piece-3-of-3").rename(hidden)
    with pytest.raises(MusedeepError, match="piece 3 of 3 is missing"):
        stitch([pieces])
    with open(pieces / WORK / "DATACUBE_FINAL.fits", "r+b") as stream:
        stream.seek(-4000, 2)
        stream.write(bytes(1000))
    run_piece(exposures, pieces, "1/3", EVERYTHING, overwrite=True)
    hidden.rename(pieces / "piece-3-of-3")
    stitch([pieces])
    assert_same_products(pieces, made / "whole")


def test_pieces_of_other_jobs_are_refused(exposures, pieces, tmp_path):
    run_piece(exposures, tmp_path / "other", "2/3", {**EVERYTHING, "crsigma": 4})
    shutil.rmtree(pieces / "piece-2-of-3")
    both = [pieces, tmp_path / "other" / "piece-2-of-3"]
    with pytest.raises(MusedeepError, match=r"piece-.-of-3: was made of other inputs, with other parameters"):
        stitch(both)
    run_piece(exposures[:1], tmp_path / "fewer", "2/3", EVERYTHING)
    with pytest.raises(MusedeepError, match="other inputs"):
        stitch([pieces, tmp_path / "fewer"])
    run_piece(exposures, tmp_path / "four", "2/4", EVERYTHING)
    with pytest.raises(MusedeepError, match=r"is piece 2 of 4, .* is piece 1 of 3"):
        stitch([pieces, tmp_path / "four"])
    shutil.copytree(pieces / "piece-1-of-3", tmp_path / "again" / "piece-1-of-3")
    with pytest.raises(MusedeepError, match=r"is piece 1 of 3, and so is .*leave one"):
        stitch([pieces, tmp_path / "again"])
    assert not (pieces / WORK).exists()


def test_damaged_pieces_are_refused(pieces, tmp_path):
    cube = pieces / "piece-2-of-3" / "DATACUBE_FINAL.fits"
    raw = cube.read_bytes()
    shutil.copy(pieces / "piece-1-of-3" / "DATACUBE_FINAL.fits", cube)
    with pytest.raises(MusedeepError, match=r"is not the cube that piece.json beside it tells of"):
        stitch([pieces])
    cube.write_bytes(raw[:-5760])
    with pytest.raises(MusedeepError, match=r"piece-2-of-3/DATACUBE_FINAL\.fits"):
        stitch([pieces])
    with fits.open(pieces / "piece-1-of-3" / "DATACUBE_FINAL.fits") as hdus:
        for name in ("DATA", "STAT"):
            hdus[name].data = hdus[name].data[1:]
        hdus[0].header["ESO DRS MUSE PIECE NUMBER"] = 2
        hdus.writeto(cube, overwrite=True)
    with pytest.raises(MusedeepError, match=r"DATA has \d+ x \d+ x 3 voxels, piece 2 of 3 has \d+ x \d+ x 5"):
        stitch([pieces])
    with fits.open(pieces / "piece-2-of-3" / "EXPOSURE_MAP.fits") as hdus:
        hdus["EXPTIME"].data = hdus["EXPTIME"].data.astype(">f8")
        hdus.writeto(tmp_path / "map.fits")
    cube.write_bytes(raw)
    exposure_map = pieces / "piece-2-of-3" / "EXPOSURE_MAP.fits"
    whole_map = exposure_map.read_bytes()
    shutil.copy(tmp_path / "map.fits", exposure_map)
    with pytest.raises(MusedeepError, match=r"EXPTIME has values of float64, expected float32; make piece 2 of 3"):
        stitch([pieces])
    exposure_map.write_bytes(whole_map[:-2880])
    with pytest.raises(MusedeepError, match=r"EXPOSURE_MAP\.fits"):
        stitch([pieces])
    exposure_map = pieces / "piece-2-of-3" / "EXPOSURE_MAP.fits"
    exposure_map.unlink()
    with pytest.raises(MusedeepError, match=r"EXPOSURE_MAP\.fits"):
        stitch([pieces])
    (pieces / "piece-2-of-3" / NOTE).write_text('{"number": 2, "of": 3}')
    with pytest.raises(MusedeepError, match=r"piece.json: no note of a piece can be read"):
        stitch([pieces])
    assert products(pieces) == []


@pytest.mark.parametrize(("name", "number"), [("DATACUBE_FINAL.fits", 2), ("EXPOSURE_MAP.fits", 3)])
def test_a_flipped_bit_is_found_and_the_rest_kept(made, exposures, pieces, name, number):
    path = pieces / f"piece-{number}-of-3" / name
    with fits.open(path) as hdus:
        place = hdus[2].fileinfo()["datLoc"] + 40
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(MusedeepError, match=rf"{name}: (STAT|EXPTIME) is damaged: DATASUM .*make piece {number} of 3"):
        stitch([pieces])
    assert len((pieces / WORK / "done.txt").read_text().splitlines()) == number - 1
    run_piece(exposures, pieces, f"{number}/3", EVERYTHING, overwrite=True)
    stitch([pieces])
    assert_same_products(pieces, made / "whole")


@pytest.mark.parametrize("change", [{"request": []}, {"job": {"grid": {"unheard": 1}}}])
def test_a_note_of_another_version(pieces, change):
    for k in (1, 2, 3):
        path = pieces / f"piece-{k}-of-3" / NOTE
        note = json.loads(path.read_text()) | change
        path.write_text(json.dumps(note))
    with pytest.raises(MusedeepError, match=r"cannot be used .*make the pieces again"):
        stitch([pieces])


def test_nothing_to_stitch(pieces, tmp_path):
    with pytest.raises(MusedeepError, match="nowhere: no such directory"):
        stitch([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MusedeepError, match="empty: has no pieces"):
        stitch([tmp_path / "empty"])
    (tmp_path / "empty" / "piece-1-of-2").mkdir()
    with pytest.raises(MusedeepError, match="no piece is finished"):
        stitch([tmp_path / "empty"])


def test_existing_products_and_other_runs(pieces):
    (pieces / "DATACUBE_FINAL.fits").write_text("mine")
    with pytest.raises(MusedeepError, match=r"DATACUBE_FINAL.fits exists; give --overwrite"):
        stitch([pieces])
    assert (pieces / "DATACUBE_FINAL.fits").read_text() == "mine"
    with output_lock(pieces), pytest.raises(MusedeepError, match="at work"):
        stitch([pieces], overwrite=True)
    stitch([pieces], overwrite=True)
    assert fits.getheader(pieces / "DATACUBE_FINAL.fits")["ESO PRO CATG"] == "DATACUBE_FINAL"


def test_a_full_disk_is_one_line(pieces, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stitching.ArrayInFile, "copy_planes", full)
    with pytest.raises(MusedeepError, match=r"disk full while writing DATACUBE_FINAL\.fits"):
        stitch([pieces])
    assert products(pieces) == [WORK]
    monkeypatch.undo()
    stitch([pieces])
    assert WORK not in products(pieces)


def test_pieces_in_several_directories(made, pieces, tmp_path):
    (tmp_path / "other").mkdir()
    (pieces / "piece-3-of-3").rename(tmp_path / "other" / "piece-3-of-3")
    with pytest.raises(MusedeepError, match=r"the pieces are here and in .*--output-dir"):
        stitch([pieces, tmp_path / "other"])
    stitch([pieces, tmp_path / "other"], tmp_path / "cube")
    assert_same_products(tmp_path / "cube", made / "whole")


def test_the_filter_list_has_to_be_the_same(exposures, tmp_path):
    path = tmp_path / "filters.fits"
    filter_list(load_filters()).writeto(path)
    given = {"filter": "white,Cousins_R", "lambdamax": 7005}
    run_pieces(exposures, tmp_path / "out", 2, given, filter_list=path)
    run_whole(exposures, tmp_path / "whole", given, filter_list=path)
    path.rename(tmp_path / "elsewhere.fits")
    with pytest.raises(MusedeepError, match=r"filters\.fits: the FILTER_LIST is not the one"):
        stitch([tmp_path / "out"])
    (tmp_path / "elsewhere.fits").rename(path)
    stitch([tmp_path / "out"])
    assert_same_products(tmp_path / "out", tmp_path / "whole")
    assert (tmp_path / "out" / "IMAGE_FOV_0002.fits").exists()


def test_without_pixel_tables(exposures, tmp_path):
    moved = [tmp_path / path.name for path in exposures]
    for path, copy in zip(exposures, moved, strict=True):
        shutil.copy(path, copy)
    run_pieces(moved, tmp_path / "out", 2, {"save": "cube,exposures"})
    run_whole(moved, tmp_path / "whole", {"save": "cube,exposures"})
    for path in moved:
        path.unlink()
    stitch([tmp_path / "out"])
    assert_same_products(tmp_path / "out", tmp_path / "whole")
