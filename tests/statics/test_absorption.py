"""The absorption of the reduction against that of the simulator, and its law."""

import numpy as np
import pytest

from musedeep.statics.absorption import optical_depth
from musedeep.statics.telluric import telluric_transmission

FINE = np.arange(5800.0, 9480.0, 0.1)
WAVES = np.arange(5850.0, 9400.0, 1.25)


@pytest.mark.parametrize(("airmass", "water"), [(1.0, 1.0), (1.0, 3.5), (1.7, 1.6), (1.5, 8.0)])
def test_two_sources_of_the_absorption_agree(airmass, water):
    offsets = np.arange(-60, 61)
    spread = np.exp(-0.5 * (offsets * 0.1 * 2.3548 / 2.4) ** 2)
    other = np.convolve(telluric_transmission(FINE, airmass, water), spread / spread.sum(), "same")
    off = np.exp(-optical_depth(WAVES, airmass, water)) - np.interp(WAVES, FINE, other)
    assert np.sqrt(np.mean(off**2)) < 0.012
    for low, high in ((6865, 6930), (7160, 7340), (7590, 7700), (8110, 8360), (8930, 9230), (9260, 9390)):
        inside = (low < WAVES) & (high > WAVES)
        assert abs(off[inside].mean()) < 0.02, (low, high)


def test_the_law_of_the_band():
    water, oxygen, none = np.array([9300.0]), np.array([7605.0]), np.array([5400.0, 8600.5, 9700.0])
    assert (optical_depth(none, 2.0, 5.0) < 1e-3).all()
    # it depends on the product of airmass and water alone, oxygen on the airmass alone
    assert optical_depth(water, 1.0, 3.0) == pytest.approx(optical_depth(water, 1.5, 2.0))
    assert optical_depth(oxygen, 1.5, 3.0) == optical_depth(oxygen, 1.5, 1.0)
    for place in (water, oxygen):
        depths = [float(optical_depth(place, airmass, 3.5)[0]) for airmass in (0.0, 0.001, 1.0, 2.0, 1000.0, 4000.0)]
        assert depths[0] == 0.0 and 2.0**0.5 < depths[3] / depths[2] < 2.0
        # weak lines absorb in proportion, saturated ones with the root
        assert depths[1] * 1000.0 > 1.1 * depths[2]
        assert depths[5] / depths[4] == pytest.approx(2.0, rel=0.05)
