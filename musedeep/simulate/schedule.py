"""A night's exposures: calibrations of the day, twilight, standards, and the science target around its meridian."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from astropy.time import Time

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.lamps import ARC_TIME, FLAT_TIME, TWILIGHT_TIME
from musedeep.simulate.optics import CALIBRATION_TEMPERATURE, stream
from musedeep.simulate.pinholes import MASK_TIME
from musedeep.simulate.pointing import SECONDS_PER_DAY, airmass, local_sidereal_time
from musedeep.simulate.scene import Scene, make_scene
from musedeep.simulate.spectrum import FINE
from musedeep.statics.fields import field_names, load_astrometric_field
from musedeep.statics.load import load_standard, standard_names

FIRST_DAY: Final = 57001
"""MJD of the day in which the search for a fitting night begins (2014-12-10)."""
MIDNIGHT: Final = 0.18
"""Fraction of the MJD in the middle of a night on Paranal."""
READ_OUT: Final = 75.0
"""Seconds between exposures."""
SCHEDULE: Final = 6
"""Purpose of random numbers, beside those of optics.py and frame.py."""
GOOD_STANDARDS: Final = ("GD71", "GD153", "Feige110", "LTT7987", "EG274", "LTT3218")
"""White dwarfs and subdwarfs with spectra of Moehler et al. (2014)."""
STANDARD_FLUENCE: Final = 7e-12
"""Flux density times exposure time of a standard, erg/cm2/Angstrom: 20,000 electrons in its brightest pixel."""
DITHER: Final = 2.0
"""Radius of the science dithers, arcsec."""


@dataclass(frozen=True)
class Counts:
    """How many exposures of each kind; the defaults are the calibration plan of ESO.

    Attributes
    ----------
    arcs : of each lamp
    masks : steps of the pinhole mask; 0: none, at least 50 for muse_geometry
    """

    biases: int = 11
    darks: int = 5
    flats: int = 11
    arcs: int = 5
    masks: int = 0
    twilights: int = 4
    objects: int = 4
    exposure_time: float = 600.0
    dark_time: float = 1800.0


SMALL: Final = Counts(biases=3, darks=3, flats=3, arcs=3, twilights=3, objects=2)
"""The fewest exposures that the reference's recipes take."""


class Clock:
    """Hands out times, one after the other."""

    def __init__(self, mjd: float) -> None:
        self.mjd = mjd
        self.index = 0

    def take(self, seconds: float) -> dict[str, Any]:
        """Number and start of an exposure of a length; the next starts after it has been read out."""
        self.index += 1
        start = round(self.mjd * SECONDS_PER_DAY, 3) / SECONDS_PER_DAY
        self.mjd += (seconds + READ_OUT) / SECONDS_PER_DAY
        date = str(Time(start, format="mjd", scale="utc", precision=3).isot)
        return {"index": self.index, "date_obs": date, "mjd": round(start, 8), "exposure_time": seconds}

    def until(self, mjd: float) -> None:
        """Wait."""
        self.mjd = max(self.mjd, mjd)


def night_schedule(mode: str, scene: Scene, seed: int, counts: Counts, n_ifus: int = N_IFUS) -> list[Exposure]:
    """The exposures of a night that fits the target.

    Parameters
    ----------
    mode : INS MODE
    scene : the science target
    seed : of dithers, pointing errors and weather
    counts : how many exposures
    n_ifus : how many IFUs there are; with all of them the science exposures are turned by 90 degrees from one to the
        next and dithered in both directions, a strip of a few is turned by 180 and dithered along itself

    Returns
    -------
    exposures in the order of their times
    """
    night = _night_of(scene.ra)
    return [
        *_day(Clock(night - 0.45), mode, counts),
        *_dark_hours(night, mode, scene, seed, counts, n_ifus),
    ]


def _night_of(ra: float) -> int:
    """First MJD whose night has a right ascension (degrees) on the meridian near midnight."""
    days = [abs((local_sidereal_time(FIRST_DAY + day + MIDNIGHT) - ra + 180.0) % 360.0 - 180.0) for day in range(366)]
    near = [day for day, distance in enumerate(days) if distance < 40.0]
    return FIRST_DAY + near[0]


def _day(clock: Clock, mode: str, counts: Counts) -> Iterator[Exposure]:
    """Calibrations of the afternoon."""
    common: dict[str, Any] = {"mode": mode, "instrument_temperature": CALIBRATION_TEMPERATURE}
    for _ in range(counts.biases):
        yield Exposure(kind="BIAS", **common, **clock.take(0.0))
    for _ in range(counts.darks):
        yield Exposure(kind="DARK", **common, **clock.take(counts.dark_time))
    for _ in range(counts.flats):
        yield Exposure(kind="FLAT", **common, **clock.take(FLAT_TIME))
    for lamp, seconds in ARC_TIME.items():
        for _ in range(counts.arcs):
            yield Exposure(kind="ARC", lamp=lamp, **common, **clock.take(seconds))
    for step in range(counts.masks):
        yield Exposure(kind="MASK", mask_step=step, **common, **clock.take(MASK_TIME))


def _dark_hours(night: int, mode: str, scene: Scene, seed: int, counts: Counts, n_ifus: int) -> Iterator[Exposure]:
    """Twilight, standard, astrometric field, sky, and the target, each with its ILLUM."""
    rng = stream(seed, SCHEDULE)
    clock = Clock(night - 0.01)
    clock.index = 1000
    size = 60.0 if mode.startswith("WFM") else 7.5
    start = night + MIDNIGHT - 0.5 * counts.objects * (counts.exposure_time + READ_OUT) / SECONDS_PER_DAY - 0.05

    def air(temperature: float) -> dict[str, Any]:
        """Weather and temperature of one exposure."""
        return {
            "mode": mode,
            "instrument_temperature": temperature,
            "seeing": round(float(rng.uniform(0.6, 0.9)), 3),
            "precipitable_water": round(float(rng.uniform(1.5, 4.0)), 2),
            "temperature": round(temperature - 1.0, 2),
            "humidity": round(float(rng.uniform(8.0, 20.0)), 1),
            "pressure": round(float(rng.uniform(742.0, 745.0)), 2),
        }

    yield Exposure(kind="ILLUM", mode=mode, instrument_temperature=12.2, **clock.take(FLAT_TIME))
    for _ in range(counts.twilights):
        yield Exposure(kind="SKYFLAT", **air(12.2), **clock.take(TWILIGHT_TIME))
    clock.until(start)
    star, field = _calibrators(clock.mjd, seed, size)
    for kind, target, seconds in (("STD", star, _standard_time(star)), ("ASTROMETRY", field, 120.0)):
        yield Exposure(kind="ILLUM", mode=mode, instrument_temperature=11.6, **clock.take(FLAT_TIME))
        yield Exposure(kind=kind, scene=target, ra=target.ra, dec=target.dec, **air(11.6), **clock.take(seconds))
    yield Exposure(kind="ILLUM", mode=mode, instrument_temperature=11.2, **clock.take(FLAT_TIME))
    blank = make_scene("empty", scene.ra, _beside(scene.dec), seed=seed, size=size)
    seconds = counts.exposure_time / 2
    yield Exposure(kind="SKY", scene=blank, ra=blank.ra, dec=blank.dec, **air(11.2), **clock.take(seconds))
    for number in range(counts.objects):
        exposure = Exposure(kind="OBJECT", scene=scene, **air(11.2), **clock.take(counts.exposure_time))
        yield replace(exposure, **_placed(scene, number, counts.objects, n_ifus, rng))


def _placed(scene: Scene, number: int, total: int, n_ifus: int, rng: np.random.Generator) -> dict[str, Any]:
    """Where one of the science exposures points, and what was special about it."""
    direction = 2.0 * np.pi * number / max(total, 1)
    radius = DITHER if number else 0.0
    wide = n_ifus >= N_IFUS / 2
    angle = (90.0 if wide else 180.0) * number % 360.0
    east, north = radius * np.cos(direction), radius * np.sin(direction) * min(1.0, n_ifus / N_IFUS)
    error = rng.normal(0.0, 0.15, 2) if number else np.zeros(2)
    return {
        "ra": round(scene.ra + east / 3600.0 / float(np.cos(np.radians(scene.dec))), 8),
        "dec": round(scene.dec + north / 3600.0, 8),
        "position_angle": angle,
        "pointing_error": (round(float(error[0]), 4), round(float(error[1]), 4)),
        # the last of several is taken through clouds, a satellite crosses the third
        "transparency": 0.85 if total > 2 and number == total - 1 else 1.0,
        "satellite": number == 2,
        "sky_brightness": round(1.0 + 0.03 * number, 3),
    }


def _calibrators(mjd: float, seed: int, size: float) -> tuple[Scene, Scene]:
    """The standard star (one with a good spectrum) and the astrometric field that stand highest."""
    stars = [load_standard(name) for name in standard_names() if name in GOOD_STANDARDS]
    star = min(stars, key=lambda standard: airmass(standard.ra, standard.dec, mjd)).name
    fields = {name: load_astrometric_field(name) for name in field_names()}
    field = min(fields, key=lambda name: airmass(fields[name].ra, fields[name].dec, mjd))
    return make_scene(f"standard:{star}", seed=seed, size=size), make_scene(f"astrometry:{field}", seed=seed, size=size)


def _standard_time(star: Scene) -> float:
    """Exposure time that leaves the star's peak well below saturation, s."""
    brightest = float(star.sources[0].flux_continuum[np.abs(FINE - 5500.0) < 1000.0].max())
    return float(np.clip(round(STANDARD_FLUENCE / brightest), 1, 120))


def _beside(dec: float) -> float:
    """Declination of a blank field near a target."""
    return dec + 0.1 if dec < 0.0 else dec - 0.1


def single_frames(kind: str, mode: str, number: int, seed: int, lamp: str | None, scene: Scene) -> list[Exposure]:
    """Exposures of one kind alone.

    Raises
    ------
    MusedeepError
        An unknown kind.
    """
    if kind in ("BIAS", "DARK", "FLAT", "ARC", "MASK"):
        counts = {"BIAS": "biases", "DARK": "darks", "FLAT": "flats", "ARC": "arcs", "MASK": "masks"}[kind]
        none = Counts(biases=0, darks=0, flats=0, arcs=0, masks=0)
        day = _day(Clock(FIRST_DAY + 0.55), mode, replace(none, **{counts: number}))
        return [exposure for exposure in day if lamp is None or exposure.lamp == lamp]
    counts_all = Counts(twilights=number, objects=number)
    taken = [e for e in _dark_hours(_night_of(scene.ra), mode, scene, seed, counts_all, N_IFUS) if e.kind == kind]
    if not taken:
        known = "BIAS, DARK, FLAT, ILLUM, ARC, MASK, SKYFLAT, STD, SKY, OBJECT, ASTROMETRY"
        raise MusedeepError(f"frame type '{kind}' is unknown; the types are {known}")
    return taken[:number]
