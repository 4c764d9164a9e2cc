"""OBJECT_RESAMPLED: the slices of exposures side by side, whatever the memory."""

import numpy as np
from astropy.io import fits

from musedeep.reduction.cube.stacked import stacked_columns, write_stacked
from tests.makers.field_rows import field_sources


def test_all_slices_side_by_side(tmp_path):
    source = field_sources((12,), slices=range(1, 13))[0]
    rows = source.rows
    limits = float(rows["lambda"].min()), float(rows["lambda"].max())
    images = []
    for memory in (1 << 30, 1):
        path = tmp_path / f"{memory}.fits"
        write_stacked(path, fits.Header([("OBJECT", "a")]), [source, source], limits, 1.0, "count", memory)
        with fits.open(path, checksum=True) as hdus:
            images.append(hdus[1].data.copy())
            assert hdus[1].header["CRVAL2"] == limits[0] and hdus[1].header["BUNIT"] == "count"
    np.testing.assert_array_equal(*images)
    _, edges = stacked_columns([source, source], 1.0)
    widths = np.diff(edges[0])
    assert np.count_nonzero(widths) == 12 and set(widths[widths > 0]) <= {76, 77}  # slices are 75.5 pixels wide
    image = images[0]
    assert image.shape == (int(np.ceil((limits[1] - limits[0]) / 1.25)) + 1, 2 * edges[0, -1])
    np.testing.assert_array_equal(image[:, : edges[0, -1]], image[:, edges[0, -1] :])
    assert 9.9 < np.median(image[image != 0]) < 11
