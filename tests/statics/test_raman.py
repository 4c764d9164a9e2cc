"""Raman lines of air: places and ratios that are known."""

import numpy as np
import pytest

from musedeep.statics.raman import LASER, NITROGEN, OXYGEN, TOTAL, air_wavelength, raman_lines


def test_shifts_of_the_vibrations_are_those_measured():
    """Raman shifts of the Q branches: 1556.4 (O2) and 2329.9 1/cm (N2) (Inaba 1976)."""
    for molecule, shift in ((OXYGEN, 1556.4), (NITROGEN, 2329.9)):
        low = np.zeros(1)
        assert (molecule.energy(1, low) - molecule.energy(0, low))[0] == pytest.approx(shift, abs=0.1)


def test_bands_are_where_the_instrument_sees_them():
    lines = raman_lines()
    assert np.all(np.diff(lines.wavelength) >= 0.0)
    for group, low, high in ((0, 6474.0, 6494.0), (1, 6817.0, 6837.0)):
        own = lines.group == group
        inside = own & (lines.wavelength > low) & (lines.wavelength < high)
        assert 0.7 < lines.flux[inside].sum() / lines.flux[own].sum() < 0.9
        strongest = lines.name[int(np.argmax(np.where(own, lines.flux, 0.0)))]
        assert " Q(" in strongest and strongest.startswith(("O2", "N2")[group])


def test_fluxes_of_the_molecules_are_as_in_real_exposures():
    """Mean of the ratios N2 to O2 of six exposures of MUSE of June 2017: 2.54."""
    lines = raman_lines()
    oxygen, nitrogen = (lines.flux[lines.group == k].sum() for k in (0, 1))
    assert nitrogen == pytest.approx(TOTAL)
    assert nitrogen / oxygen == pytest.approx(2.54, abs=0.1)


def test_weights_of_the_nuclear_spins():
    lines = raman_lines()
    flux = dict(zip(lines.name, lines.flux, strict=True))
    assert "O2 Q(2)" not in flux and "O2 Q(3)" in flux
    # two levels that are about as full but for the spins
    assert flux["N2 Q(6)"] / flux["N2 Q(7)"] == pytest.approx(2.0, abs=0.1)
    # each branch S starts 6 B from Q(0)
    place = dict(zip(lines.name, lines.wavelength, strict=True))
    assert place["N2 S(0)"] - place["N2 Q(2)"] == pytest.approx(6.0 * 1.98 * 6828.0**2 / 1e8, abs=0.3)


def test_colder_air_has_fewer_lines():
    assert len(raman_lines(200.0).name) < len(raman_lines(300.0).name)


def test_wavelengths_in_air():
    """Na D2: 5891.583 in vacuum, 5889.950 in air; the laser is 0.008 Angstrom beside it."""
    assert air_wavelength(np.array([5891.5833]))[0] == pytest.approx(5889.950, abs=0.001)
    assert pytest.approx(5891.59, abs=0.01) == LASER
