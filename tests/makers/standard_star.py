"""Pixel tables of a standard star whose flux, profile and telluric absorption are known."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.reduction.observation import observation_of
from musedeep.statics.formats import extinct_table, filter_list, std_flux_table, telluric_regions
from musedeep.statics.load import load_extinction, load_filters, load_telluric_regions
from musedeep.storage.calibrations.std_flux_table import Standard
from tests.makers.field_tables import UNITS, field_header
from tests.makers.pixel_tables import DRS, write_rows

LOW, PLANES = 6800.0, 161
SHAPE = 41, 71
"""Lines and columns of the field."""
SECONDS = 120.0
EFFICIENCY = 0.3
FWHM, BETA = 4.0, 2.8
SKY = 20.0
AREA, PHOTON = 483250.7, 6.62607015e-27 * 2.99792458e18

Floats = NDArray[np.float64]


def wavelengths() -> Floats:
    """Of the planes [Angstrom]."""
    return LOW + 1.25 * np.arange(PLANES)


def transmission(wavelength: Floats) -> Floats:
    """Of a telluric band that lies in the first of the regions, at the airmass of the exposure."""
    return np.asarray(1.0 - 0.4 * np.exp(-0.5 * ((wavelength - 6912.0) / 8.0) ** 2))


def efficiency(wavelength: Floats) -> Floats:
    """Electrons per photon."""
    return np.asarray(EFFICIENCY * (1.0 + 1e-4 * (wavelength - 6900.0)))


def true_response(wavelength: Floats) -> Floats:
    """What STD_RESPONSE should hold [mag]."""
    return np.asarray(2.5 * np.log10(efficiency(wavelength) * AREA * wavelength / PHOTON))


def star(header: fits.Header) -> Standard:
    """The star that is observed, with a flux that falls with wavelength."""
    wavelength = np.arange(4500.0, 9500.0, 5.0)
    flux = 2e-14 * (wavelength / 6900.0) ** -2
    return Standard("GD71", header["RA"], header["DEC"], wavelength, flux, 0.01 * flux)


def counts(header: fits.Header) -> Floats:
    """Of the star in each plane."""
    wave, tabulated = wavelengths(), star(header)
    absorbed = 10.0 ** (-0.4 * observation_of(header, "made").airmass * load_extinction().at(wave))
    flux = np.interp(wave, tabulated.wavelength, tabulated.flux)
    sensitivity = 10.0 ** (0.4 * true_response(wave))
    return np.asarray(flux * sensitivity * absorbed * transmission(wave) * SECONDS * 1.25)


def moffat(x: Floats, y: Floats) -> Floats:
    """Share of the light of a star per pixel at a distance from it."""
    scale = 0.5 * FWHM / np.sqrt(2.0 ** (1.0 / BETA) - 1.0)
    # a pixel blurs, and the voxel that it is put into
    nodes = np.sqrt(1.0 / 6.0) * np.array([-1.0, 1.0])
    squares = [(x + a) ** 2 + (y + b) ** 2 for a in nodes for b in nodes]
    return np.asarray(
        np.mean([(BETA - 1.0) / np.pi / scale**2 * (1.0 + s / scale**2) ** -BETA for s in squares], axis=0)
    )


def write_standard(
    directory: Path, place: tuple[float, float] = (0.3, -0.2), others: tuple[tuple[float, float, float], ...] = (),
    brightness: float = 1.0, noise: bool = True, nan: bool = False, number: int = 1, **changed: object,
) -> list[tuple[Path, str]]:  # fmt: skip
    """Write a pixel table of a standard star and its calibrations; paths and tags of a set-of-frames.

    Parameters
    ----------
    place : of the star in the field, from its middle [pixel]
    others : further stars: x, y, brightness relative to the standard
    brightness : of the star relative to the tabulated one
    nan : all data are NaN and flagged
    changed : keywords, see `field_header`
    """
    facts: dict[str, object] = {"EXPTIME": SECONDS, "OBJECT": "GD71", "ESO_INS_DROT_POSANG": 0.0}
    header = field_header(**(facts | changed))
    lines, columns = SHAPE
    x, y = np.arange(columns) - columns // 2, np.arange(lines) - lines // 2
    wave = wavelengths()
    grid = np.meshgrid(wave, y, x, indexing="ij")
    flux, (x0, y0) = counts(header) * brightness, place
    image = moffat(grid[2][0] - x0, grid[1][0] - y0)
    for other_x, other_y, share in others:
        image = image + share * moffat(grid[2][0] - other_x, grid[1][0] - other_y)
    data = SKY + flux[:, None, None] * image
    stat = data + 10.0
    if noise:
        data = data + np.random.default_rng(number).normal(size=data.shape) * np.sqrt(stat)
    n = data.size
    order = np.arange(n)
    slices = np.broadcast_to((np.arange(lines) % 48 + 1)[:, None], data.shape).ravel()
    rows = {
        "xpos": grid[2].ravel(), "ypos": grid[1].ravel(), "lambda": grid[0].ravel(), "data": data.ravel(),
        "stat": stat.ravel(),
    }  # fmt: skip
    table = {name: values.astype(np.float32) for name, values in rows.items()}
    table["dq"] = np.full(n, 512 if nan else 0, np.int32)
    table["origin"] = ((order // 4000 % 76 + 1) << 24 | (order % 4000 + 1) << 11 | 12 << 6 | slices).astype(np.int32)
    header["EXTNAME"] = "CHAN12"
    for axis, name in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
        for end, value in (("LOW", table[name].min()), ("HIGH", table[name].max())):
            header[f"{DRS}LIMITS {axis} {end}"] = value.item()
    path = directory / f"PIXTABLE_STD_{number:04d}-12.fits"
    write_rows(path, header, table, units=UNITS)
    return [(path, "PIXTABLE_STD"), *write_calibrations(directory, star(header))]


def write_calibrations(directory: Path, standard: Standard) -> list[tuple[Path, str]]:
    """Write the calibrations of muse_standard; paths and tags."""
    files = {
        "EXTINCT_TABLE": extinct_table(load_extinction()), "STD_FLUX_TABLE": std_flux_table([standard]),
        "TELLURIC_REGIONS": telluric_regions(load_telluric_regions()), "FILTER_LIST": filter_list(load_filters()),
    }  # fmt: skip
    for tag, hdus in files.items():
        hdus.writeto(directory / f"{tag.lower()}.fits", overwrite=True)
    return [(directory / f"{tag.lower()}.fits", tag) for tag in files]
