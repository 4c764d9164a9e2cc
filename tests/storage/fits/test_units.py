"""Units: the same however they are written, another where the scale is another."""

import pytest

from musedeep.instrument import FLUX_UNIT, VARIANCE_UNIT
from musedeep.storage.fits.units import same_unit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FLUX_UNIT, "10**-20 erg Angstrom-1 s-1 cm-2"),
        (FLUX_UNIT, "1e-20 erg/s/cm2/Angstrom"),
        (FLUX_UNIT, "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"),
        (FLUX_UNIT, "10**(-20) * erg / s / cm**2 / Angstrom"),
        (VARIANCE_UNIT, "10**-40 erg2 Angstrom-2 s-2 cm-4"),
        (VARIANCE_UNIT, "(1e-20 erg/s/cm2/AA)**2"),
        ("Angstrom", "0.1 nm"),
        ("rad", "radian"),
        ("furlong per fortnight", "furlong per fortnight"),
    ],
)
def test_the_same(one, other):
    assert same_unit(one, other) and same_unit(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FLUX_UNIT, "erg/s/cm2/Angstrom"),
        (FLUX_UNIT, "10**(-16)*erg/s/cm**2/Angstrom"),
        (VARIANCE_UNIT, FLUX_UNIT),
        ("Angstrom", "nm"),
        ("rad", "deg"),
        ("rad", ""),
        ("", "pix"),
        ("Angstrom", "(((("),
        ("count", "counts per second"),
    ],
)
def test_not_the_same(one, other):
    assert not same_unit(one, other) and not same_unit(other, one)
