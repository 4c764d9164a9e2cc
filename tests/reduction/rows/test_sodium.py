"""The notch of the adaptive optics: the flag that the reference sets in pixel tables."""

import numpy as np
import pytest

from musedeep.instrument import DQ
from musedeep.reduction.rows.sodium import flag_blocked


@pytest.mark.parametrize(
    ("mode", "blocked"), [("WFM-NOAO-N", []), ("WFM-AO-N", [5805.0, 5900.0, 5966.0]), ("WFM-AO-E", None)]
)
def test_what_the_notch_blocks_is_flagged(mode, blocked):
    wavelength = np.array([5700.0, 5804.5, 5805.0, 5900.0, 5966.0, 5966.5, 6100.0], np.float32)
    dq = np.full(wavelength.size, 512, np.int32)
    expected = np.isin(wavelength, blocked) if blocked is not None else (wavelength > 5755.0) & (wavelength < 6008.0)
    assert flag_blocked(wavelength, dq, mode) == expected.sum()
    assert (dq == np.where(expected, DQ.BLOCKED, 512)).all()
