"""The file of a cube of one exposure: written plane by plane, there when it is whole."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.field_cube import FieldCube, NamedImage
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.planes import planes_of, resampling
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.storage.calibrations.filters import WHITE, Filter
from tests.makers.field_rows import field_sources

V = Filter("V", np.array([6990.0, 7010.0, 7030.0]), np.array([0.0, 1.0, 0.0]), (20.0, 20.1))


@pytest.fixture(scope="module")
def survey():
    return survey_rows(field_sources((12,)), 0.0)


def test_the_file_has_cube_field_images_and_further_ones(survey, tmp_path):
    path, grid = tmp_path / "DATACUBE_STD_0001.fits", field_grid(survey, (0.0, 0.0))
    primary = fits.Header([("OBJECT", "star"), ("PIPEFILE", path.name), ("DATAMD5", "0" * 32)])
    with FieldCube(path, grid, "star", "count", False, [WHITE, V]) as made:
        bands = list(planes_of(survey, grid, resampling(), memory=8 << 20))
        for band in bands:
            made.add(band)
        np.testing.assert_array_equal(made.plane(7), np.concatenate([b.data for b in bands])[7])
        image = np.ones(grid.shape[1:], np.float32)
        made.finish(primary, [NamedImage("FOUND", image, companions=(("STAT", "FOUND_STAT"),)),
                              NamedImage("FOUND_STAT", image, kind="STAT")])  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with fits.open(path, checksum=True) as hdus:
        assert [h.name for h in hdus] == ["PRIMARY", "DATA", "STAT", "white", "V", "FOUND", "FOUND_STAT"]
        data = np.concatenate([b.data for b in bands])
        np.testing.assert_array_equal(hdus["DATA"].data, data)
        np.testing.assert_array_equal(hdus["STAT"].data, np.concatenate([b.stat for b in bands]))
        np.testing.assert_allclose(hdus["white"].data, np.nanmean(data.astype(float), 0), rtol=1e-6)
        assert hdus["DATA"].header["BUNIT"] == "count" and hdus["STAT"].header["BUNIT"] == "(count)**2"
        assert hdus["V"].header["CTYPE1"] == "PIXEL" and hdus["V"].header["ESO DRS MUSE FILTER ZPVEGA"] == 20.0
        assert hdus["FOUND"].header["ERRDATA"] == "FOUND_STAT"
        assert hdus["FOUND_STAT"].header["BUNIT"] == "(count)**2"
    with pytest.raises(MusedeepError, match="exists already"):
        FieldCube(path, grid, "star", "count", False)


def test_nothing_is_left_of_a_cube_that_is_not_finished(survey, tmp_path):
    grid = field_grid(survey, (0.0, 0.0))
    with FieldCube(tmp_path / "cube.fits", grid, "star", "count", False) as made:
        made.add(next(planes_of(survey, grid, resampling())))
    assert not list(tmp_path.iterdir())
