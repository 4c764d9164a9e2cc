"""GEOMETRY_TABLE: what is written is read back, with errors and without; a slice that lacks is named."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.geometry_table import COLUMNS, ERRORS, PLACE, geometry_hdu, read_geometry
from musedeep.storage.fits.table import write_table

ORDER = np.argsort(np.sin(np.arange(48)))


def values(ifus=(3, 4)):
    n = len(ifus)
    columns = {"SubField": np.repeat(ifus, 48), "SliceCCD": np.tile(ORDER + 1, n), "SliceSky": np.tile(ORDER + 1, n)}
    return columns | {one.name: np.arange(48.0 * n) + 100 * k for k, one in enumerate(PLACE)}


@pytest.mark.parametrize("with_errors", [False, True])
def test_places_come_back(tmp_path, with_errors):
    given = values() | ({one.name: np.ones(96) for one in ERRORS} if with_errors else {})
    hdu = geometry_hdu(given)
    assert hdu.columns.names == [one.name for one in (*COLUMNS, *ERRORS * with_errors)]
    write_table(tmp_path / "g.fits", fits.Header(), hdu)
    found = read_geometry(tmp_path / "g.fits", 4)
    expected = np.stack([given[one.name][48:][np.argsort(ORDER)] for one in PLACE], axis=1)
    expected[:, 2] = np.radians(expected[:, 2])
    np.testing.assert_array_equal(found, expected)


def test_slices_that_are_missing_are_named(tmp_path):
    short = {name: column[1:] for name, column in values((3,)).items()}
    write_table(tmp_path / "g.fits", fits.Header(), geometry_hdu(short))
    with pytest.raises(MusedeepError, match=f"IFU 3: slices {ORDER[0] + 1} are missing"):
        read_geometry(tmp_path / "g.fits", 3)
