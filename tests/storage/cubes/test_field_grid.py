"""The grid of cubes of the field: what is written is read back; a header without a grid is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.field_grid import grid_cards, read_grid
from musedeep.storage.fits.header_cards import header_of

PLACES = st.floats(-1e4, 1e4).map(lambda value: round(value, 6))
PATH = Path("cube.fits")


@given(start=st.tuples(PLACES, PLACES, PLACES), step=PLACES.filter(bool))
def test_a_grid_comes_back(start, step):
    found = read_grid(header_of(grid_cards(start, step, 3)), PATH, "TWILIGHT_CUBE")
    assert tuple(found[0]) == start and tuple(found[1]) == (1.0, 1.0, step)


@pytest.mark.parametrize(("n_axes", "step", "message"), [(2, 1.0, "no grid in the header"), (3, 0.0, "is 0, or it is")])
def test_no_grid(n_axes, step, message):
    with pytest.raises(MusedeepError, match=f"cube.fits: .*{message}.*; give a CUBE"):
        read_grid(header_of(grid_cards((0.0, 0.0, 5000.0), step, n_axes)), PATH, "CUBE")
