import multiprocessing
import os
import pickle
import warnings

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.cube_fits import CubeFile, extension_header, filter_image_header
from musedeep.storage.fits import parts as fits_parts
from musedeep.storage.fits.header_cards import card, checksum_cards
from tests.makers import cubes

SHAPE = (7, 6, 9)


def _write_line(path, y, data, stat):
    CubeFile.reopen(path).write_box(0, y, data, stat)


def test_a_box_of_some_lines_and_columns(tmp_path):
    data, stat = cubes.values(SHAPE)
    cube = cubes.create(tmp_path / "work.fits", SHAPE)
    for array, values in ((cube.data, data), (cube.stat, stat)):
        for y in (slice(0, 4), slice(4, None)):
            for x in (slice(0, 2), slice(2, None)):
                array.write_box(0, y.start, values[:3, y, x], x.start)
        array.write_box(3, 0, values[3:])
        np.testing.assert_array_equal(array.read_box(0, SHAPE[0]), values)


def test_boxes_from_several_processes_make_the_cube(tmp_path):
    data, stat = cubes.values(SHAPE)
    cube = cubes.create(tmp_path / "work.fits", SHAPE)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        pool.starmap(
            _write_line, [(cube.path, y, data[:, y : y + 2], stat[:, y : y + 2]) for y in range(0, SHAPE[1], 2)]
        )
    cube.finish(tmp_path / "CUBE.fits", cubes.primary())
    assert os.listdir(tmp_path) == ["CUBE.fits"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # astropy warns of a wrong checksum
        with fits.open(tmp_path / "CUBE.fits", checksum=True) as hdus:
            hdus.verify("exception")
            np.testing.assert_array_equal(hdus["DATA"].data, data)
            np.testing.assert_array_equal(hdus["STAT"].data, stat)
            assert hdus["DATA"].header["CSYER2"] == 9e-7
            assert hdus["STAT"].header["HDUCLAS3"] == "MSE"
            assert hdus["DATA"].header["OBJECT"] == "field (DATA)"
            assert len(hdus[0].header["DATAMD5"].strip("0")) > 0
            assert all("DATASUM" in hdu.header for hdu in hdus)


def test_a_cube_in_the_making_can_be_pickled(tmp_path):
    cube = pickle.loads(pickle.dumps(cubes.create(tmp_path / "work.fits", SHAPE)))
    data, stat = cubes.values(SHAPE)
    cube.write_box(0, 0, data, stat)
    assert np.array_equal(cube.data.read_box(2, 5), data[2:5], equal_nan=True)
    assert np.array_equal(cube.stat.read_box(2, 5), stat[2:5], equal_nan=True)


@pytest.mark.parametrize("n_cards", [10, 700, 3000])
def test_primary_header_may_grow(tmp_path, n_cards):
    data, stat = cubes.values(SHAPE)
    cube = cubes.create(tmp_path / "work.fits", SHAPE)
    cube.write_box(0, 0, data, stat)
    header = cubes.primary()
    for k in range(n_cards):
        header.append(card(f"ESO QC EXPCOMB POS{k} X", float(k), "[pix] Position of source k in x-direction"), end=True)
    cube.set_primary(header)
    again = CubeFile.reopen(cube.path)
    again.append_image(filter_image_header("white", "field", cubes.wcs(), []), data[0])
    again.finish(tmp_path / "CUBE.fits")
    with fits.open(tmp_path / "CUBE.fits", checksum=True) as hdus:
        assert hdus[0].header[f"ESO QC EXPCOMB POS{n_cards - 1} X"] == n_cards - 1
        np.testing.assert_array_equal(hdus["DATA"].data, data)
        np.testing.assert_array_equal(hdus["STAT"].data, stat)
        np.testing.assert_array_equal(hdus["white"].data, data[0])


def test_no_space_says_how_much_is_needed(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits_parts.os, "posix_fallocate", full)
    with pytest.raises(MusedeepError, match=r"no space for work.fits of \d+ bytes"):
        cubes.create(tmp_path / "work.fits", SHAPE)
    assert os.listdir(tmp_path) == []


def test_science_units():
    header = extension_header("DATA", "field", cubes.wcs(), False, science=True)
    assert (header["CUNIT3"], header["CRDER3"]) == ("angstrom", 0.026)
    assert header["BUNIT"] == "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"


@pytest.mark.parametrize("value", ["x" * 100, "it's" * 20, 1.5, np.float32(7020.65332), True, 3])
def test_cards_fit_without_warning(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for keyword in ("ESO PRO REC1 PARAM13 VALUE", "OBJECT", "CD1_1"):
            one = card(keyword, value, "a comment that is much too long for what room is left " * 2)
            assert len(str(one)) == 80
            assert fits.Card.fromstring(str(one)).keyword == keyword
    if isinstance(value, np.float32):
        assert card("ESO QC EXPCOMB LAMBDA", value).value == 7020.653


def test_checksum_places_are_needed(tmp_path):
    assert [c.keyword for c in checksum_cards()] == ["CHECKSUM", "DATASUM"]
