"""Pixel tables cut by the tools, given to the reference."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.tools.pixtable import muse_pixtable_crop, muse_pixtable_erase_slice
from tests.makers.pixel_tables import write_dithers

pytestmark = pytest.mark.reference


def test_cropped_and_erased_tables_are_combined(tmp_path, esorex):
    paths, truths = write_dithers(
        tmp_path, 2, step=0.0, ifus=(12, 13), slices=(1, 2, 3, 4), wavelength=(7000.0, 7020.0)
    )
    cropped, erased = tmp_path / "cropped.fits", tmp_path / "erased.fits"
    assert muse_pixtable_crop(["-l1", "7004", "-l2", "7015", str(paths[0]), str(cropped)]) == 0
    assert muse_pixtable_erase_slice([str(paths[1]), "13", "2", str(erased)]) == 0
    frames = [(cropped, "PIXTABLE_REDUCED"), (erased, "PIXTABLE_REDUCED")]
    products = esorex(tmp_path / "reference", frames, {"save": "combined", "crsigma": 0})
    first, second = (truth.rows for truth in truths)
    kept = (
        (first["lambda"] >= 7004) & (first["lambda"] <= 7015),
        ((second["origin"] >> 6 & 31) != 13) | ((second["origin"] & 63) != 2),
    )
    with fits.open(products / "PIXTABLE_COMBINED.fits") as hdus:
        for name in ("origin", "lambda", "data"):
            found = np.asarray(hdus[name].data).ravel()
            expected = np.concatenate([rows[name][mask] for rows, mask in zip((first, second), kept, strict=True)])
            np.testing.assert_array_equal(found, expected, err_msg=name)
