"""Shares of planes: each plane once, as equal as can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.share import Share


@given(st.integers(1, 400), st.integers(0, 4000))
def test_each_plane_is_in_one_share(of, more):
    total = of + more
    ends = [Share(k, of).planes(total) for k in range(1, of + 1)]
    assert [z for low, high in ends for z in range(low, high)] == list(range(total))
    assert {high - low for low, high in ends} <= {total // of, total // of + 1}


def test_more_pieces_than_planes():
    with pytest.raises(MusedeepError, match="5 planes: they make no 6 pieces"):
        Share(1, 6).planes(5)


@pytest.mark.parametrize("text", ["", "2", "2/", "0/3", "4/3", "a/b", "-1/3", "1/3/4", "1.0/3"])
def test_texts_that_name_no_piece(text):
    with pytest.raises(ValueError, match=r"^piece \d of 3$" if text in ("0/3", "4/3") else f"^{text}$"):
        Share.parse(text)


def test_names_are_read_back():
    assert Share.of_name(Share.parse("12/40").name) == Share(12, 40)
    assert Share.of_name("piece-5-of-4") is None
    assert Share.of_name("piece-of-4") is None
