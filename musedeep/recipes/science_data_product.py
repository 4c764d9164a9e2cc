"""Keywords of ESO science data products (format sdpCube), as muse_exp_combine writes them.

Where the values come from, found by comparing the reference's cubes with their inputs:

- RA, DEC: centre of the image (nx / 2, ny / 2, counted from 1).
- TEXPTIME: sum of EXPTIME. EXPTIME, per spaxel: TEXPTIME times the 300 x 300 spaxels of the nominal field,
  divided by the number of spaxels with data.
- MJD-END: the latest MJD-OBS + EXPTIME. NCOMBINE: exposures. PROVi: their ARCFILE. OBIDi: ESO OBS ID. PROG_ID: ESO OBS
  PROG ID, or MULTI with PROGIDi. ASSONi: the images. OBSTECH: PRO TECH.
- FLUXCAL: ABSOLUTE if the pixel table was flux-calibrated, else UNCALIBRATED.
- WAVELMIN, WAVELMAX: first and last plane [nm].
- SPEC_RES: nominal resolving power at the mean of these, see `resolving_power`.
- SKY_RES: mean over the exposures of the seeing (ESO TEL IA FWHMLIN) brought to 700 nm and their airmass with an outer
  scale of 25 m, see `image_quality` (equal within 1e-6); SKY_RERR: 0.3.
- PIXNOISE: median error of the pixels of the pixel tables, after FLUX_SCALE (here of a sample of their rows).
- ABMAGLIM: 5 sigma limit for point sources in the cube's mean over wavelength, smoothed with a Gaussian of SKY_RES; the
  zero point is equal within 0.002 mag, the limit within 0.2 mag (another noise estimate, see `limiting_magnitude`).
- PROCSOFT names musedeep. CRDER3 and the units of the extensions: `cube_fits.extension_header(science=True)`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from musedeep import __version__
from musedeep.recipes.exp_combine_job import Exposure, Job
from musedeep.storage.cube_fits import CubeFile
from musedeep.storage.pixel_table import open_exposure

Card = tuple[str, object, str]

FIELD_SPAXELS = 300 * 300
"""Spaxels of the nominal wide field."""

OUTER_SCALE = 25.0
"""Outer scale of the turbulence [m]."""

SKY_RES_ERROR = 0.3
_SAMPLE_RANGES, _SAMPLE_ROWS = 32, 2000


def resolving_power(wavelength: float) -> float:
    """Nominal resolving power at a wavelength [Angstrom].

    A polynomial through the reference's SPEC_RES at seven wavelengths (residuals below 0.04), within its end values.
    """
    coefficients = (-1.82380976e-16, -1.08070819e-12, -8.88607829e-09, -4.43031983e-05, 0.500951066, 3001.57702)
    return float(np.clip(np.polyval(coefficients, wavelength - 7000.0), 1674.77, 3767.93))


def image_quality(seeing: float, airmass: float) -> float:
    """Width of a point source at 700 nm [arcsec], for a seeing at 500 nm and zenith [arcsec].

    Outer scale of the turbulence as in Tokovinin (2002, PASP 114, 1156).
    """
    fried = 0.9758 * 500e-9 / math.radians(seeing / 3600.0) * 1.4**1.2
    damping = 1.0 - 2.183 * (fried / OUTER_SCALE) ** 0.356
    return seeing * airmass**0.6 * 1.4**-0.2 * math.sqrt(max(damping, 0.0))


def zero_point(wavelength: float) -> float:
    """AB magnitude of 1e-20 erg/s/cm2/Angstrom at a wavelength [Angstrom]."""
    return -2.5 * math.log10(1e-20 * wavelength**2 / 2.99792458e18) - 48.6


def limiting_magnitude(image: NDArray[np.floating], wavelength: float, width: float) -> float | None:
    """5 sigma AB magnitude limit for point sources of an image.

    Parameters
    ----------
    image : float (ny, nx)
        Flux density [1e-20 erg/s/cm2/Angstrom]; NaN where there are no data.
    wavelength : float
        [Angstrom]
    width : float
        Full width at half maximum of a point source [pixel].

    Notes
    -----
    The image is smoothed with a Gaussian of that width; its noise is the scatter below the mode (sources
    are above it), and a point source has 4 pi sigma^2 times the flux of its smoothed peak.
    """
    sigma = width / 2.3548
    finite = np.isfinite(image)
    if finite.sum() < 100 or not sigma > 0:
        return None
    filled = np.where(finite, image, np.median(image[finite])).astype(np.float64)
    smooth = ndimage.gaussian_filter(filled, sigma, truncate=3.0)[finite]
    middle = float(np.median(smooth))
    below = smooth[smooth < middle] - middle
    noise = 1.4826 * float(np.median(np.abs(below))) if below.size else 0.0
    if noise <= 0:
        return None
    return zero_point(wavelength) - 2.5 * math.log10(5.0 * noise * 4.0 * math.pi * sigma**2)


@dataclass(frozen=True)
class _Collected:
    """What one pass over the exposures gives."""

    headers: list[fits.Header]
    noise: float


def _collect(exposures: Sequence[Exposure]) -> _Collected:
    headers, errors = [], []
    for exposure in exposures:
        table = open_exposure(exposure.paths)
        try:
            headers.append(table.header)
            n = table.n_rows
            starts = np.unique(np.linspace(0, max(n - _SAMPLE_ROWS, 0), _SAMPLE_RANGES).astype(np.int64))
            ranges = np.stack([starts, np.minimum(starts + _SAMPLE_ROWS, n)], axis=1)
            # overlapping ranges of a short table are read once
            ranges[1:, 0] = np.maximum(ranges[1:, 0], ranges[:-1, 1])
            variance = table.read(ranges[ranges[:, 1] > ranges[:, 0]], ("stat",))["stat"]
            errors.append(np.sqrt(np.maximum(variance, 0)) * exposure.flux_scale)
        finally:
            table.close()
    return _Collected(headers, float(np.median(np.concatenate(errors))))


def _mean_image(cube: CubeFile) -> NDArray[np.float64]:
    """Mean over wavelength, float64 (ny, nx); NaN where there are no data."""
    total, number = np.zeros(cube.shape[1:]), np.zeros(cube.shape[1:])
    for _, data, _ in cube.blocks():
        finite = np.isfinite(data)
        total += np.where(finite, data, 0).sum(0, dtype=np.float64)
        number += finite.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number > 0, total / number, np.nan)


def _distinct(headers: Sequence[fits.Header], keyword: str) -> list[str | int]:
    return list(dict.fromkeys(h[keyword] for h in headers if keyword in h))


def _seeing(headers: Sequence[fits.Header]) -> float | None:
    widths = []
    for header in headers:
        value = header.get("ESO TEL IA FWHMLIN")
        ends = [header.get("ESO TEL AIRM START"), header.get("ESO TEL AIRM END")]
        airmass = [float(a) for a in ends if isinstance(a, int | float) and a >= 1]
        if isinstance(value, int | float) and value > 0:
            widths.append(image_quality(float(value), sum(airmass) / len(airmass) if airmass else 1.0))
    return sum(widths) / len(widths) if widths else None


def science_cards(cube: CubeFile, job: Job, first: fits.Header, images: Sequence[str] = ()) -> list[Card]:
    """Cards of the primary header of a science data product.

    Parameters
    ----------
    cube : CubeFile
    job : Job
    first : fits.Header
        Primary header of the first exposure.
    images : sequence of str
        File names of the field images (ASSONi).

    Returns
    -------
    list of (keyword, value, comment)
        A keyword for which the inputs have no value (ARCFILE, ESO OBS ID, ESO TEL IA FWHMLIN) is left out; the
        reference refuses such inputs.
    """
    collected = _collect(job.exposures)
    headers = collected.headers
    grid = job.grid
    _, ny, nx = grid.shape
    waves = grid.wavelengths()
    middle = 0.5 * float(waves[0] + waves[-1])
    image = _mean_image(cube)
    filled = int(np.isfinite(image).sum())
    total = float(sum(e.exptime for e in job.exposures))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], grid.crpix[:2], grid.crval[:2]
    wcs.wcs.cd = np.array(grid.cd).reshape(2, 2)
    ra, dec = (float(v) for v in wcs.all_pix2world(nx / 2, ny / 2, 1))
    ends = [
        float(h["MJD-OBS"]) + e.exptime / 86400 for h, e in zip(headers, job.exposures, strict=True) if "MJD-OBS" in h
    ]

    cards: list[Card] = [
        ("RA", ra, "[deg] Image center (J2000)"),
        ("DEC", dec, "[deg] Image center (J2000)"),
        ("EXPTIME", total * FIELD_SPAXELS / filled if filled else 0.0, "[s] Total integration time per pixel"),
        ("TEXPTIME", total, "[s] Total integration time of all exposures"),
        ("NCOMBINE", len(job.exposures), "No. of combined raw science data files"),
    ]
    if ends:
        cards.append(("MJD-END", max(ends), "[d] End of observations (days)"))
    cards += [(f"OBID{i}", v, "Observation block ID") for i, v in enumerate(_distinct(headers, "ESO OBS ID"), 1)]
    programmes = _distinct(headers, "ESO OBS PROG ID")
    if programmes:
        name = programmes[0] if len(programmes) == 1 else "MULTI"
        cards.append(("PROG_ID", name, "ESO programme identification"))
    if len(programmes) > 1:
        cards += [(f"PROGID{i}", v, "ESO programme identification") for i, v in enumerate(programmes, 1)]
    cards += [(f"PROV{i}", v, "Originating raw science file") for i, v in enumerate(_distinct(headers, "ARCFILE"), 1)]
    cards += [(f"ASSON{i}", name, "Name of associated file") for i, name in enumerate(images, 1)]
    calibrated = bool(first.get("ESO DRS MUSE PIXTABLE FLUXCAL", False))
    cards += [
        ("PRODCATG", "SCIENCE.CUBE.IFS", "Data product category"),
        ("PROCSOFT", f"musedeep/{__version__}", "Processing software"),
        ("OBSTECH", "IFU", "Technique for observation"),
        ("FLUXCAL", "ABSOLUTE" if calibrated else "UNCALIBRATED", "Type of flux calibration"),
        ("WAVELMIN", float(waves[0]) / 10.0, "[nm] Minimum wavelength"),
        ("WAVELMAX", float(waves[-1]) / 10.0, "[nm] Maximum wavelength"),
        ("SPEC_RES", resolving_power(middle), "Spectral resolving power at central wavelength"),
        ("PIXNOISE", collected.noise * 1e-20, "[erg.s**(-1).cm**(-2).angstrom**(-1)] pixel-to-pixel noise"),
    ]
    width = _seeing(headers)
    if width:
        cards.append(("SKY_RES", width, "[arcsec] FWHM effective spatial resolution"))
        cards.append(("SKY_RERR", SKY_RES_ERROR, "[arcsec] Error of SKY_RES"))
        spaxel = math.sqrt(abs(grid.cd[0] * grid.cd[3] - grid.cd[1] * grid.cd[2])) * 3600.0
        limit = limiting_magnitude(image, middle, width / spaxel)
        if limit is not None:
            cards.append(("ABMAGLIM", limit, "5-sigma magnitude limit for point sources"))
    cards.append(("REFERENC", "", "Reference publication"))
    return cards
