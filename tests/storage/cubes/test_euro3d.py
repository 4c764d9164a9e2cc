import numpy as np
from astropy.io import fits

from musedeep.instrument import DQ
from musedeep.storage.cubes.cube_fits import filter_image_header
from musedeep.storage.cubes.euro3d import write_euro3d
from tests.makers import cubes

SHAPE = (7, 6, 9)


def test_spectra_are_ordered_by_column_and_begin_at_their_first_plane(tmp_path):
    nz, ny, nx = SHAPE
    data, stat = cubes.values(SHAPE)
    cube = cubes.create(tmp_path / "work.fits", SHAPE)
    cube.write_box(0, 0, data, stat)
    first = fits.Header([("HIERARCH ESO TEL AIRM START", 1.0), ("HIERARCH ESO TEL AIRM END", 1.2)])
    image = (filter_image_header("white", "field", cubes.wcs(), [], quality=True), data[0])
    write_euro3d(tmp_path / "e.fits", cube, cubes.wcs(), cubes.primary(), first, [image], block_bytes=1)
    with fits.open(tmp_path / "e.fits", checksum=True) as hdus:
        hdus.verify("exception")
        table = hdus["E3D_DATA"].data
        assert len(table) == ny * nx - 1
        places = [(x, y) for x in range(nx) for y in range(ny) if (x, y) != (0, 0)]
        np.testing.assert_array_equal(table["SPEC_ID"], [x * ny + y + 1 for x, y in places])
        for row, (x, y) in zip(table, places, strict=True):
            k = 2 if (x, y) == (1, 1) else 0
            hole = ~np.isfinite(data[k:, y, x])
            assert (row["SPEC_STA"], row["SPEC_LEN"]) == (k + 1, nz - k)
            np.testing.assert_array_equal(row["DATA_SPE"][: nz - k], np.where(hole, 0, data[k:, y, x]))
            np.testing.assert_array_equal(row["STAT_SPE"][: nz - k], np.where(hole, 0, np.sqrt(stat[k:, y, x])))
            np.testing.assert_array_equal(row["QUAL_SPE"][: nz - k], np.where(hole, DQ.MISSING, 0))
            assert np.isnan(row["DATA_SPE"][nz - k :]).all()
        assert hdus["E3D_DATA"].header["CRVALS"] == 7000.0
        group = hdus["E3D_GRP"].data[0]
        assert group["G_SHAPE"] == "R"
        assert abs(group["G_SIZE1"] - 0.2) < 1e-6
        assert abs(group["G_AIRMAS"] - 1.1) < 1e-6
        assert hdus["white_DQ"].data[0, 0] == DQ.MISSING
        assert hdus["white"].data[0, 0] == 0
        assert hdus[0].header["EURO3D"] == "T"
