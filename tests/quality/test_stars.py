"""Width, transparency and background of exposures from their images."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.singles import read_singles
from musedeep.quality.stars import completed, conditions
from tests.makers.finished_campaign import finished_campaign
from tests.makers.single_images import made_up_singles


def test_conditions_of_exposures(tmp_path):
    made = finished_campaign(tmp_path, exposures=5, shape=(6, 60, 60))
    excluded = made.record.exposures[0].model_copy(update={"image": "", "name": "none"})
    singles = read_singles(made.record.exposures, made.folder)
    found = completed([*made.record.exposures, excluded], singles, conditions(singles))
    truth = made.truth
    assert np.allclose([one.fwhm for one in found[:-1]], truth.fwhm, rtol=0.02)
    assert np.allclose(
        [one.transparency for one in found[:-1]], truth.transparency / truth.transparency.max(), atol=0.06
    )
    assert [one.name for one in found[:-1]] == [one.name for one in made.record.exposures]
    assert found[-1] == excluded
    # offsets bring the images to one place
    where = np.array([np.unravel_index(np.nanargmax(one.data), one.data.shape) for one in singles.images])
    where += np.array([(one.y0, one.x0) for one in singles.images])
    assert np.ptp(where, axis=0).max() <= 1


def test_an_empty_field_tells_the_background_alone():
    singles, _ = made_up_singles(4, stars=0, faint=0.0)
    found = conditions(singles)
    assert len(found.sources) == 0 and np.isnan(found.fwhm).all() and np.isnan(found.transparency).all()


def test_images_of_other_exposures():
    singles, _ = made_up_singles(2)
    with pytest.raises(MusedeepError, match="E0: an image of no exposure"):
        completed([], singles, conditions(singles))


def test_an_image_that_is_gone(tmp_path):
    made = finished_campaign(tmp_path, exposures=2, shape=(6, 40, 40), stars=3)
    (made.folder / made.record.exposures[1].image).unlink()
    with pytest.raises(MusedeepError, match="06-16T05:24:00"):
        read_singles(made.record.exposures, made.folder)
