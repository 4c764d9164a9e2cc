"""Mosaics of more exposures than a product may have."""

from hypothesis import given
from hypothesis import strategies as st

from musedeep.selection.campaign.footprints import pointings_of, shared
from musedeep.selection.campaign.splitting import split
from tests.makers.campaign_exposures import udf


def test_the_pointings_of_the_ultra_deep_field():
    exposures = [one.exposure for one in udf()]
    pointings = pointings_of(
        [e.ra for e in exposures], [e.dec for e in exposures], [e.position_angle for e in exposures], ["WFM"] * 275
    )
    counts, shares = [len(one.members) for one in pointings], list(shared(pointings))
    assert counts == [25] * 9 + [50]

    def products(limit, reuse):
        return [[k + 1 for k in one] for one in split(counts, shares, limit, 0.1, reuse)]

    assert products(125, True) == [[1, 10], [2, 4, 5, 10], [3], [6], [7], [8], [9]]
    assert products(125, False) == [[1], [2, 4, 5, 10], [3], [6], [7], [8], [9]]
    assert products(None, False) == products(275, False) == [list(range(1, 11))]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(2, 200), st.booleans(), st.data())
def test_any_mosaic(counts, limit, reuse, data):
    pairs = [(i, j) for i in range(len(counts)) for j in range(i)]
    shares = [(j, i, data.draw(st.floats(0.01, 1))) for i, j in pairs if data.draw(st.booleans())]
    products = split(counts, shares, limit, 0.1, reuse)
    assert {k for one in products for k in one} == set(range(len(counts)))
    for one in products:
        assert len(set(one)) == len(one)
        assert sum(counts[k] for k in one) <= limit or len(one) == 1
    if not reuse:
        assert sum(map(len, products)) == len(counts)
