"""The spectrum of the flat in pixel tables, FITS and stores."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables.flat_spectrum import FlatSpectrum, read_flat_spectrum
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.field_tables import field_header, field_rows, write_field_table
from tests.makers.pixel_tables import write_rows


def test_a_store_has_what_the_file_has(tmp_path):
    write_field_table(tmp_path / "a.fits")
    ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    file, store = (read_flat_spectrum(open_pixel_table(tmp_path / f"a.{end}")) for end in ("fits", "zarr"))
    assert file.wavelength.size == 3700
    assert file.unsmoothed is None
    assert np.array_equal(file.wavelength, store.wavelength)
    assert np.array_equal(file.values, store.values)


def test_smoothed_spectra_keep_both_columns():
    hdu = FlatSpectrum(np.arange(3.0), np.ones(3), np.full(3, 2.0)).hdu()
    assert (hdu.header["EXTNAME"], hdu.columns.names) == ("PIXTABLE_FLAT_FIELD", ["lambda", "data", "data_unsm"])


def test_tables_without_it(tmp_path):
    write_rows(tmp_path / "a.fits", field_header(), field_rows())
    assert read_flat_spectrum(open_pixel_table(tmp_path / "a.fits")) is None


@pytest.mark.parametrize(("column", "value"), [("data", -1.0), ("data", np.nan), ("lambda", 0.0)])
def test_spectra_of_no_use(tmp_path, column, value):
    write_field_table(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[-1].data[column][100] = value
    with pytest.raises(MusedeepError, match="PIXTABLE_FLAT_FIELD has wavelengths that do not ascend, or values"):
        read_flat_spectrum(open_pixel_table(tmp_path / "a.fits"))
