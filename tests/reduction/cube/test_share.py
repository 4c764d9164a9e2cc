"""Shares of a cube: each voxel once, as equal as can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.share import Division, Share


@given(st.integers(1, 400), st.integers(0, 4000))
def test_each_plane_is_in_one_share(of, more):
    total = of + more
    parts = [share.part((total, 5, 4)) for share in Division(of).shares()]
    assert [z for (low, high), _, _ in parts for z in range(low, high)] == list(range(total))
    assert {high - low for (low, high), _, _ in parts} <= {total // of, total // of + 1}
    assert {part[1:] for part in parts} == {((0, 5), (0, 4))}


@given(st.tuples(st.integers(1, 7), st.integers(1, 7)), st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_each_spaxel_is_in_one_share(into, more):
    ny, nx = into[1] + more[1], into[0] + more[0]
    division = Division.parse(f"{into[0]}x{into[1]}")
    numbers = np.zeros((ny, nx), int)
    for share in division.shares():
        planes, lines, columns = share.part((3, ny, nx))
        assert planes == (0, 3)
        assert lines[1] - lines[0] in (ny // into[1], ny // into[1] + 1)
        assert columns[1] - columns[0] in (nx // into[0], nx // into[0] + 1)
        assert not numbers[slice(*lines), slice(*columns)].any()
        numbers[slice(*lines), slice(*columns)] = share.number
    assert numbers.min() == numbers[0, 0] == 1
    # along the columns first
    assert (np.diff(numbers[0]) >= 0).all()
    assert numbers[0, -1] == into[0]
    assert numbers[-1, -1] == division.number


@pytest.mark.parametrize(
    ("share", "said"), [("1/6", "5 planes: they make no 6"), ("1/9x1", "8 columns: they"), ("1/1x8", "7 lines: they")]
)
def test_more_pieces_than_voxels(share, said):
    with pytest.raises(MusedeepError, match=said):
        Share.parse(share).part((5, 7, 8))


@pytest.mark.parametrize(
    "text", ["", "2", "2/", "0/3", "4/3", "a/b", "-1/3", "1/3/4", "1.0/3", "7/3x2", "1/3x", "1/x2"]
)
def test_texts_that_name_no_piece(text):
    with pytest.raises(ValueError):  # noqa: PT011
        Share.parse(text)


@pytest.mark.parametrize("text", ["", "0", "0x3", "3x0", "-1", "3x", "2x3x4", "999999x2", "two"])
def test_texts_that_name_no_division(text):
    with pytest.raises(ValueError):  # noqa: PT011
        Division.parse(text)


def test_names_are_read_back():
    for text in ("12/40", "4/3x2"):
        share = Share.parse(text)
        assert Share.of_name(share.name) == share
        assert str(share) == "piece " + text.replace("/", " of ")
    assert Share.of_name("piece-5-of-4") is None
    assert Share.of_name("piece-5-of-2x2") is None
    assert Share.of_name("piece-of-4") is None
