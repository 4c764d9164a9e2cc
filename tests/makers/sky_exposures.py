"""Small exposures of the night sky of known truth: lines with profiles of their own in each slice, and a continuum."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.interpolate import CubicSpline

from musedeep.storage.calibrations.lsf_profile import LsfProfile, profile_hdu
from musedeep.storage.calibrations.sky_lines import SkyLineTable, sky_lines_hdu
from tests.makers.field_tables import field_header
from tests.makers.pixel_tables import DRS, FLUX, detector_rows, write_rows

UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": FLUX, "stat": f"({FLUX})**2"}
RANGE = (6270.0, 6390.0)
SHIFT = 0.03
"""Of the lines of the exposure, from those of the table [Angstrom]."""

FACTORS = {1: 0.8, 2: 1.3}
"""Fluxes of the exposure over those of the table, by group."""

OFFSETS = np.linspace(-7.5, 7.5, 151)
PLANES = np.array([6000.0, 6300.0, 6600.0])


def line_table() -> SkyLineTable:
    """Lines of two groups, some of them blends."""
    wavelength = np.array([6277.0, 6287.5, 6289.0, 6300.3, 6307.0, 6321.5, 6329.9, 6348.0, 6356.2, 6363.8, 6379.0])
    group = np.array([2, 2, 2, 1, 2, 2, 2, 2, 2, 1, 2])
    flux = np.array([30.0, 90.0, 20.0, 800.0, 70.0, 35.0, 50.0, 120.0, 40.0, 260.0, 25.0])
    name = np.array([f"line {one:.1f}" for one in wavelength])
    return SkyLineTable(Path("SKY_LINES"), name, group, wavelength, flux)


def lsf_of(ifu: int, skew: float = 0.0) -> LsfProfile:
    """Profiles whose widths differ between slices and wavelengths, by a few percent; skew ones, if wanted."""
    rng = np.random.default_rng(ifu)
    width = 1.06 * (1.0 + 0.03 * rng.uniform(-1, 1, 48))[:, None] * (1.0 - 0.04 * (PLANES - 6300.0) / 300.0)
    t = OFFSETS / width[:, :, None]
    images = np.exp(-0.5 * t * t) * (1.0 + skew * (2.0 * t**3 - 3.0 * t) / np.sqrt(3.0))
    images /= images.sum(axis=2, keepdims=True) * (OFFSETS[1] - OFFSETS[0])
    return LsfProfile(Path(f"lsf-{ifu:02d}.fits"), ifu, images, OFFSETS, PLANES)


def continuum_of(wavelength):
    """Continuum of the sky."""
    return 25.0 + 4.0 * np.sin((wavelength - 6300.0) / 80.0)


def true_sky(wavelength, origin, lsfs, shift=SHIFT):
    """Flux of the sky in rows, by splines through the profiles: float64 (n,)."""
    lines = line_table()
    out = continuum_of(wavelength.astype(np.float64))
    for ifu, lsf in lsfs.items():
        for number in range(1, 49):
            rows = np.flatnonzero((origin >> 6 & 31 == ifu) & (origin & 63 == number))
            if not rows.size:
                continue
            for place, group, flux in zip(lines.wavelength, lines.group, lines.flux, strict=True):
                profile = np.array([np.interp(place, PLANES, column) for column in lsf.images[number - 1].T])
                x = wavelength[rows].astype(np.float64) - place - shift
                light = np.where(np.abs(x) < 7.5, CubicSpline(OFFSETS, profile)(np.clip(x, -7.5, 7.5)), 0.0)
                out[rows] += FACTORS[group] * flux * light
    return out


def sky_rows(ifu: int, lsfs, noise: float = 12.0, cosmics: float = 0.0, seed: int = 1, slices=tuple(range(1, 49))):
    """Rows of one IFU: sky, noise, cosmic rays."""
    rng = np.random.default_rng([seed, ifu])
    x, y, wavelength, origin = detector_rows((ifu,), slices, RANGE, seed=ifu)
    wavelength = wavelength.astype(np.float32)
    sky = true_sky(wavelength, origin, lsfs)
    data = sky + noise * rng.standard_normal(sky.size)
    hit = rng.random(sky.size) < cosmics
    data[hit] += 1000.0 * (1.0 + rng.exponential(5.0, int(hit.sum())))
    rows = {
        "xpos": x, "ypos": y, "lambda": wavelength, "data": data, "dq": np.zeros(x.size),
        "stat": np.full(x.size, max(noise, 1e-3) ** 2), "origin": origin,
    }  # fmt: skip
    return {
        name: np.asarray(values, np.int32 if name in ("dq", "origin") else np.float32) for name, values in rows.items()
    }


def write_sky_table(path: Path, rows, ifu: int, **changed: object) -> None:
    """Write a flux-calibrated pixel table of one IFU, corrected for refraction."""
    known = {
        "ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True, "ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0,
        "ESO_PRO_CATG": "PIXTABLE_SKY", "EXTNAME": f"CHAN{ifu:02d}",
    }  # fmt: skip
    header = field_header(**(known | changed))
    for axis, name in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
        header[f"{DRS}LIMITS {axis} LOW"], header[f"{DRS}LIMITS {axis} HIGH"] = (
            rows[name].min().item(),
            rows[name].max().item(),
        )
    header[f"{DRS}LIMITS IFU LOW"] = header[f"{DRS}LIMITS IFU HIGH"] = ifu
    unit = str(changed.get("UNIT", FLUX))
    write_rows(path, header, rows, units=UNITS | {"data": unit, "stat": f"({unit})**2"})


def write_lsf(path: Path, lsf: LsfProfile) -> None:
    """Write an LSF_PROFILE of one IFU."""
    primary = fits.PrimaryHDU(header=fits.Header([("EXTNAME", f"CHAN{lsf.ifu:02d}")]))
    fits.HDUList([primary, profile_hdu(lsf.images, lsf.offsets, PLANES[0], PLANES[-1])]).writeto(path)


def write_lines(path: Path, lines: SkyLineTable) -> None:
    """Write SKY_LINES."""
    fits.HDUList([fits.PrimaryHDU(), sky_lines_hdu(lines)]).writeto(path)


def write_sky_exposure(directory: Path, ifus=(12, 13), noise: float = 12.0, cosmics: float = 1e-3, **changed: object):
    """Write an exposure and what muse_create_sky needs; returns the set-of-frames, and the rows of all IFUs."""
    lsfs = {ifu: lsf_of(ifu) for ifu in ifus}
    frames, tables = [], []
    for ifu in ifus:
        tables.append(sky_rows(ifu, lsfs, noise, cosmics))
        write_sky_table(directory / f"t-{ifu:02d}.fits", tables[-1], ifu, **changed)
        write_lsf(directory / f"lsf-{ifu:02d}.fits", lsfs[ifu])
        frames.append((directory / f"t-{ifu:02d}.fits", "PIXTABLE_SKY"))
        frames.append((directory / f"lsf-{ifu:02d}.fits", "LSF_PROFILE"))
    write_lines(directory / "lines.fits", line_table())
    frames.append((directory / "lines.fits", "SKY_LINES"))
    return frames, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
