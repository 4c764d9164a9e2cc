"""Facts of the tables against figures that everybody knows, and against each other."""

import numpy as np
import pytest
from astropy.io import ascii as ascii_tables

from musedeep.errors import MusedeepError
from musedeep.statics import load
from musedeep.statics.telluric import telluric_transmission

TABLES = (
    "absorption",
    "arc_lines",
    "astrometric_fields",
    "extinction",
    "filters",
    "photodiodes",
    "sky_continuum",
    "sky_lines",
    "standards",
    "telluric_h2o",
    "telluric_o2",
    "telluric_regions",
)

ARC_LINES = [
    # NIST, air
    ("HgI", 5460.750),
    ("HgI", 5769.610),
    ("CdI", 4799.912),
    ("CdI", 5085.822),
    ("CdI", 6438.470),
    ("NeI", 5852.488),
    ("NeI", 6402.248),
    ("NeI", 7032.413),
    ("XeI", 4671.226),
    ("XeI", 8231.634),
]

SKY_LINES = [
    # [OI] and Na: NIST; OH: Osterbrock et al. (1996, PASP 108, 277), means of the two components
    (5577.339, 0.002),
    (6300.304, 0.002),
    (6363.776, 0.002),
    (5889.951, 0.002),
    (5895.924, 0.002),
    (7913.708, 0.04),
    (8344.602, 0.04),
    (8399.170, 0.06),
    (8827.096, 0.04),
    (8885.850, 0.06),
]


def close(wavelengths, wanted):
    return np.abs(wavelengths - wanted).min()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_names_its_source(name):
    assert len(str(load.read_table(name).meta["source"])) > 30


@pytest.mark.parametrize(("ion", "wavelength"), ARC_LINES)
def test_arc_lines_are_where_nist_has_them(ion, wavelength):
    lines = load.load_arc_lines()
    own = lines.wavelength[[name == ion for name in lines.ion]]
    assert close(own, wavelength) < 0.0015


def test_arc_lines_cover_the_range_with_each_lamp():
    lines = load.load_arc_lines()
    assert (np.diff(lines.wavelength) > 0).all()
    assert lines.wavelength[0] > 4600 and lines.wavelength[-1] < 9400
    assert set(lines.ion) == {"NeI", "XeI", "HgI", "CdI"}
    assert set(lines.quality.tolist()) == {0, 2, 3, 5}
    assert (lines.flux > 0).all()
    good = lines.wavelength[lines.quality >= 3]
    assert np.diff(np.concatenate([[4650.0], good, [9300.0]])).max() < 250.0
    counted = sum(load.load_arc_lines().of_lamp(lamp).wavelength.size for lamp in load.LAMPS)
    assert counted == lines.wavelength.size


@pytest.mark.parametrize("lamp", load.LAMPS)
def test_quality_follows_from_the_neighbours(lamp):
    lines = load.load_arc_lines().of_lamp(lamp)

    def neighbours(i, reach):
        near = np.abs(lines.wavelength - lines.wavelength[i]) < reach
        near[i] = False
        return lines.flux[near]

    for i, quality in enumerate(lines.quality):
        if quality == 5:
            assert neighbours(i, 20.0).sum() < 0.1 * lines.flux[i]
        if quality >= 3:
            assert neighbours(i, 5.4).sum() < 0.04 * lines.flux[i]
        if quality >= 2:
            # the reference pipeline crashed where lines that it cannot resolve were to be used
            assert (neighbours(i, 2.1) < 0.03 * lines.flux[i]).all()


def test_a_lamp_that_is_not_there():
    with pytest.raises(MusedeepError, match="Ne, Xe, HgCd"):
        load.load_arc_lines().of_lamp("Ar")


@pytest.mark.parametrize(("wavelength", "tolerance"), SKY_LINES)
def test_sky_lines_are_where_they_are_known(wavelength, tolerance):
    lines = load.load_sky_lines()
    assert close(lines.wavelength[lines.flux > 3000], wavelength) < tolerance


def test_sky_lines_have_groups_and_credible_fluxes():
    lines = load.load_sky_lines()
    assert (np.diff(lines.wavelength) >= 0).all()
    assert set(lines.group.tolist()) == set(lines.groups)
    assert max(len(name) for name in lines.name) <= 30
    # 5577: some 50 to 300 Rayleigh (1e6/4pi photons/s/cm2/sr)
    green = lines.flux[np.argmin(np.abs(lines.wavelength - 5577.339))]
    rayleigh = green * 1e-20 / (6.62607e-27 * 2.99792e18 / 5577.339) / (1e6 / (4 * np.pi) * 2.350443e-11)
    assert 50 < rayleigh < 300
    # [OI] 6300 and 6364 share their upper level: 3.1 to 1 in photons
    red = lines.flux[lines.group == 1] * lines.wavelength[lines.group == 1]
    assert red[0] / red[1] == pytest.approx(3.0, abs=0.15)


def test_sky_continuum_is_that_of_a_dark_night():
    sky = load.load_sky_continuum()
    flux = np.interp(5500.0, sky.wavelength, sky.flux) * 1e-20
    # without lines the dark sky is fainter than its V magnitude, 21.6
    assert 21.7 < -2.5 * np.log10(flux / 3.63e-9) < 22.8
    assert sky.wavelength[0] <= 4500 and sky.wavelength[-1] >= 9500


def test_extinction_is_that_of_patat():
    extinction = load.load_extinction()
    assert extinction.at(np.array([5000.0, 7060.0])) == pytest.approx([0.15, 0.064], abs=0.03)
    assert (np.diff(extinction.wavelength) > 0).all()


# V magnitudes (SIMBAD); flux of magnitude 0 at 5480 Angstrom: 3.63e-9 erg/s/cm2/Angstrom
MAGNITUDES = {
    "GD71": 13.03,
    "GD108": 13.58,
    "GD153": 13.35,
    "HD49798": 8.29,
    "LDS749B": 14.67,
    "Feige110": 11.83,
    "LTT7987": 12.23,
    "EG274": 11.03,
    "LTT3218": 11.86,
}


@pytest.mark.parametrize("name", MAGNITUDES)
def test_standards_are_as_bright_as_they_are(name):
    star = load.load_standard(name)
    magnitude = -2.5 * np.log10(np.interp(5480.0, star.wavelength, star.flux) / 3.63e-9)
    assert magnitude == pytest.approx(MAGNITUDES[name], abs=0.07)
    assert star.wavelength[0] <= 4500 and star.wavelength[-1] >= 9500
    assert (star.flux > 0).all() and (star.flux_error > 0).all()


def test_balmer_lines_of_a_standard_are_at_air_wavelengths():
    star = load.load_standard("GD71")
    for line in (4861.33, 6562.80):
        window = np.abs(star.wavelength - line) < 60
        x, y = star.wavelength[window] - line, star.flux[window]
        edge = np.abs(x) > 45
        depth = np.polyval(np.polyfit(x[edge], y[edge], 1), x) - y
        # in vacuum they would be 1.4 and 1.8 Angstrom farther
        assert (x * depth).sum() / depth.sum() == pytest.approx(0.0, abs=0.6)


def test_standard_names_are_forgiving():
    assert set(load.standard_names()) == set(MAGNITUDES)
    assert load.load_standard("feige 110").name == "Feige110"
    assert load.load_standard("LDS 749B") is load.load_standard("LDS 749B")
    with pytest.raises(MusedeepError, match="GD71"):
        load.load_standard("Vega")


def test_zero_points_follow_from_the_curves():
    for curve in load.load_filters():
        w, t = curve.wavelength, curve.throughput
        density = 3.631e-20 * 2.99792458e18 / w**2
        mean = np.trapezoid(density * t, w) / np.trapezoid(t, w)
        assert curve.zero_points[1] == pytest.approx(-2.5 * np.log10(mean), abs=0.003), curve.name


def test_telluric_bands_saturate():
    fine = 4500.0 + 0.1 * np.arange(50001)

    def width(low, high, airmass, water):
        window = (fine > low) & (fine < high)
        return 0.1 * (1.0 - telluric_transmission(fine, airmass, water)[window]).sum()

    # equivalent widths of the ESO sky model at the zenith, 2.5 mm
    assert width(7580, 7720, 1.0, 2.5) == pytest.approx(27.7, rel=0.1)
    assert width(6860, 6960, 1.0, 2.5) == pytest.approx(6.2, rel=0.1)
    assert width(8100, 8400, 1.0, 2.5) == pytest.approx(6.96, rel=0.1)
    assert width(9280, 9500, 1.0, 2.5) == pytest.approx(42.2, rel=0.1)
    # saturated bands grow with the root of the column, roughly
    assert 1.3 < width(7580, 7720, 2.0, 0.0) / width(7580, 7720, 1.0, 0.0) < 1.6
    assert 1.5 < width(8930, 9250, 1.0, 8.0) / width(8930, 9250, 1.0, 2.5) < 2.6
    assert telluric_transmission(fine, 1.0, 2.5)[(fine > 7593) & (fine < 7604)].min() < 0.01


def test_telluric_limits():
    fine = 4500.0 + 0.1 * np.arange(50001)
    assert (telluric_transmission(fine, 0.0, 2.5) == 1.0).all()
    dry, wet = telluric_transmission(fine, 1.2, 0.0), telluric_transmission(fine, 1.2, 30.0)
    assert ((wet >= 0) & (wet <= dry)).all() and (dry <= 1).all()
    assert (dry[(fine > 8100) & (fine < 8400)] == 1.0).all()
    # continuous where one piece of the curve of growth meets the next
    below, above = telluric_transmission(fine, 1.0, 3.999999), telluric_transmission(fine, 1.0, 4.000001)
    assert np.abs(below - above).max() < 1e-5
    # clear windows stay clear
    assert wet[(fine > 5100) & (fine < 5400)].mean() > 0.99


def test_telluric_regions_hold_the_bands():
    regions = load.load_telluric_regions()
    fine = 4500.0 + 0.1 * np.arange(50001)
    smooth = np.convolve(telluric_transmission(fine, 1.0, 2.5), np.ones(100) / 100, "same")
    inside = np.any([(fine > a) & (fine < b) for a, b in zip(regions.lower, regions.upper, strict=True)], axis=0)
    assert smooth[~inside & (fine > 4600) & (fine < 9390)].min() > 0.97
    assert (regions.background_lower < regions.lower).all() and (regions.background_upper > regions.upper).all()


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        load.load_arc_lines().flux[0] = 1.0


def test_tables_are_plain_text():
    from importlib import resources

    directory = resources.files("musedeep.statics") / "tables"
    found = sorted(p.name.removesuffix(".ecsv") for p in directory.iterdir())
    assert found == sorted(TABLES)
    assert sum(len((directory / f"{name}.ecsv").read_bytes()) for name in TABLES) < 1_500_000
    assert len(ascii_tables.read(str(directory / "extinction.ecsv"), format="ecsv")) == 77
