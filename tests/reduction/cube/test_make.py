"""A cube made in one process is the one that the graph makes of it."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.make import make_cube_here
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers

OPTIONS = {"ifus": (11, 12), "slices": tuple(range(1, 13)), "wavelength": (6990.0, 7020.0), "cosmics": 3e-3}
MIB = 2**20


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Two stores and a FITS file."""
    paths = write_dithers(tmp_path_factory.mktemp("exposures"), 3, step=50.0, **OPTIONS)[0]
    return [*(ingest([p], p.with_suffix(".zarr"), chunk_rows=4096) for p in paths[:2]), paths[2]]


@pytest.mark.parametrize("given", [{"save": "cube,combined,exposures"}, {"weight": "none", "dlambda": 5.0}])
def test_same_cube_as_the_graph_makes(exposures, tmp_path, given):
    parameters = RECIPE.parse({"crsigma": 5, **given})
    theirs = combine(Request(exposures, parameters, tmp_path / "graph")).products
    ours = make_cube_here(ExpCombine(exposures, parameters, tmp_path / "here"), memory=310 * MIB, workers=2)
    assert sorted(p.name for p in ours) == sorted(p.name for p in theirs)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == sorted(p.name for p in ours)
    for path in ours:
        with fits.open(path) as a, fits.open(tmp_path / "graph" / path.name) as b:
            for one, other in zip(a, b, strict=True):
                assert list(one.header) == list(other.header)
                if one.data is not None:
                    np.testing.assert_array_equal(one.data, other.data)


def test_existing_products_stay(exposures, tmp_path):
    (tmp_path / "DATACUBE_FINAL.fits").write_text("old")
    with pytest.raises(MusedeepError, match="exists; give --overwrite"):
        make_cube_here(ExpCombine(exposures, RECIPE.parse({}), tmp_path), memory=MIB)
    assert [p.name for p in tmp_path.iterdir()] == ["DATACUBE_FINAL.fits"]


def test_nothing_is_left_where_nothing_is_in_the_cube(exposures, tmp_path):
    wcs = tmp_path / "wcs.fits"
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.5, "CRPIX1": 5.0, "CRPIX2": 5.0,
        "CD1_1": -5.5e-5, "CD2_2": 5.5e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CUNIT1": "deg", "CUNIT2": "deg",
    }  # fmt: skip
    fits.PrimaryHDU(np.zeros((9, 9)), fits.Header(list(cards.items()))).writeto(wcs)
    cube = ExpCombine(exposures, RECIPE.parse({}), tmp_path / "out", output_wcs=wcs)
    with pytest.raises(MusedeepError, match="no good row of the exposures lies in the cube"):
        make_cube_here(cube, memory=MIB)
    assert not list((tmp_path / "out").iterdir())
