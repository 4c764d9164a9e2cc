"""STD_RESPONSE and STD_TELLURIC: written, read, refused."""

from dataclasses import fields, replace

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.response import (
    Response,
    Telluric,
    flat_corrected_card,
    read_response,
    read_telluric,
    response_hdu,
    telluric_hdu,
)
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.table import write_table

WAVES = np.arange(4700.0, 9400.0, 1.25)
RESPONSE = Response(
    WAVES, 41 + 1e-4 * (WAVES - 7000), np.full(WAVES.size, 0.01), 41 + 1e-4 * (WAVES - 7000), np.full(WAVES.size, 0.02),
    np.full(WAVES.size, 0.3), True, "WFM-AO-N",
)  # fmt: skip
TELLURIC = Telluric(WAVES[:50], np.linspace(1, 0.5, 50), np.full(50, 1e-3), True, "WFM-AO-N")


def _write(path, value):
    header = fits.Header()
    add(header, ("ESO INS MODE", value.mode), flat_corrected_card(value.flat_corrected))
    table = response_hdu(value) if isinstance(value, Response) else telluric_hdu(value)
    write_table(path, header, table, overwrite=True)
    return path


def _same(one, other):
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)


def test_both_come_back(tmp_path):
    _same(read_response(_write(tmp_path / "r.fits", RESPONSE)), RESPONSE)
    _same(read_telluric(_write(tmp_path / "t.fits", TELLURIC)), TELLURIC)


def test_a_response_of_three_columns(tmp_path):
    old = replace(RESPONSE, unsmoothed=None, unsmoothed_error=None, throughput=None, flat_corrected=False)
    _same(read_response(_write(tmp_path / "r.fits", old)), old)


def _with(values, place, value):
    changed = values.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (replace(RESPONSE, response=_with(RESPONSE.response, 7, np.nan)), "response is nan at 4708.75 Angstrom and 1 "),
        (replace(RESPONSE, response=_with(RESPONSE.response, 7, -3.0)), "response is -3 at 4708.75 Angstrom, expected"),
        (replace(RESPONSE, wavelength=_with(WAVES, 7, 0.0)), "wavelengths do not ascend; sort the STD_RESPONSE"),
        (replace(TELLURIC, transmission=_with(TELLURIC.transmission, 0, 0.0)), "ftelluric is 0 at 4700 Angstrom"),
        (replace(TELLURIC, transmission=_with(TELLURIC.transmission, 0, np.inf)), "ftelluric is inf at 4700 Angstrom"),
        (Telluric(*(np.ones(1),) * 3), "has 1 rows, expected at least 2"),
    ],
)
def test_what_is_refused(tmp_path, value, message):
    path = _write(tmp_path / "bad.fits", value)
    with pytest.raises(MusedeepError, match=rf"bad\.fits: .*{message}"):
        (read_response if isinstance(value, Response) else read_telluric)(path)


def test_another_table(tmp_path):
    path = _write(tmp_path / "t.fits", TELLURIC)
    with pytest.raises(MusedeepError, match="no table with the columns lambda, response, resperr; give"):
        read_response(path)
