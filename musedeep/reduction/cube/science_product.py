"""Keywords of ESO science data products (format sdpCube), as muse_exp_combine and muse_scipost write them.

Where the values come from, found by comparing the reference's cubes with their inputs:

- RA, DEC: centre of the image (nx / 2, ny / 2, counted from 1).
- TEXPTIME: sum of EXPTIME. EXPTIME, per spaxel: TEXPTIME times the 300 x 300 spaxels of the nominal field,
  divided by the number of spaxels with data.
- MJD-END: the latest MJD-OBS + EXPTIME. NCOMBINE: exposures. PROVi: their ARCFILE. OBIDi: ESO OBS ID. PROG_ID: ESO OBS
  PROG ID, or MULTI with PROGIDi. ASSONi: the images. OBSTECH: PRO TECH.
- FLUXCAL: ABSOLUTE if the pixel table was flux-calibrated, else UNCALIBRATED.
- WAVELMIN, WAVELMAX: first and last plane [nm].
- SPEC_RES: nominal resolving power at the mean of these, see `resolving_power`.
- SKY_RES: mean over the exposures of the seeing (ESO TEL IA FWHMLIN) brought to 700 nm and their airmass, see
  `image_quality`; an exposure without that keyword counts with a default, and then SKY_RERR is larger.
- PIXNOISE, ABMAGLIM: see `quality.depth`.
- PROCSOFT names musedeep. CRDER3 and the units of the extensions: `cube_fits.extension_header(science=True)`.
"""

import math
from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.reduction.cube.depth import limiting_magnitude, pixel_noise
from musedeep.reduction.cube.job import Job
from musedeep.storage.fits.headers import number_or_none, value_of

Card = tuple[str, object, str]

FIELD_SPAXELS = 300 * 300
"""Spaxels of the nominal wide field."""

OUTER_SCALE_FACTOR = 0.3611061204843886
"""2.183 times the ratio of Fried's parameter at 700 nm and 1 arcsec to the outer scale, to the power 0.356."""

SKY_RES_ERROR = 0.304138126514911
"""SKY_RERR where every exposure has its seeing [arcsec]."""

DEFAULT_SKY_RES, DEFAULT_SKY_RES_ERROR = 0.853823, 0.495547
"""Width of a point source in an exposure without its seeing, and SKY_RERR then [arcsec]."""


RESOLVING_POWER = (
    1674.77, 1769.45, 1864.50, 1959.52, 2054.19, 2148.34, 2241.81, 2334.46, 2426.18, 2516.84,
    2606.28, 2694.36, 2780.89, 2865.70, 2948.59, 3029.32, 3107.70, 3183.46, 3256.36, 3326.12,
    3392.45, 3455.01, 3513.44, 3567.37, 3616.34, 3659.87, 3697.42, 3728.38, 3752.11, 3767.93,
)  # fmt: skip
"""Nominal resolving power at equally spaced wavelengths from 4650 to 9300 Angstrom; matches ESO 2.8.7 within 3e-8."""


def resolving_power(wavelength: float) -> float:
    """Nominal resolving power at a wavelength [Angstrom], that of the nearer end outside 4650 to 9300."""
    return float(np.interp(wavelength, np.linspace(4650.0, 9300.0, len(RESOLVING_POWER)), RESOLVING_POWER))


def image_quality(seeing: float, airmass: float) -> float:
    """Width of a point source at 700 nm [arcsec], for a seeing at 500 nm and zenith [arcsec].

    The outer scale of the turbulence counts as in Tokovinin (2002, PASP 114, 1156), with a factor that matches ESO
    2.8.7 (an outer scale of about 23 m). 0 where the seeing is too good for this formula (below some 0.1 arcsec).
    """
    damping = 1.0 - OUTER_SCALE_FACTOR * (airmass**-0.6 / seeing) ** 0.356
    return seeing * airmass**0.6 * 1.4**-0.2 * math.sqrt(max(damping, 0.0))


def _distinct(headers: Sequence[fits.Header], keyword: str) -> list[object]:
    values = (value_of(header, keyword) for header in headers)
    return list(dict.fromkeys(value for value in values if value is not None))


def _resolution(headers: Sequence[fits.Header]) -> tuple[float, float, str] | None:
    """Width of a point source and its error [arcsec], and "measured" or "default"; None if a seeing is no such."""
    widths, measured = [], True
    for header in headers:
        seeing = number_or_none(header, "ESO TEL IA FWHMLIN")
        if seeing is None:
            widths.append(DEFAULT_SKY_RES)
            measured = False
            continue
        ends = [number_or_none(header, f"ESO TEL AIRM {end}") for end in ("START", "END")]
        airmass = [a for a in ends if a is not None and a >= 1]
        width = image_quality(seeing, sum(airmass) / len(airmass) if airmass else 1.0) if seeing > 0 else 0.0
        if not width > 0:
            return None
        widths.append(width)
    error, word = (SKY_RES_ERROR, "measured") if measured else (DEFAULT_SKY_RES_ERROR, "default")
    return sum(widths) / len(widths), error, word


def science_cards(
    job: Job,
    headers: Sequence[fits.Header],
    image: NDArray[np.float32],
    variances: NDArray[np.int64],
    images: Sequence[str] = (),
) -> list[Card]:
    """Cards of the primary header of a science data product.

    Parameters
    ----------
    headers : primary headers of the exposures
    image : float32 (ny, nx), the cube's mean over wavelength; NaN where there are no data
    variances : int64 (bins,), histogram of the cube's STAT, see `depth.collapse_cube`
    images : file names of the field images (ASSONi)

    Returns
    -------
    list of (keyword, value, comment)
        A keyword for which there is no value is left out: where the inputs lack ARCFILE or ESO OBS ID (the reference
        refuses such inputs), and PIXNOISE and ABMAGLIM of a cube that has none.
    """
    grid = job.grid
    _, ny, nx = grid.shape
    waves = grid.wavelengths()
    shortest, longest = float(waves[0]), float(waves[-1])
    filled = int(np.isfinite(image).sum())
    total = float(sum(e.exptime for e in job.exposures))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], grid.crpix[:2], grid.crval[:2]
    wcs.wcs.cd = np.array(grid.cd).reshape(2, 2)
    ra, dec = (float(v) for v in wcs.all_pix2world(nx / 2, ny / 2, 1))
    begins = [number_or_none(header, "MJD-OBS") for header in headers]
    ends = [b + e.exptime / 86400 for b, e in zip(begins, job.exposures, strict=True) if b is not None]

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
    calibrated = bool(value_of(headers[0], "ESO DRS MUSE PIXTABLE FLUXCAL"))
    cards += [
        ("PRODCATG", "SCIENCE.CUBE.IFS", "Data product category"),
        ("PROCSOFT", f"musedeep/{__version__}", "Processing software"),
        ("OBSTECH", "IFU", "Technique for observation"),
        ("FLUXCAL", "ABSOLUTE" if calibrated else "UNCALIBRATED", "Type of flux calibration"),
        ("WAVELMIN", shortest / 10.0, "[nm] Minimum wavelength"),
        ("WAVELMAX", longest / 10.0, "[nm] Maximum wavelength"),
        ("SPEC_RES", resolving_power(0.5 * (shortest + longest)), "Spectral resolving power at central wavelength"),
    ]
    resolution = _resolution(headers)
    if resolution:
        width, error, word = resolution
        cards.append(("SKY_RES", width, "[arcsec] FWHM effective spatial resolution"))
        cards.append(("SKY_RERR", error, f"[arcsec] Error of SKY_RES ({word})"))
    noise = pixel_noise(variances)
    if noise is not None:
        cards.append(("PIXNOISE", noise * 1e-20, "[erg.s**(-1).cm**(-2).angstrom**(-1)] pixel-to-pixel noise"))
    if resolution:
        spaxel = max(math.hypot(*grid.cd[0::2]), math.hypot(*grid.cd[1::2])) * 3600.0
        limit = limiting_magnitude(image, resolution[0] / spaxel, (shortest, longest))
        if limit is not None:
            cards.append(("ABMAGLIM", limit, "5-sigma magnitude limit for point sources"))
    cards.append(("REFERENC", "", "Reference publication"))
    return cards
