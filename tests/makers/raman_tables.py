"""Rows of one IFU in the bands of Raman light: sky, OH, and Raman light of known brightness."""

import numpy as np
from astropy.io import fits

from musedeep.instrument import FLUX_UNIT
from musedeep.statics.load import load_sky_lines
from musedeep.statics.raman import raman_lines
from musedeep.storage.calibrations.lsf_profile import LsfProfile, profile_hdu
from tests.makers.field_tables import field_header
from tests.makers.pixel_tables import INTEGERS, write_rows

IFU = 12
SIGMA = 1.1
UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": FLUX_UNIT, "stat": f"({FLUX_UNIT})**2"}
WINDOWS = ((6440.0, 6530.0), (6780.0, 6870.0))


def profiles(ifu=IFU):
    """Line-spread functions: a Gaussian, the same everywhere."""
    offsets = np.linspace(-7.5, 7.5, 151)
    shape = np.exp(-0.5 * (offsets / SIGMA) ** 2) / (SIGMA * np.sqrt(2.0 * np.pi))
    images = np.broadcast_to(shape, (48, 30, 151)).copy()
    return LsfProfile("made", ifu, images, offsets, np.linspace(4650.0, 9300.0, 30))


def spectrum(wavelength, lines, flux):
    """Light of lines at wavelengths."""
    total = np.zeros(wavelength.size)
    for at, one in zip(lines, flux, strict=True):
        near = np.abs(wavelength - at) < 7.0
        total[near] += one * np.exp(-0.5 * ((wavelength[near] - at) / SIGMA) ** 2) / (SIGMA * np.sqrt(2.0 * np.pi))
    return total


def brightness(x, y):
    """Relative brightness of the Raman light over the field."""
    return 1.0 + 3e-4 * x - 2e-4 * y + 1e-6 * x * x


def raman_rows(oxygen=0.04, nitrogen=0.05, noise=3.0, seed=1, step=1.25):
    """Rows of an IFU, and the Raman light in them: fluxes are these factors of those in the table."""
    rng = np.random.default_rng(seed)
    place, parts = np.arange(75), [np.arange(low, high, step) for low, high in WINDOWS]
    wave = np.concatenate(parts)
    number, along, k = (a.ravel() for a in np.meshgrid(np.arange(1, 49), place, np.arange(wave.size), indexing="ij"))
    n = number.size
    wavelength = wave[k] + 0.3 * step * (number % 3) + 0.01 * along
    x = -112.5 + 75.0 * ((number - 1) // 12) - 37.0 + along
    y = 12.0 * (IFU - 12.5) + (number - 1) % 12 - 5.5
    lines, sky = raman_lines(), load_sky_lines()
    raman = np.zeros(n)
    for group, factor in ((0, oxygen), (1, nitrogen)):
        own = lines.group == group
        raman += factor * spectrum(wavelength, lines.wavelength[own], lines.flux[own])
    raman *= brightness(x, y)
    data = 25.0 + 0.01 * (wavelength - 6600.0) + raman
    near = np.any([(sky.wavelength > low - 8) & (sky.wavelength < high + 8) for low, high in WINDOWS], axis=0)
    data += 0.04 * spectrum(wavelength, sky.wavelength[near], sky.flux[near])
    rows = {
        "xpos": x, "ypos": y, "lambda": wavelength, "data": data + noise * rng.standard_normal(n), "dq": np.zeros(n),
        "stat": np.full(n, max(noise, 0.1) ** 2),
        "origin": (along + 1) << 24 | (k + 1) << 11 | IFU << 6 | number,
    }  # fmt: skip
    return {name: np.asarray(v, np.int32 if name in INTEGERS else np.float32) for name, v in rows.items()}, raman


def write_raman_table(path, rows, **changed):
    """Write rows as a flux-calibrated pixel table of a mode with adaptive optics."""
    known = {
        "ESO_INS_MODE": "WFM-AO-N",
        "ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True,
        "ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7e3,
    }
    header = field_header(**known | changed)
    header["EXTNAME"] = f"CHAN{IFU:02d}"
    key = "ESO DRS MUSE PIXTABLE LIMITS "
    for axis, values in (("X", rows["xpos"]), ("Y", rows["ypos"]), ("LAMBDA", rows["lambda"])):
        header[f"{key}{axis} LOW"], header[f"{key}{axis} HIGH"] = values.min().item(), values.max().item()
    header[f"{key}IFU LOW"] = header[f"{key}IFU HIGH"] = IFU
    write_rows(path, header, rows, units=UNITS)


def write_profiles(path):
    """Write `profiles` as an LSF_PROFILE."""
    lsf = profiles()
    hdu = profile_hdu(lsf.images, lsf.offsets, float(lsf.wavelengths[0]), float(lsf.wavelengths[-1]))
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{IFU:02d}"
    fits.HDUList([primary, hdu]).writeto(path)
