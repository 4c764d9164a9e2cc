"""A night's exposures: calibrations of the day, twilight, standards, and the science target around its meridian."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from astropy.time import Time

from musedeep.errors import MusedeepError
from musedeep.instrument import LATITUDE, N_IFUS
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.lamps import ARC_TIME, FLAT_TIME, TWILIGHT_TIME
from musedeep.simulate.monitoring import series_times
from musedeep.simulate.optics import CALIBRATION_TEMPERATURE, stream
from musedeep.simulate.pinholes import MASK_TIME
from musedeep.simulate.pointing import SECONDS_PER_DAY, airmass, local_sidereal_time, zenith_distance
from musedeep.simulate.scene import Scene, make_scene
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.sun import MINUTE, sun_altitude, sunset
from musedeep.sky_angles import ra_on_circle
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
WIDE: Final = 60.0
"""Side of the field of view in the wide-field mode, arcsec."""
SHARP: Final = 0.125
"""Width of stars in the narrow-field mode over the natural one; the ratio of the spaxels."""
DITHER: Final = 2.0
"""Radius of the science dithers, arcsec."""
DAY_START: Final = 0.45
"""Fraction of a day from the day's first calibration to the MJD of the night; earlier if there are many of them."""
TWILIGHT_SUN: Final = -3.5
DARK_SUN: Final = -15.0
"""Altitude of the sun when twilight flats and when the night begin, degrees."""
HIGH: Final = 60.0
LOWEST: Final = 70.0
"""Zenith distance within which a target is observed if it comes so high, and the telescope's limit, degrees."""
ILLUM_PERIOD: Final = 1.0 / 24.0
"""A science exposure is taken at most this long after an ILLUM, days."""


@dataclass(frozen=True)
class Counts:
    """How many exposures of each kind; the defaults are the calibration plan of ESO.

    Attributes
    ----------
    arcs : of each lamp
    lsf_arcs : of each lamp in a long series for the line-spread function; 0: none, muse_lsf takes the arcs
    masks : steps of the pinhole mask; 0: none, at least 50 for muse_geometry
    exposure_time, dark_time : of science exposures (the blank sky gets half of it) and of darks, s
    """

    biases: int = 11
    darks: int = 5
    flats: int = 11
    arcs: int = 5
    lsf_arcs: int = 0
    masks: int = 0
    twilights: int = 4
    standards: int = 1
    fields: int = 1
    skies: int = 1
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
    exposures in the order of their times; those that one night does not hold follow in the next ones

    Raises
    ------
    MusedeepError
        The target does not rise high enough, or not for so long an exposure.
    """
    night = _night_of(scene.ra)
    day = list(day_calibrations(Clock(night - DAY_START), mode, counts))
    if day:
        end = day[-1].mjd + (day[-1].exposure_time + READ_OUT) / SECONDS_PER_DAY
        late = end - (sunset(night, TWILIGHT_SUN) - 0.02)
        if late > 0.0:
            day = list(day_calibrations(Clock(night - DAY_START - late), mode, counts))
    return [*day, *_dark_hours(night, mode, scene, seed, counts, n_ifus, max(1000, len(day)))]


def _night_of(ra: float) -> int:
    """First MJD whose night has a right ascension (degrees) on the meridian near midnight."""
    days = [abs((local_sidereal_time(FIRST_DAY + day + MIDNIGHT) - ra + 180.0) % 360.0 - 180.0) for day in range(366)]
    near = [day for day, distance in enumerate(days) if distance < 40.0]
    return FIRST_DAY + near[0]


def day_calibrations(clock: Clock, mode: str, counts: Counts) -> Iterator[Exposure]:
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
    for lamp, seconds in ARC_TIME.items():
        for _ in range(counts.lsf_arcs):
            yield Exposure(kind="ARC_LSF", lamp=lamp, **common, **clock.take(seconds))
    for step in range(counts.masks):
        yield Exposure(kind="MASK", mask_step=step, **common, **clock.take(MASK_TIME))


def _dark_hours(
    night: int, mode: str, scene: Scene, seed: int, counts: Counts, n_ifus: int, before: int = 1000
) -> Iterator[Exposure]:
    """Twilight, standard, astrometric field, sky, and the target, each with its ILLUM; numbers follow `before`."""
    rng = stream(seed, SCHEDULE)
    clock = Clock(sunset(night, TWILIGHT_SUN))
    clock.index = before
    start = night + MIDNIGHT - 0.5 * counts.objects * (counts.exposure_time + READ_OUT) / SECONDS_PER_DAY - 0.05
    yield from twilight_flats(clock, mode, counts, rng)
    clock.until(max(start, sunset(night, DARK_SUN)))
    yield from calibrators(clock, mode, seed, counts, rng)
    wait(clock, scene, counts.exposure_time)
    shown = illumination(clock, mode, 11.2)
    yield shown
    blank = blank_sky(scene, seed, mode)
    seconds = counts.exposure_time / 2
    for _ in range(counts.skies):
        at = weather(rng, mode, 11.2)
        yield Exposure(kind="SKY", scene=blank, ra=blank.ra, dec=blank.dec, **at, **clock.take(seconds))
    for number in range(counts.objects):
        wait(clock, scene, counts.exposure_time)
        if clock.mjd - shown.mjd > ILLUM_PERIOD:
            shown = illumination(clock, mode, 11.2)
            yield shown
        at = weather(rng, mode, 11.2)
        exposure = Exposure(kind="OBJECT", scene=scene, **at, **clock.take(counts.exposure_time))
        yield replace(exposure, **_placed(scene, number, counts.objects, n_ifus, rng))


def twilight_flats(clock: Clock, mode: str, counts: Counts, rng: np.random.Generator) -> Iterator[Exposure]:
    """Twilight flats from the time of the clock on, and their ILLUM; `rng` draws the weather."""
    yield illumination(clock, mode, 12.2)
    for _ in range(counts.twilights):
        # at the zenith
        ra = ra_on_circle(round(local_sidereal_time(clock.mjd), 5))
        at = weather(rng, mode, 12.2)
        yield Exposure(kind="SKYFLAT", ra=ra, dec=LATITUDE, **at, **clock.take(TWILIGHT_TIME))


def calibrators(clock: Clock, mode: str, seed: int, counts: Counts, rng: np.random.Generator) -> Iterator[Exposure]:
    """Standard and astrometric field of a seed from the time of the clock on, each with its ILLUM."""
    star, field = _calibrators(clock.mjd, seed, side(mode))
    for kind, target, seconds, number in (
        ("STD", star, _standard_time(star), counts.standards),
        ("ASTROMETRY", field, 120.0, counts.fields),
    ):
        yield illumination(clock, mode, 11.6)
        for _ in range(number):
            at = weather(rng, mode, 11.6)
            yield Exposure(kind=kind, scene=target, ra=target.ra, dec=target.dec, **at, **clock.take(seconds))


def weather(rng: np.random.Generator, mode: str, temperature: float) -> dict[str, Any]:
    """Weather of one exposure, drawn; mode, and temperature of the instrument [degrees Celsius]."""
    return {
        "mode": mode,
        "instrument_temperature": temperature,
        "seeing": _seeing(float(rng.uniform(0.6, 0.9)), mode),
        "precipitable_water": round(float(rng.uniform(1.5, 4.0)), 2),
        "temperature": round(temperature - 1.0, 2),
        "humidity": round(float(rng.uniform(8.0, 20.0)), 1),
        "pressure": round(float(rng.uniform(742.0, 745.0)), 2),
    }


def illumination(clock: Clock, mode: str, temperature: float) -> Exposure:
    """An ILLUM at a temperature of the instrument [degrees Celsius]."""
    return Exposure(kind="ILLUM", mode=mode, instrument_temperature=temperature, **clock.take(FLAT_TIME))


def side(mode: str) -> float:
    """Of the field of view of an instrument mode [arcsec]."""
    return WIDE if mode.startswith("WFM") else 7.5


def blank_sky(scene: Scene, seed: int, mode: str) -> Scene:
    """The blank field near a target."""
    return make_scene("empty", scene.ra, _beside(scene.dec), seed=seed, size=side(mode))


def _seeing(natural: float, mode: str) -> float:
    """Width of a star in an instrument mode, arcsec, of the natural one: adaptive optics sharpen the narrow field."""
    return round(natural, 3) if mode.startswith("WFM") else round(natural * SHARP, 4)


def wait(clock: Clock, scene: Scene, seconds: float) -> None:
    """Wait until it is dark and a target stands high for the length of an exposure (with an ILLUM before it).

    Raises MusedeepError if that never happens.
    """
    lowest = abs(scene.dec - LATITUDE)
    limit = max(HIGH, lowest + 5.0)
    length = (seconds + READ_OUT + FLAT_TIME) / SECONDS_PER_DAY
    if limit <= LOWEST:
        for wait in range(0, 366 * 1440, 10):
            times = clock.mjd + wait * MINUTE, clock.mjd + wait * MINUTE + length
            dark = all(sun_altitude(time) < DARK_SUN for time in times) and length < 0.6
            if dark and all(zenith_distance(scene.ra, scene.dec, time) < limit for time in times):
                clock.until(times[0])
                return
    raise MusedeepError(
        f"scene '{scene.name}' at declination {scene.dec:.2f}: from Paranal it cannot be observed for {seconds:g} s "
        f"above {90.0 - LOWEST:.0f} degrees in the dark; give another --dec or a shorter --exposure-time"
    )


def _placed(scene: Scene, number: int, total: int, n_ifus: int, rng: np.random.Generator) -> dict[str, Any]:
    """Where one of the science exposures points, and what was special about it."""
    direction = 2.0 * np.pi * number / max(total, 1)
    radius = DITHER if number else 0.0
    wide = n_ifus >= N_IFUS / 2
    angle = (90.0 if wide else 180.0) * number % 360.0
    east, north = radius * np.cos(direction), radius * np.sin(direction) * min(1.0, n_ifus / N_IFUS)
    error = rng.normal(0.0, 0.15, 2) if number else np.zeros(2)
    return {
        "ra": ra_on_circle(round(scene.ra + east / 3600.0 / float(np.cos(np.radians(scene.dec))), 8)),
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
    fields = {name: load_astrometric_field(name) for name in field_names(narrow=size < WIDE)}
    field = min(fields, key=lambda name: airmass(fields[name].ra, fields[name].dec, mjd))
    return make_scene(f"standard:{star}", seed=seed, size=size), make_scene(f"astrometry:{field}", seed=seed, size=size)


def _standard_time(star: Scene) -> float:
    """Exposure time that leaves the star's peak well below saturation, s."""
    brightest = float(star.sources[0].flux_continuum[np.abs(FINE - 5500.0) < 1000.0].max())
    return float(np.clip(round(STANDARD_FLUENCE / brightest), 1, 120))


def _beside(dec: float) -> float:
    """Declination of a blank field near a target."""
    return dec + 0.1 if dec < 0.0 else dec - 0.1


def _monitoring(clock: Clock, kind: str, mode: str, number: int) -> list[Exposure]:
    """Exposures that monitor the detectors; those with the lamp follow the dark ones."""
    times = [0.0] * number if kind == "LINGAIN_LAMP_OFF" else [FLAT_TIME] * number
    if kind == "LINGAIN_LAMP_ON":
        clock = Clock(clock.mjd + 0.05)
        clock.index = 100
        times = [seconds for seconds in series_times(number) for _ in range(2)]
    made = [clock.take(seconds) for seconds in times]
    return [Exposure(kind=kind, mode=mode, instrument_temperature=CALIBRATION_TEMPERATURE, **one) for one in made]


DAY_COUNTS: Final = {
    "BIAS": "biases", "DARK": "darks", "FLAT": "flats", "ARC": "arcs", "ARC_LSF": "lsf_arcs", "MASK": "masks",
}  # fmt: skip
NIGHT_COUNTS: Final = {
    "SKYFLAT": "twilights", "STD": "standards", "ASTROMETRY": "fields", "SKY": "skies", "OBJECT": "objects",
}  # fmt: skip
MONITORING: Final = ("LINGAIN_LAMP_OFF", "LINGAIN_LAMP_ON", "AMPL")
KINDS: Final = (*DAY_COUNTS, "ILLUM", "ILLUMFLAT", *NIGHT_COUNTS, *MONITORING)
"""Types of raw frames, and what of `Counts` belongs to them."""


def single_frames(
    kind: str, mode: str, number: int, seed: int, lamp: str | None, scene: Scene, exposure_time: float | None = None
) -> list[Exposure]:
    """Exposures of one kind alone.

    Parameters
    ----------
    kind : one of `KINDS`
    mode : INS MODE
    number : how many; of each lamp for arcs, pairs of one exposure time each for LINGAIN_LAMP_ON
    seed : of dithers, pointing errors and weather
    lamp : of arcs; None: each
    scene : what OBJECT exposures look at, and beside which SKY exposures lie
    exposure_time : of DARK, SKY and OBJECT, s; None: the usual one

    Raises
    ------
    MusedeepError
        An unknown kind; a target that cannot be observed.
    """
    if kind not in KINDS:
        raise MusedeepError(f"frame type '{kind}' is unknown; the types are {', '.join(KINDS)}")
    if kind in DAY_COUNTS:
        counts = Counts(biases=0, darks=0, flats=0, arcs=0, dark_time=exposure_time or Counts.dark_time)
        day = day_calibrations(Clock(FIRST_DAY + 0.55), mode, replace(counts, **{DAY_COUNTS[kind]: number}))
        return [exposure for exposure in day if lamp is None or exposure.lamp == lamp]
    if kind in MONITORING:
        return _monitoring(Clock(FIRST_DAY + 0.55), kind, mode, number)
    night = _night_of(scene.ra)
    if kind in ("ILLUM", "ILLUMFLAT"):
        clock = Clock(night + MIDNIGHT)
        made = [clock.take(FLAT_TIME) for _ in range(number)]
        return [Exposure(kind=kind, mode=mode, instrument_temperature=11.2, **taken) for taken in made]
    counts = replace(Counts(), **{NIGHT_COUNTS[kind]: number})
    if exposure_time is not None:
        # the blank sky gets half of what is said here
        counts = replace(counts, exposure_time=exposure_time * (2.0 if kind == "SKY" else 1.0))
    return [e for e in _dark_hours(night, mode, scene, seed, counts, N_IFUS) if e.kind == kind]
