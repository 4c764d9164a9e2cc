"""The colour of the flat's lamp."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.correct.flat_field import flat_field, is_corrected, merged_spectrum
from musedeep.storage.pixel_tables.flat_spectrum import FlatSpectrum
from tests.makers.field_tables import field_rows, observation


def spectrum(start, level=1.0, n=3700):
    wavelength = start + 1.25 * np.arange(n)
    return FlatSpectrum(wavelength, level * (1.5 - ((wavelength - 7000.0) / 3000.0) ** 2))


def test_ifus_are_averaged_where_all_have_values():
    merged = merged_spectrum([spectrum(4747.56), spectrum(4748.21, 1.1)], "made.fits")
    assert merged.wavelength[0] == 4748.75
    assert (merged.wavelength / 1.25 == np.round(merged.wavelength / 1.25)).all()
    assert merged.unsmoothed == pytest.approx(1.05 * spectrum(4748.75, n=merged.wavelength.size).values, rel=1e-5)
    # a smooth spectrum is hardly changed
    assert merged.values == pytest.approx(merged.unsmoothed, rel=2e-5)


def test_a_spectrum_that_is_smoothed_stays():
    one = FlatSpectrum(np.arange(3.0), np.ones(3), np.ones(3))
    assert merged_spectrum([one], "made.fits") is one
    assert merged_spectrum([], "made.fits") is None


def test_spectra_that_do_not_overlap():
    with pytest.raises(MusedeepError, match=r"made.fits: the spectra of the flats of its IFUs do not overlap"):
        merged_spectrum([spectrum(4700.0, n=100), spectrum(8000.0)], "made.fits")


def test_data_are_multiplied():
    merged = merged_spectrum([spectrum(4745.0)], "made.fits")
    rows = field_rows()
    data, stat = rows["data"].copy(), rows["stat"].copy()
    (correction,) = flat_field(observation(), merged, 24)
    correction.apply(rows)
    factor = np.interp(rows["lambda"], merged.wavelength, merged.values)
    assert rows["data"] == pytest.approx(data * factor, rel=1e-6)
    assert rows["stat"] == pytest.approx(stat * factor**2, rel=1e-6)
    assert correction.cards()[0][:2] == ("ESO DRS MUSE PIXTABLE FFCORR", 24)


def test_never_twice_nor_without_a_spectrum():
    done = observation(ESO_DRS_MUSE_PIXTABLE_FFCORR=24)
    assert is_corrected(done)
    assert flat_field(done, spectrum(4745.0), 24) == []
    assert flat_field(observation(), None, 24) == []
