"""What the histogram of a deep cube near zero flux has to be: noise, light of the scene, and the sky that is left.

QCFLAG asks whether HISTO_17 is above -20e-20 erg/s/cm2/Angstrom, whatever the reason: a sky that is subtracted too
much, or the noise of short exposures. The truth has to count both.

1. Places in the field and planes of the cube are drawn. The light of the scene is that of the simulator.
2. Electrons of scene, sky and dark current in a pixel, the read-out noise and that of the master bias give the noise of
   a pixel of each exposure; the efficiency and the extinction turn it into flux.
3. The drizzle weighs pixels by the volume of their drops in a voxel, which depends on where they fall: places within a
   pixel are drawn, too.
4. The sky is in the cube (crowded), or subtracted with the scene's light in the darkest fifth of the spaxels
   (standard), or subtracted as the exposure of the blank sky has it.

The flux of slices, bad pixels and errors of the calibrations are left out. Where noise decides, HISTO_17 comes out
within a tenth; where starlight is subtracted, its size is rough. A fit of the sky lines that has not converged leaves
lines in the cube; they are left out, too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import COLLECTING_AREA
from musedeep.quality.histogram import FluxHistogram
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component
from musedeep.simulate.detector import DARK
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import atmosphere_of
from musedeep.simulate.job import Job
from musedeep.simulate.optics import PIXEL_SCALE, stream
from musedeep.simulate.pointing import point
from musedeep.simulate.scene import Scene, scene_components
from musedeep.simulate.sky import sky_components
from musedeep.simulate.spectrum import FINE, Spectrum
from musedeep.simulate.templates import photons

Array = NDArray[np.float64]

PLACES: Final = 600
"""In the field."""
EVERY: Final = 8
"""Planes of which one is used."""
LIMITS: Final = (4750.0, 9350.0)
"""Of the nominal wavelengths [Angstrom]."""
STEP: Final = 1.25
"""Width of a pixel and of a voxel [Angstrom]."""
LINE_SIGMA: Final = 1.08
"""Standard deviation of a line [Angstrom]."""
DROP: Final = 0.6
"""Of pixels in the drizzle (pixfrac)."""
DARKEST: Final = 0.2
"""Fraction of spaxels that the standard method takes for the sky."""
DIMMEST: Final = 0.01
"""Efficiency below which there are no data."""
UNIT: Final = 1e-20
"""Of fluxes [erg/s/cm2/Angstrom]."""
BACKGROUND: Final = 19
"""Purpose of random numbers, beside those of layout.py."""


@dataclass(frozen=True)
class Shot:
    """An exposure of a cube: its night, and the exposure of the blank sky that belongs to it."""

    job: Job
    exposure: Exposure
    blank: Exposure | None = None


def expected_histogram(shots: Sequence[Shot], scene: Scene, crowded: bool) -> FluxHistogram:
    """The histogram of fluxes of a cube of some exposures of equal weight.

    Parameters
    ----------
    crowded : the sky is not subtracted where there is no exposure of it
    """
    first = shots[0]
    rng = stream(first.job.seed, BACKGROUND, first.exposure.index)
    waves = np.arange(LIMITS[0], LIMITS[1], EVERY * STEP)
    modes = {shot.job.instrument.mode for shot in shots}
    # the notch filter of sodium lets nothing through
    waves = waves[np.min([efficiency(waves, mode) for mode in modes], axis=0) > DIMMEST]
    instrument = first.job.instrument
    spaxel = PIXEL_SCALE[instrument.mode[:3]]
    optics = [instrument.ifu(number) for number in instrument.ifus]
    limits = np.array([one.limits for one in optics])
    x = rng.uniform(limits[:, 0].min(), limits[:, 1].max(), PLACES)
    y = rng.uniform(limits[:, 2].min(), limits[:, 3].max(), PLACES)
    throughput = float(np.mean([one.throughput.mean() for one in optics]))
    ports = [quadrant for one in optics for quadrant in one.detector.quadrants]
    read_out = float(np.mean([np.square(port.read_noise) + np.square(port.gain) / 12.0 for port in ports]))
    nights = Counter(int(shot.exposure.mjd - 0.5) for shot in shots)
    values, variance = np.zeros((waves.size, PLACES)), np.zeros((waves.size, PLACES))
    for shot in shots:
        job, one, blank = shot.job, shot.exposure, shot.blank
        passed = throughput * efficiency(waves, job.instrument.mode)
        biases = max(1, sum(frame.kind == "BIAS" for frame in job.exposures))
        air = atmosphere_of(one, job.effects)
        east, north = point(one, air, job.effects, job.instrument.aim).sky(x, y, np.full(PLACES, 7000.0))
        light = _scene_light(scene, air, waves, east, north) * spaxel**2
        sky = sky_light(one.sky_brightness, air, waves) * spaxel**2
        electrons = one.exposure_time * STEP * passed
        count = (light + sky[:, None]) * electrons[:, None] + DARK * one.exposure_time / 3600.0
        # photons a second and Angstrom to flux above the air
        passes = air.extinction(waves) * air.telluric(waves)
        flux = 1.0 / (photons(np.full(waves.size, UNIT), waves, COLLECTING_AREA) * passes)
        if blank is not None:
            left = sky - sky_light(blank.sky_brightness, atmosphere_of(blank, job.effects), waves) * spaxel**2
        elif crowded:
            left = sky
        else:
            dark = light.mean(axis=0) <= np.quantile(light.mean(axis=0), DARKEST)
            left = -light[:, dark].mean(axis=1)
        values += (light + left[:, None]) * flux[:, None]
        # a master bias is the same for all exposures of its night
        bias = read_out / biases * nights[int(one.mjd - 0.5)]
        variance += (count + read_out + bias) * np.square(flux / electrons)[:, None]
    number = len(shots)
    noise = np.sqrt(variance / number * drizzle_factors(rng, number, variance.shape))
    found = FluxHistogram()
    found.add(values / number + noise * rng.standard_normal(noise.shape))
    return found


def drizzle_factors(rng: np.random.Generator, exposures: int, shape: tuple[int, ...]) -> Array:
    """Variance of voxels over that of pixels, sum of w^2 over (sum of w)^2, for random places of pixels, float64.

    Pixels are as large as voxels; weights are volumes of their drops in a voxel.
    """
    once, square = np.zeros(shape), np.zeros(shape)
    for _ in range(exposures):
        sums, squares = np.ones(shape), np.ones(shape)
        for _axis in range(3):
            place = rng.uniform(-0.5, 0.5, shape)
            # of three pixels along each axis
            weights = [np.clip(0.5 + 0.5 * DROP - np.abs(place + k), 0.0, DROP) for k in (-1, 0, 1)]
            sums *= sum(weights)
            squares *= sum(np.square(weight) for weight in weights)
        once += sums
        square += squares
    return square / np.square(once)


def _spectrum(spectrum: Spectrum, waves: Array) -> Array:
    """A spectrum as pixels at some wavelengths see it."""
    total = np.interp(waves, FINE, spectrum.continuum)
    if spectrum.line_flux.size:
        offset = (waves[:, None] - spectrum.line_wavelength) / LINE_SIGMA
        total += np.exp(-0.5 * np.square(offset)) @ (spectrum.line_flux / (LINE_SIGMA * np.sqrt(2.0 * np.pi)))
    return np.asarray(total)


def sky_light(brightness: float, air: Atmosphere, waves: Array) -> Array:
    """Photons of the sky a second, Angstrom and square arcsec at the telescope, of the shape of `waves` [Angstrom]."""
    return np.asarray(sum(_spectrum(one.spectrum, waves) for one in sky_components(air, brightness)))


def _scene_light(scene: Scene, air: Atmosphere, waves: Array, east: Array, north: Array) -> Array:
    """Photons a second, Angstrom and square arcsec, float64 (planes, places)."""
    total = np.zeros((waves.size, east.size))
    middle = np.array(0.5 * (LIMITS[0] + LIMITS[1]))
    for one in scene_components(scene, air):
        bounds = one.bounds() if not isinstance(one, Component) else one.pattern.bounds()
        near = np.ones(east.size, np.bool_)
        if bounds is not None:
            near = np.hypot(east - bounds[0], north - bounds[1]) < bounds[2]
        if not near.any():
            continue
        if isinstance(one, Component):
            density = one.pattern.density(east[near], north[near], middle)
            total[:, near] += _spectrum(one.spectrum, waves)[:, None] * density
        else:
            total[:, near] += one.sample(east[None, near], north[None, near], waves[:, None])
    return total
