"""The Sun and the Earth at exposures."""

import numpy as np
import pytest

from musedeep.instrument import LATITUDE
from musedeep.selection.campaign.ephemeris import barycentric_velocities, sun_altitudes
from musedeep.simulate.velocity import barycentric_velocity


def test_velocities_are_those_of_single_exposures():
    places = [(53.16, -27.78, 57001.12978), (0.001, -89.9, 57300.2), (359.999, 5.0, 58000.4)]
    found = barycentric_velocities(*zip(*places, strict=True))
    assert found == pytest.approx([barycentric_velocity(*place) for place in places], abs=1e-6)
    assert found[0] == pytest.approx(-12.811, abs=2e-3)
    assert len(barycentric_velocities([], [], [])) == 0


def test_the_sun_at_noon_and_at_midnight():
    hours = np.arange(0.0, 24.0, 0.05) / 24.0
    altitudes = sun_altitudes(57925.0 + hours)  # the solstice of June 2017
    assert altitudes.max() == pytest.approx(90.0 - abs(LATITUDE - 23.43), abs=0.05)
    assert altitudes.min() == pytest.approx(-90.0 + abs(LATITUDE + 23.43), abs=0.6)
    assert 16.5 < 24 * hours[altitudes.argmax()] < 17.0
    assert len(sun_altitudes([])) == 0
