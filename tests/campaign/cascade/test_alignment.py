import numpy as np
import pytest

from musedeep.campaign.cascade.alignment import align
from musedeep.errors import MusedeepError
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.storage.cubes.field_view import read_field_view
from tests.makers.field_views import CENTRE, stars, write_views

ERRORS = [(0.0, 0.0), (0.5, -0.3), (-0.8, 0.9), (0.2, 0.7)]
"""East and north [arcsec]."""
TRUE = np.array([(east / 3600 / np.cos(np.radians(CENTRE[1])), north / 3600) for east, north in ERRORS])


def views_of(directory, sky, errors=ERRORS, **options):
    return [read_field_view(path) for path in write_views(directory, sky, errors, **options)]


def test_the_first_threshold_that_is_right_is_taken(tmp_path):
    views = views_of(tmp_path, stars(20, 3))
    found = align(views, CascadeSettings(), False, tmp_path / "align")
    assert found.aligned and not found.notes
    assert np.abs(found.offsets - TRUE).max() * 3600 < 0.03
    assert [one.threshold for one in found.tries] == [10.0] and found.tries[0].accepted
    assert min(one.number for one in found.matches) >= 10 and found.tries[0].residual < 0.05
    assert not (tmp_path / "align").exists()


def test_faint_stars_need_a_lower_threshold(tmp_path):
    sky = stars(14, 5, low=2.0, high=2.1, width=20.0)  # heights of 6 to 8
    settings = CascadeSettings(align={"iterations": 1})
    found = align(views_of(tmp_path, sky), settings, False, tmp_path / "align")
    assert found.aligned
    assert [one.threshold for one in found.tries][:2] == [10.0, 9.0] and len(found.tries) > 2
    assert not found.tries[0].accepted and found.tries[0].why and found.tries[-1].accepted
    assert np.abs(found.offsets - TRUE).max() * 3600 < 0.1


def test_an_empty_field_keeps_the_offsets_of_its_headers(tmp_path):
    found = align(views_of(tmp_path, stars(0, 1), noise=1.0), CascadeSettings(), False, tmp_path / "align")
    assert not found.aligned and not any(found.good)
    assert not found.offsets.any()
    assert len(found.tries) == 10 and all(one.why and not one.accepted for one in found.tries)
    assert "4 images keep the offsets of their headers, after 10 thresholds" in found.notes[0]


def test_an_exposure_without_stars_costs_itself(tmp_path):
    paths = write_views(tmp_path, stars(20, 3), ERRORS)
    (tmp_path / "empty").mkdir()
    paths[2] = write_views(tmp_path / "empty", stars(0, 1), ERRORS[:3])[2]
    found = align([read_field_view(path) for path in paths], CascadeSettings(), False, tmp_path / "align")
    assert found.good == [True, True, False, True] and not found.aligned
    assert np.abs(found.offsets - TRUE)[[0, 1, 3]].max() * 3600 < 0.03
    assert not found.offsets[2].any()
    assert "2014-12-11T02:30:00.000 keeps the offset of its header" in found.notes[-1]


def test_images_that_share_no_sky_are_aligned_apart_and_told(tmp_path):
    near = stars(20, 3)
    far = (near[0] + 0.05, near[1], near[2])
    both = tuple(np.concatenate(pair) for pair in zip(near, far, strict=True))
    away = 0.05 * 3600 * np.cos(np.radians(CENTRE[1]))
    dithers = [(0.0, 0.0), (0.0, 0.0), (away, 0.0), (away, 0.0)]
    found = align(views_of(tmp_path, both, dithers=dithers), CascadeSettings(), False, tmp_path / "align")
    assert found.aligned
    assert "2 groups of images share no sky (2 from 2014-12-11T00:30:00.000, 2 from 2014-12-11T02" in found.notes[0]
    offsets = found.offsets
    assert np.abs(offsets[1] - offsets[0] - TRUE[1]).max() * 3600 < 0.03
    assert np.abs(offsets[3] - offsets[2] - (TRUE[3] - TRUE[2])).max() * 3600 < 0.03


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda offsets: offsets + [[0, 0], [5 / 3600, 0], [0, 0], [0, 0]], "offset of 4.9 arcsec, more than 3"),
        (lambda offsets: offsets + [[0, 0], [1.4 / 3600, 0], [0, 0], [0, 0]], "1 sources in common, fewer than 3"),
        (lambda offsets: offsets + [[0, 0], [0.5 / 3600, 0], [0, 0], [0, 0]], "its sources are 0.44 arcsec"),
    ],
)
def test_wrong_offsets_are_found_though_the_recipe_succeeds(tmp_path, wrong, why):
    views = views_of(tmp_path, stars(12, 3, width=20.0))

    def aligner(paths, parameters, directory):
        from musedeep.campaign.cascade.alignment import run_recipe

        offsets, places = run_recipe(paths, parameters, directory)
        return wrong(offsets), places

    found = align(views, CascadeSettings(thresholds=[10.0]), False, tmp_path / "align", aligner)
    assert found.good == [True, False, True, True]
    assert why in found.tries[0].why


def test_the_second_method_finds_sources_that_agree_by_chance(tmp_path):
    views = views_of(tmp_path, stars(12, 3))
    off = np.zeros((4, 2))
    # sources at the same pixels of all images: they agree, and the images do not
    places = [(np.array([20.0, 60.0, 90.0]), np.array([30.0, 80.0, 50.0]))] * 4

    found = align(views, CascadeSettings(thresholds=[10.0]), False, tmp_path / "align", lambda *_: (off, places))
    assert sum(found.good) < 2 or not found.aligned
    assert "cross-correlation would move it by another" in found.tries[0].why


def test_less_sharp_than_with_headers_is_not_taken(tmp_path):
    views = views_of(tmp_path, stars(12, 3), errors=[(0.0, 0.0)] * 4)
    off = np.array([[0, 0], [0.25 / 3600, 0], [0, 0.25 / 3600], [0.25 / 3600, 0.25 / 3600]])
    places = [(np.array([20.0, 60.0, 90.0]), np.array([30.0, 80.0, 50.0]))] * 4
    settings = CascadeSettings(thresholds=[10.0], max_residual=1.0, max_disagreement=2.0)
    found = align(views, settings, False, tmp_path / "align", lambda *_: (off, places))
    assert "less sharp than with the offsets of headers" in found.tries[0].why
    assert not found.offsets.any()


def test_a_recipe_that_fails_is_a_try(tmp_path):
    views = views_of(tmp_path, stars(12, 3))

    def aligner(paths, parameters, directory):
        assert parameters["srcmax"] == "400" and parameters["fwhm"] == "4"
        raise MusedeepError(f"{paths[0]}: no sources")

    settings = CascadeSettings(thresholds=[10.0, 5.0], align={"fwhm": 4})
    found = align(views, settings, True, tmp_path / "align", aligner)
    assert [one.why for one in found.tries] == ["IMAGE_FOV_0001.fits: no sources"] * 2
    assert "muse_exp_align has found no offsets" in found.notes[0]
