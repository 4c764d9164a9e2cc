"""What a header says has been done already."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.correct import never_twice
from musedeep.reduction.correct.never_twice import Recorded, placed_as, refuse, refuse_placed
from tests.makers.field_tables import observation


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, (False, False, False)),
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0}, (True, False, False)),
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": -1.0}, (False, False, False)),
        ({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True}, (False, True, False)),
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": 0.0}, (False, False, True)),
        ({"SPECSYS": "TOPOCENT"}, (False, False, False)),
        ({"SPECSYS": "HELIOCEN"}, (False, False, True)),
    ],
)
def test_what_is_done(changed, done):
    seen = observation(**changed)
    found = (never_twice.is_refraction_corrected, never_twice.is_flux_calibrated, never_twice.is_velocity_corrected)
    assert tuple(one(seen) for one in found) == done


def test_one_line_that_says_what_and_where():
    seen = observation(ESO_DRS_MUSE_PIXTABLE_WCS="positioned (final)")
    assert placed_as(seen) == "positioned (final)"
    with pytest.raises(MusedeepError, match=r"made.fits: positions are positioned .final"):
        refuse_placed(seen, "this")
    with pytest.raises(MusedeepError, match=r"made.fits: it is done already .RA is"):
        refuse(True, seen, "it is done", "RA")
    refuse(False, seen, "it is done", "RA")


def test_recorded_changes_nothing():
    correction = Recorded(("KEY", 1, ""))
    correction.apply({})
    assert (correction.changes, correction.cards()) == ((), [("KEY", 1, "")])
