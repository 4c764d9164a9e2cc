"""The air: refraction, seeing, absorption; the telescope's velocity."""

import numpy as np
import pytest

from musedeep.simulate.atmosphere import Atmosphere, saturation_pressure
from musedeep.simulate.velocity import barycentric_velocity

# Filippenko 1982, table I: 2 km, 600 mmHg, 7 C, 8 mmHg of water, relative to 5000 Angstrom
TABLE = {
    1.05: {4500: 0.08, 6000: -0.11, 8000: -0.21, 10000: -0.26},
    1.25: {4500: 0.20, 6000: -0.25, 8000: -0.50, 10000: -0.61},
    1.50: {3000: 2.37, 4000: 0.71, 6000: -0.37, 8000: -0.74, 10000: -0.91},
}


def filippenko(airmass: float) -> Atmosphere:
    return Atmosphere(
        airmass=airmass,
        temperature_c=7.0,
        pressure_hpa=600.0 / 760.0 * 1013.25,
        humidity_percent=8.0 / 760.0 * 1013.25 / saturation_pressure(7.0) * 100.0,
    )


@pytest.mark.parametrize("airmass", TABLE)
def test_refraction_is_that_of_the_published_table(airmass: float) -> None:
    for wavelength, expected in TABLE[airmass].items():
        assert filippenko(airmass).refraction(np.array(wavelength), 5000.0) == pytest.approx(expected, abs=0.011)


def test_blue_light_appears_closer_to_the_zenith() -> None:
    refraction = Atmosphere(airmass=1.3).refraction(np.array([4700.0, 7000.0, 9300.0]))
    assert refraction[0] > 0.0 == refraction[1] > refraction[2]


def test_there_is_no_refraction_at_the_zenith_or_when_switched_off() -> None:
    wavelength = np.array([4700.0, 9300.0])
    assert not Atmosphere(airmass=1.0).refraction(wavelength).any()
    assert not Atmosphere(airmass=2.0, with_refraction=False).refraction(wavelength).any()


def test_seeing_follows_kolmogorov() -> None:
    assert Atmosphere(seeing=0.8).seeing_fwhm(np.array(5000.0)) == pytest.approx(0.8)
    assert Atmosphere(seeing=0.8, airmass=2.0).seeing_fwhm(np.array(5000.0)) == pytest.approx(0.8 * 2.0**0.6)
    blue, red = Atmosphere(seeing=0.8).seeing_fwhm(np.array([4700.0, 9300.0]))
    assert red / blue == pytest.approx((9300.0 / 4700.0) ** -0.2)


def test_extinction_of_paranal() -> None:
    # Patat et al. 2011: about 0.16 mag in the green, 0.03 to 0.05 in the near infrared
    magnitudes = -2.5 * np.log10(Atmosphere(airmass=1.0).extinction(np.array([5000.0, 8800.0])))
    assert magnitudes[0] == pytest.approx(0.155, abs=0.02)
    assert magnitudes[1] == pytest.approx(0.04, abs=0.02)
    double = -2.5 * np.log10(Atmosphere(airmass=2.0).extinction(np.array([5000.0, 8800.0])))
    np.testing.assert_allclose(double, 2.0 * magnitudes)


def test_oxygen_and_water_absorb() -> None:
    wavelength = np.arange(6800.0, 9400.0, 0.1)
    dry = Atmosphere(precipitable_water_mm=1.0).telluric(wavelength)
    wet = Atmosphere(precipitable_water_mm=10.0).telluric(wavelength)
    a_band, water, clear = ((wavelength > a) & (wavelength < b) for a, b in ((7593, 7630), (8130, 8250), (7750, 7800)))
    assert dry[a_band].mean() < 0.55
    assert wet[a_band].mean() == pytest.approx(dry[a_band].mean(), abs=0.01)
    assert wet[water].mean() < dry[water].mean() - 0.05
    assert dry[clear].mean() > 0.99
    assert np.all((wet >= 0.0) & (wet <= 1.0))


def test_transmission_is_the_product_and_each_part_can_be_switched_off() -> None:
    wavelength = np.array([[5000.0, 7605.0], [8200.0, 9000.0]])
    air = Atmosphere(airmass=1.4, transparency=0.7)
    np.testing.assert_allclose(
        air.transmission(wavelength), 0.7 * air.extinction(wavelength) * air.telluric(wavelength)
    )
    clear = Atmosphere(airmass=1.4, with_extinction=False, with_telluric=False)
    np.testing.assert_array_equal(clear.transmission(wavelength), np.ones((2, 2)))


def test_velocity_of_a_known_case() -> None:
    # header of a real reduction, with the sign of its longitude as it is on Earth (astropy's value)
    assert barycentric_velocity(53.159986, -27.787407, 57002.10184147) == pytest.approx(-13.0394, abs=0.001)


def test_velocity_turns_with_the_seasons_and_needs_no_tables_of_the_future() -> None:
    along = [barycentric_velocity(0.0, 0.0, 61300.0 + day) for day in range(0, 365, 5)]
    assert max(along) == pytest.approx(29.8, abs=1.0)
    assert min(along) == pytest.approx(-29.8, abs=1.0)
