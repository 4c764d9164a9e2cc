"""Where pieces lie, beside each other on the sky too."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.joined import join, write_joined
from musedeep.reduction.cube.layout import adjacent, overlapping
from musedeep.reduction.cube.piece import reach_of, read_piece
from tests.makers import cube_pieces, cubes
from tests.makers.cube_pieces import SHAPE, grid_cards, primary, write_cube

BOXES = ((0, 24, 0, 3, 0, 4), (0, 24, 3, 5, 0, 4), (0, 10, 0, 5, 4, 7), (10, 24, 0, 5, 4, 7))
"""Planes, lines and columns of four pieces that fill the cube."""


@pytest.fixture
def truth():
    return cubes.values(SHAPE)


def tiles(directory, truth, boxes=BOXES):
    paths = []
    for k, (z0, z1, y0, y1, x0, x1) in enumerate(boxes):
        box = np.s_[z0:z1, y0:y1, x0:x1]
        grid = grid_cards(CRPIX1=5.5 - x0, CRPIX2=4.0 - y0, CRPIX3=1.0 - z0)
        head = primary(EXPTIME=100.0 * k)  # tiles of a mosaic need not have the same exposures
        paths.append(write_cube(directory / f"tile-{k}.fits", truth[0][box], truth[1][box], head, grid))
    return [read_piece(path) for path in paths]


def test_tiles(tmp_path, truth):
    layout = adjacent(reversed(tiles(tmp_path, truth)), spatial=True)
    assert layout.shape == SHAPE
    assert layout.axes.crpix == (5.5, 4.0, 1.0)
    cube = join(layout)
    np.testing.assert_array_equal(cube.data.read_box(0, 24), truth[0])
    np.testing.assert_array_equal(cube.stat.read_box(8, 12, 2, 4), truth[1][8:12, 2:4])
    write_joined(tmp_path / "out.fits", cube, "test")
    joined = read_piece(tmp_path / "out.fits")
    np.testing.assert_array_equal(joined.cube.stat.read_box(0, 24), truth[1])
    assert joined.axes == layout.axes


def test_a_missing_tile(tmp_path, truth):
    made = tiles(tmp_path, truth)
    with pytest.raises(MusedeepError, match=r"leave gaps .* 210 of 840 voxels"):
        adjacent([made[0], made[1], made[2]], spatial=True)
    cube = join(adjacent([made[0], made[1], made[2]], spatial=True, gaps=True))
    expected = truth[0].copy()
    expected[10:, :, 4:] = np.nan
    np.testing.assert_array_equal(cube.data.read_box(0, 24), expected)
    with pytest.raises(MusedeepError, match="EXPTIME is"):
        adjacent(made)
    cube = join(adjacent([made[1], made[2]], spatial=True, gaps=True))
    assert np.isnan(cube.data.read_box(0, 24, 0, 3)[..., :4]).all()
    paths = cube_pieces.adjacent(tmp_path, *truth, (0, 8, 16, 24))
    cube = join(adjacent([read_piece(paths[0]), read_piece(paths[2])], gaps=True))
    assert np.isnan(cube.data.read_box(9, 15)).all()
    np.testing.assert_array_equal(cube.data.read_box(16, 24), truth[0][16:])


def test_tiles_that_overlap(tmp_path, truth):
    boxes = (*BOXES[:2], (0, 10, 0, 5, 3, 7), BOXES[3])
    with pytest.raises(MusedeepError, match=r"overlaps with .* by 1 x 3 x 10 voxels"):
        adjacent(tiles(tmp_path, truth, boxes), spatial=True)


def test_a_tile_between_spaxels(tmp_path, truth):
    made = tiles(tmp_path, truth)
    grid = grid_cards(CRPIX1=5.2, CRPIX2=4.0)
    odd = read_piece(write_cube(tmp_path / "odd.fits", truth[0], truth[1], primary(), grid))
    with pytest.raises(MusedeepError, match=r"CRPIX1 lies 0\.300 of a spaxel beside"):
        adjacent([made[0], odd], spatial=True)


def test_the_cut_is_in_the_middle(tmp_path, truth):
    paths = cube_pieces.overlapping(tmp_path, *truth, ((4000, 7015), (7010, 10000)))
    layout = overlapping([read_piece(path) for path in paths])
    # planes at 7010, 7011.25, 7012.5, 7013.75, 7015: the middle one comes from the later piece
    assert [(p.piece, p.target[0], p.end[0]) for p in layout.places] == [(0, 0, 10), (1, 10, 24)]
    assert layout.limits == (4000.0, 10000.0)


@pytest.mark.parametrize(
    ("changes", "expected", "contribution"),
    [
        ({}, 0.8, 0.8),
        ({"crsigma": "10"}, 2.5, 0.8),
        ({"resample": "nearest"}, 0.5, 0.5),
        ({"resample": "nearest", "crsigma": "5"}, 1.5, 0.5),
        ({"resample": "renka", "ld": "2"}, 2.5, 2.5),
        ({"pixfrac": "0.6,1.4"}, 1.2, 1.2),
        ({"pixfrac": "what"}, None, None),
        ({"ld": None}, None, None),
    ],
)
def test_reach(changes, expected, contribution):
    given = cube_pieces.with_limits(**changes)
    assert reach_of(given, 1.25) == (None if expected is None else pytest.approx(expected))
    assert reach_of(given, 1.25, rejection=False) == (None if contribution is None else pytest.approx(contribution))


def test_planes_of_another_thickness():
    assert reach_of(cube_pieces.PARAMETERS, 2.5) == pytest.approx(0.65)
