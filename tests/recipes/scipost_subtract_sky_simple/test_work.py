"""muse_scipost_subtract_sky_simple on small pixel tables."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable, sky_spectrum_hdu
from tests.makers.field_tables import write_field_table
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_subtract_sky_simple"


def frames_of(directory, **changed):
    tables = [write_field_table(directory / f"t-{ifu}.fits", ifu=ifu, **changed) for ifu in (3, 12)]
    wavelength = np.arange(5000.0, 9000.0, 0.5)
    values = 10.0 + np.sin(wavelength / 30.0)
    spectrum = SkySpectrumTable(Path("s"), wavelength, values, np.ones(values.size), np.zeros(values.size, int))
    fits.HDUList([fits.PrimaryHDU(), sky_spectrum_hdu(spectrum)]).writeto(directory / "spectrum.fits")
    frames = [(directory / f"t-{ifu}.fits", "PIXTABLE_REDUCED") for ifu in (3, 12)]
    return [*frames, (directory / "spectrum.fits", "SKY_SPECTRUM")], by_origin(*tables), spectrum


def test_the_spectrum_goes_and_rows_beyond_it(tmp_path):
    frames, before, spectrum = frames_of(tmp_path)
    status, made = run_recipe(RECIPE, tmp_path / "out", frames)
    assert status == 0
    header, rows, _ = product(made)
    kept = (before["lambda"] >= 5000.0) & (before["lambda"] <= spectrum.wavelength[-1])
    expected = before["data"] - np.interp(before["lambda"], spectrum.wavelength, spectrum.data)
    np.testing.assert_allclose(rows["data"], expected[kept], rtol=1e-5, atol=1e-4)
    assert header["ESO DRS MUSE PIXTABLE SKYSUB"] is True


def test_not_twice(tmp_path, caplog):
    frames, _, _ = frames_of(tmp_path, ESO_DRS_MUSE_PIXTABLE_SKYSUB=True)
    refused(RECIPE, tmp_path / "out", frames, "the sky is subtracted already", caplog)
