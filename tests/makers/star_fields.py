"""Images and pixel tables of stars with known places, for astrometry."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.kernels.field.tangent import sky_position
from musedeep.statics.fields import AstrometricField
from musedeep.statics.formats import astrometry_reference
from tests.makers.pixel_tables import detector_rows, primary_header, write_rows

POINTING = (84.67, -69.1)
FWHM = 3.5
"""Of the stars [pixel]."""
UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}

Floats = NDArray[np.float64]


def moffat(x: Floats, y: Floats, place: tuple[float, float], peak: float, exponent: float = 2.8) -> Floats:
    """A star at places of the same shape."""
    core = 0.5 * FWHM / np.sqrt(2.0 ** (1.0 / exponent) - 1.0)
    return np.asarray(peak * (1.0 + ((x - place[0]) ** 2 + (y - place[1]) ** 2) / core**2) ** -exponent)


def star_image(
    places: Floats, peaks: Floats, shape: tuple[int, int], noise: float = 1.0, seed: int = 1, sky: float = 20.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An image of stars (x, y from 0) over a sky, and its variances; a corner has no data."""
    y, x = np.indices(shape).astype(float)
    image = np.full(shape, sky)
    for place, peak in zip(places, peaks, strict=True):
        image += moffat(x, y, tuple(place), peak)
    variance = noise**2 * np.maximum(image, 1.0) / sky
    image += np.random.default_rng(seed).normal(size=shape) * np.sqrt(variance)
    image[:3, :3] = np.nan
    return image.astype(np.float32), variance.astype(np.float32)


class ExposedField:
    """An exposure of stars, by a linear transformation from the field of view to the sky: pixel tables, a catalogue.

    Parameters
    ----------
    places : float64 (n, 2), stars in the field of view [pixel]; the first of them are the brightest
    seen : number of those that the exposure shows; the others are in the catalogue alone
    angle, scale : of the field [deg, arcsec]; y is stretched by `stretch`
    position_angle : ESO INS DROT POSANG
    """

    def __init__(
        self, places: Floats, seen: int | None = None, angle: float = 0.3, scale: float = 0.1998,
        stretch: float = 1.002, position_angle: float = 0.0,
    ) -> None:  # fmt: skip
        self.places, self.seen, self.position_angle = places, len(places) if seen is None else seen, position_angle
        self.peaks = 3000.0 * 0.85 ** np.arange(len(places))
        self.matrix0 = turn(angle) @ np.array([[-scale, 0.0], [0.0, scale * stretch]])
        self.matrix = turn(position_angle) @ self.matrix0
        self.offset = np.array([2.1, -1.3])  # of the pointing [arcsec]

    def plane(self, places: Floats, middle: Floats) -> Floats:
        """Offsets on the tangent plane [arcsec] of places in the field of view (n, 2)."""
        return np.asarray((places - middle) @ self.matrix.T + self.offset)

    def write(self, directory: Path, ifus: tuple[int, ...] = (12, 13), **cards: object) -> list[tuple[Path, str]]:
        """Write pixel tables and the catalogue; paths and tags of a set-of-frames."""
        rows = {ifu: detector_rows([ifu], range(1, 49), (7000.0, 7160.0), ifu) for ifu in ifus}
        limits = np.array(
            [[f(np.concatenate([r[k] for r in rows.values()])) for f in (np.min, np.max)] for k in (0, 1)]
        )
        self.middle = limits.mean(axis=1)
        frames = []
        for ifu, (x, y, wavelength, origin) in rows.items():
            data = np.full(x.size, 10.0)
            for place, peak in zip(self.places[: self.seen], self.peaks, strict=False):
                near = (np.abs(x - place[0]) < 25) & (np.abs(y - place[1]) < 25)
                data[near] += moffat(x[near], y[near], tuple(place), peak)
            variance = data + 4.0
            data += np.random.default_rng(ifu).normal(size=x.size) * np.sqrt(variance)
            columns = {"xpos": x, "ypos": y, "lambda": wavelength, "data": data, "stat": variance}
            table = {name: column.astype(np.float32) for name, column in columns.items()}
            table |= {"dq": np.zeros(x.size, np.int32), "origin": origin}
            path = directory / f"PIXTABLE_ASTROMETRY_0001-{ifu:02d}.fits"
            write_rows(path, _header(ifu, table, self.position_angle, cards), table, units=UNITS)
            frames.append((path, "PIXTABLE_ASTROMETRY"))
        xi, eta = self.plane(self.places, self.middle).T
        ra, dec = sky_position(xi, eta, *POINTING)
        names = tuple(f"star-{k}" for k in range(len(ra)))
        magnitude = 14.0 - 2.5 * np.log10(self.peaks / self.peaks[0])
        reference = directory / "astrometry_reference.fits"
        field = AstrometricField("FIELD", *POINTING, names, ra, dec, "Johnson_V", magnitude)
        astrometry_reference([field]).writeto(reference, overwrite=True)
        return [*frames, (reference, "ASTROMETRY_REFERENCE")]


def turn(angle: float) -> Floats:
    """Rotation of the plane: north is turned towards the east [deg]."""
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return np.array([[cosine, sine], [-sine, cosine]])


def _header(ifu: int, rows: dict[str, NDArray], position_angle: float, cards: dict[str, object]) -> fits.Header:
    """Primary header of the pixel table of an IFU; a card that is None is left out."""
    header = primary_header(
        rows, ra=POINTING[0], dec=POINTING[1], posang=position_angle, date_obs="2014-12-10T04:34:57.884", exptime=120.0
    )
    for key in [k for k in header if k[:2] in ("CD", "CR", "CT", "CU") or "PIXTABLE WCS" in k or "FLUXCAL" in k]:
        del header[key]
    changes: dict[str, object] = {
        "EXTNAME": f"CHAN{ifu:02d}", "OBJECT": "SIM-ASTROMETRY", "ESO DRS MUSE PIXTABLE DAR CORRECT": 7000.0,
        "ESO DRS MUSE FLAT FLUX SKY": 1.0,
    }  # fmt: skip
    for key, value in (changes | cards).items():
        if value is None:
            header.remove(key, ignore_missing=True)
        else:
            header[f"HIERARCH {key}" if key.startswith("ESO ") else key] = value
    return header
