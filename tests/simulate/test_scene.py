"""Scenes: sources of known flux, and the light that they give."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import COLLECTING_AREA
from musedeep.kernels.field.tangent import sky_position, tangent_offsets
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component
from musedeep.simulate.profiles import Extended, Stars, mixture, moffat
from musedeep.simulate.satellite import satellite_component
from musedeep.simulate.scene import SCENES, Scene, Source, make_scene, scene_components
from musedeep.simulate.scenes.layout import strewn
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import air_of_vacuum, emission_lines, flux_of_magnitude, star_template, vacuum_of_air

CLEAR = Atmosphere(airmass=1.0, seeing=0.8, with_extinction=False, with_telluric=False)
GRID = np.arange(-20.0, 20.0, 0.05)
X, Y = np.meshgrid(GRID, GRID)
LIGHT = 299792.458


def integral(density: np.ndarray) -> float:
    return float(density.sum()) * 0.05**2


def test_density_of_a_star_integrates_to_1_with_the_width_of_the_seeing() -> None:
    air = Atmosphere(airmass=1.5, seeing=0.8)
    star = Stars(np.array([1.0]), np.array([-2.0]), np.array([1.0]), np.array([15.0]), air.seeing_fwhm)
    for wavelength in (5000.0, 9000.0):
        density = star.density(X, Y, np.array(wavelength))
        assert integral(density) == pytest.approx(1.0, abs=1e-3)
        half = float(air.seeing_fwhm(np.array(wavelength))) / 2.0
        centre, edge = (float(star.density(np.array(1.0 + r), np.array(-2.0), np.array(wavelength))) for r in (0, half))
        assert edge == pytest.approx(0.5 * centre)


@pytest.mark.parametrize("profile", ["gaussian", "exponential"])
def test_density_of_an_extended_source_integrates_to_1(profile: str) -> None:
    source = Extended(0.5, 0.3, 2.0, 1.0, 30.0, profile, CLEAR.seeing_fwhm)
    density = source.density(X, Y, np.array(7000.0))
    assert integral(density) == pytest.approx(1.0, abs=2e-3)
    assert integral(density * X) == pytest.approx(0.5, abs=2e-3)


def test_position_angle_runs_from_north_through_east() -> None:
    source = Extended(0.0, 0.0, 3.0, 0.5, 90.0, "gaussian", CLEAR.seeing_fwhm)
    east = source.density(np.array(1.5), np.array(0.0), np.array(7000.0))
    north = source.density(np.array(0.0), np.array(1.5), np.array(7000.0))
    assert east > 2.0 * north


def test_gaussians_of_the_seeing_are_a_moffat_profile() -> None:
    radius = np.array([0.0, 0.3, 0.5, 1.0, 2.0, 4.0])
    weights, sizes = mixture("moffat")
    gaussians = np.exp(-0.5 * np.square(radius[:, None] / sizes)) / (2.0 * np.pi * sizes**2)
    np.testing.assert_allclose(gaussians @ weights, moffat(np.square(radius), np.array(1.0)), rtol=0.01)


def test_a_source_outside_its_bounds_is_dark() -> None:
    star = Stars(np.zeros(1), np.zeros(1), np.ones(1), np.full(1, 5.0), CLEAR.seeing_fwhm)
    assert star.bounds() == (0.0, 0.0, 5.0)
    assert not star.density(np.full((2, 1, 3), 6.0), np.zeros((1, 4, 1)), np.full((2, 1, 1), 7000.0)).any()


def test_photons_of_a_star_are_those_counted_by_hand() -> None:
    # flux 1e-16 erg/s/cm2/A at 6000 A: hc/lambda = 3.3107e-12 erg, 485000 cm2
    scene = Scene("one", 0.0, 0.0, (Source("star", 0.0, 0.0, np.full(FINE.size, 1e-16)),))
    (light,) = scene_components(scene, CLEAR)
    assert isinstance(light, Component)
    rate = np.interp(6000.0, FINE, light.spectrum.continuum)
    assert rate == pytest.approx(1e-16 / 3.31074e-12 * COLLECTING_AREA, rel=1e-5)
    assert rate == pytest.approx(14.65, abs=0.01)


def test_air_and_clouds_take_their_part() -> None:
    scene = Scene("one", 0.0, 0.0, (Source("star", 0.0, 0.0, np.full(FINE.size, 1e-16)),))
    air = Atmosphere(airmass=1.5, transparency=0.6)
    (above,), (below,) = scene_components(scene, CLEAR), scene_components(scene, air)
    np.testing.assert_allclose(below.spectrum.continuum, above.spectrum.continuum * air.transmission(FINE))


@pytest.mark.parametrize("dispersion", [0.0, 100.0])
def test_lines_keep_their_flux_and_move_with_the_velocity(dispersion: float) -> None:
    line = Source(
        "line",
        0.0,
        0.0,
        np.zeros(FINE.size),
        line_wavelength=np.array([6600.0]),
        line_flux=np.array([1e-17]),
        line_dispersion=dispersion,
    )
    (light,) = scene_components(Scene("one", 0.0, 0.0, (line,)), CLEAR, velocity_km_s=30.0)
    spectrum = light.spectrum
    total = spectrum.line_flux.sum() + spectrum.continuum.sum() * 0.1
    centre = (spectrum.line_flux @ spectrum.line_wavelength + spectrum.continuum @ FINE * 0.1) / total
    assert total == pytest.approx(1e-17 * 6600.0 * 5.03412e7 * COLLECTING_AREA, rel=1e-3)
    assert centre * (1.0 + 30.0 / LIGHT) == pytest.approx(6600.0, abs=0.003)
    assert (spectrum.line_flux.size == 1) == (dispersion == 0.0)


def test_the_continuum_moves_with_the_velocity() -> None:
    template = np.interp(FINE, [6999.0, 7001.0], [0.0, 1e-16])
    scene = Scene("step", 0.0, 0.0, (Source("star", 0.0, 0.0, template),))
    (light,) = scene_components(scene, CLEAR, velocity_km_s=30.0)
    rate = light.spectrum.continuum / FINE
    near = np.abs(FINE - 7000.0) < 5.0
    middle = np.interp(0.5 * rate[-1], rate[near], FINE[near])
    assert middle == pytest.approx(7000.0 / (1.0 + 30.0 / LIGHT), abs=0.01)


def test_stars_of_one_spectrum_share_a_component_and_keep_their_light() -> None:
    scene = make_scene("cluster", stars=300)
    components = scene_components(scene, CLEAR)
    assert len(components) <= 16
    column = int(np.searchsorted(FINE, 7000.0))
    total = sum(c.spectrum.continuum[column] * c.pattern.weight.sum() for c in components)
    flux = sum(source.flux_continuum[column] for source in scene.sources)
    assert total == pytest.approx(flux * 7000.0 * 5.03412e7 * COLLECTING_AREA, rel=1e-4)


@pytest.mark.parametrize("name", SCENES)
def test_a_seed_gives_the_same_scene_and_another_a_different_one(name: str) -> None:
    one, same, other = make_scene(name, seed=3), make_scene(name, seed=3), make_scene(name, seed=4)
    assert (one.ra, one.dec) == SCENES[name]
    if name == "empty":
        assert not one.sources
        return
    assert [source.xi for source in one.sources] != [source.xi for source in other.sources]
    for source, twin in zip(one.sources, same.sources, strict=True):
        assert (source.name, source.xi, source.eta) == (twin.name, twin.xi, twin.eta)
        np.testing.assert_array_equal(source.flux_continuum, twin.flux_continuum)
        np.testing.assert_array_equal(source.line_flux, twin.line_flux)
    assert len({source.name for source in one.sources}) == len(one.sources)
    assert all(np.all(source.template >= 0.0) and np.all(source.line_flux > 0.0) for source in one.sources)


def test_every_strip_of_two_ifus_has_sources_to_align_by() -> None:
    for seed in range(5):
        xi, eta = strewn(np.random.default_rng(seed))
        for low in np.arange(-28.8, 24.1, 2.4):
            assert np.sum((eta > low + 0.2) & (eta < low + 4.6) & (np.abs(xi) < 29.0)) >= 6
            assert np.sum((eta > low + 1.2) & (eta < low + 5.6) & (np.abs(xi) < 29.0)) >= 5
            assert np.sum((xi > low + 0.2) & (xi < low + 4.6) & (np.abs(eta) < 29.0)) >= 3


def test_deep_field_has_galaxies_of_all_kinds() -> None:
    sources = make_scene("deep-field").sources
    emitters = [source for source in sources if source.name.startswith("lyman-alpha")]
    assert len(emitters) >= 10
    for source in emitters:
        assert source.line_wavelength[0] == pytest.approx(1215.67 * (1.0 + source.redshift), rel=4e-4)
        assert not source.flux_continuum.any()
    assert 25 <= sum(source.kind == "extended" and source.flux_continuum.any() for source in sources) <= 70
    assert sum(source.kind == "point" for source in sources) > 50


def test_narrow_field_scene_shrinks() -> None:
    wide, narrow = make_scene("deep-field").sources, make_scene("deep-field", size=7.5).sources
    assert narrow[5].xi == pytest.approx(wide[5].xi / 8.0)


def test_magnitudes_and_wavelengths() -> None:
    assert flux_of_magnitude(0.0) == pytest.approx(3.6e-9, rel=0.01)
    assert np.interp(5500.0, FINE, star_template(5800)) == pytest.approx(1.0, abs=0.01)
    # Ne I: 5854.1101 in vacuum, 5852.4878 in air (NIST)
    assert air_of_vacuum(np.array(5854.1101)) == pytest.approx(5852.4878, abs=5e-4)
    assert vacuum_of_air(np.array(5852.4878)) == pytest.approx(5854.1101, abs=5e-4)
    wavelength, flux = emission_lines({"Halpha": 2.0, "Lya": 1.0}, 0.0)
    assert wavelength == pytest.approx([6562.82], abs=0.01)
    assert flux == pytest.approx([2.0])


def test_tangent_plane_and_back() -> None:
    xi, eta = np.array([-30.0, 0.0, 45.0]), np.array([10.0, 0.0, -50.0])
    ra, dec = sky_position(xi, eta, 0.001, -89.0)
    assert np.all((ra >= 0.0) & (ra < 360.0))
    back = tangent_offsets(ra, dec, 0.001, -89.0)
    np.testing.assert_allclose(back, [xi, eta], atol=1e-6)


def test_satellite_crosses_the_field_with_sunlight() -> None:
    trail = satellite_component(5, CLEAR, exposure_time=600.0)
    assert trail.frame == "field"
    again, other = satellite_component(5, CLEAR), satellite_component(6, CLEAR)
    assert again.pattern == trail.pattern != other.pattern
    angle, distance = np.radians(trail.pattern.angle), trail.pattern.distance
    assert abs(distance) < 15.0
    across = np.arange(-30.0, 30.0, 0.02)
    x, y = across * np.cos(angle), across * np.sin(angle)
    density = trail.pattern.density(x, y, np.array(5000.0))
    assert density.sum() * 0.02 == pytest.approx(1.0, abs=1e-3)
    assert across[density.argmax()] == pytest.approx(distance, abs=0.02)
    bottom = np.interp([6562.8, 6600.0], FINE, trail.spectrum.continuum)
    assert bottom[0] < 0.5 * bottom[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "galaxies"}, "scene 'galaxies' is unknown; give one of deep-field"),
        ({"name": "deep-field", "ra": 400.0}, "right ascension 400.0"),
        ({"name": "deep-field", "dec": -95.0}, "declination -95.0"),
        ({"name": "standard:Sirius"}, "Sirius"),
        ({"name": "astrometry:Nowhere"}, "Nowhere"),
    ],
)
def test_refusals(arguments: dict, words: str) -> None:
    with pytest.raises(MusedeepError, match=words) as error:
        make_scene(**arguments)
    assert "\n" not in str(error.value)
