"""Every HDU of every product of muse_exp_combine has right checksums."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.pixel_tables.export import export
from tests.makers.pixel_tables import write_dithers

pytestmark = pytest.mark.filterwarnings("error::astropy.utils.exceptions.AstropyUserWarning")


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Two exposures whose cube has empty spaxels."""
    directory = tmp_path_factory.mktemp("exposures")
    return write_dithers(directory, 2, step=25.0, ifus=(19,), slices=tuple(range(1, 25)), wavelength=(8000.0, 8009.0))[
        0
    ]


def assert_signed(path):
    """Fails unless all HDUs have the right CHECKSUM and DATASUM (astropy's warnings are errors here); their number."""
    with fits.open(path, checksum=True) as hdus:
        for hdu in hdus:
            assert {"CHECKSUM", "DATASUM"} <= set(hdu.header), hdu.name
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1, hdu.name
        return len(hdus)


@pytest.mark.parametrize("format", ["Cube", "xCube", "Euro3D", "xEuro3D", "sdpCube"])
def test_products_of_a_combination(exposures, tmp_path, format):
    given = {"save": "cube,combined,exposures", "format": format}
    formats = frozenset({"fits", "store"})
    request = Request(exposures, RECIPE.parse(given), tmp_path / "out", combined_format=formats)
    products = {path.name: path for path in combine(request).products}
    with fits.open(products["DATACUBE_FINAL.fits"]) as hdus:
        if format == "Cube":
            assert np.isnan(hdus["DATA"].data).any()
    export(products.pop("PIXTABLE_COMBINED.zarr"), tmp_path / "out" / "exported.fits")
    files = [*products.values(), tmp_path / "out" / "exported.fits"]
    counts = {path.name: assert_signed(path) for path in files}
    assert counts["PIXTABLE_COMBINED.fits"] == counts["exported.fits"] == 9 and counts["EXPOSURE_MAP.fits"] == 5


def test_every_hdu_that_is_written_is_signed(tmp_path):
    path = tmp_path / "a.fits"
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.arange(7.0)), fits.BinTableHDU()]))
    assert assert_signed(path) == 3
    with path.open("r+b") as stream:
        stream.seek(2 * 2880 + 2880)
        stream.write(b"7")
    with pytest.raises(AstropyUserWarning, match="verification failed"):
        assert_signed(path)
