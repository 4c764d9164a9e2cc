"""Exposures of the pinhole mask for tests: CCDs of full width and few rows, six arc lines, true calibrations."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.instrument import CCD_TO_SKY
from musedeep.kernels.slices.geometry import HOLE_DISTANCE
from tests.makers.raw_frames import extension, raw_image, slice_edges

NX, NY = 2048, 96
N_ROWS = 2 * NY
LINES = 6030.0 + 33.0 * np.arange(6)
"""Arc lines, Angstrom; a row is 1.25 Angstrom."""
STEP, FIRST = 0.03, 12.2
"""Steps and first place of the mask, mm."""
PER_MM = 1.705 / 0.2
SKY = np.array([CCD_TO_SKY[k % 12] + 12 * (k // 12) for k in range(48)])


def draw_geometry(ifu, seed=1):
    """A made-up geometry of one IFU: float64 (48, 4), x, y, angle [deg], width; slices in the order of the CCD."""
    rng = np.random.default_rng([seed, ifu])
    x = np.repeat([-112.59, -37.52, 37.52, 112.59], 12) + rng.uniform(-0.4, 0.4) + rng.uniform(-0.02, 0.02, 48)
    y = 12.0 * (ifu - 12.5) + (SKY - 1) % 12 - 5.5 + rng.uniform(-0.1, 0.1) + rng.uniform(-0.03, 0.03, 48)
    return np.stack([x, y, 0.05 + rng.uniform(-0.04, 0.04, 48), 75.0 + rng.uniform(-0.03, 0.03, 48)], axis=1)


def wavelength_coefficients():
    """Of every slice: Angstrom = 6000 + 1.25 y + a little of x; float64 (2, 2)."""
    return np.array([[6000.0 - 1.25, 1.25], [1e-3, 0.0]])


def spots_of(geometry, height):
    """Places and fluxes of all spots at a place of the mask: x, y (pixels from 1) and flux, (lines, 48, 3) each."""
    column = HOLE_DISTANCE[0] * PER_MM
    holes = column * (np.repeat([-4.5, -1.5, 1.5, 4.5], 12)[:, None] + np.array([1.0, 0.0, -1.0]))
    angle, width = np.radians(geometry[:, 2:3]), geometry[:, 3:4]
    r = (geometry[:, :1] - holes) / (width * np.cos(angle))
    y_field = geometry[:, 1:2] - r * width * np.sin(angle)
    row = HOLE_DISTANCE[1] * PER_MM
    phase = (y_field + PER_MM * height + 0.5 * row) % row - 0.5 * row
    flux = np.exp(-0.5 * (phase / 0.5) ** 2)
    a, b = wavelength_coefficients()[0], wavelength_coefficients()[1]
    x = np.zeros((LINES.size, 48, 3))
    y = np.full(x.shape, 50.0)
    for _ in range(3):
        left, right = (edge.T[..., None] for edge in slice_edges(y[:, :, 1].T, N_ROWS))
        x = 0.5 * (left + right) + r * (right - left)
        y = (LINES[:, None, None] - a[0] - b[0] * x) / a[1]
    return x, y, np.broadcast_to(flux, x.shape)


def mask_light(geometry, height, flux=40000.0):
    """Electrons of an exposure, float64 (N_ROWS, 4096): Gaussian spots of dispersions 1.1 and 0.9 pixels."""
    out = np.zeros((N_ROWS, 2 * NX))
    xs, ys, fluxes = (values.ravel() for values in spots_of(geometry, height))
    near = np.arange(-8, 9)
    for x, y, f in zip(xs, ys, fluxes, strict=True):
        column, row = round(x), round(y)
        px = np.exp(-0.5 * ((column + near - x) / 1.1) ** 2)
        py = np.exp(-0.5 * ((row + near - y) / 0.9) ** 2)
        here = out[row - 9 : row + 8, column - 9 : column + 8]
        here += flux * f / (2 * np.pi * 1.1 * 0.9) * py[:, None] * px
    return out


def write_mask(path: Path, number: int, images: dict[int, np.ndarray], **cards):
    """A raw exposure of the mask: step number of its sequence; cards replace or, with None, remove keywords."""
    primary = fits.PrimaryHDU()
    height = FIRST + STEP * number
    values = {
        "INSTRUME": "MUSE", "EXPTIME": 10.0, "DATE-OBS": f"2014-12-09T15:{number:02d}:00.000",
        "ESO INS MODE": "WFM-NOAO-N", "ESO INS POS2 POS": 13.0, "ESO INS POS2 ENC": 631745,
        "ESO INS POS3 POS": height, "ESO INS POS3 ENC": round(48595.75 * height), "ESO INS POS4 POS": 11.9,
        "ESO INS POS4 ENC": 578289, "ESO INS DROT POSANG": 90.0, "ESO TEL FOCU SCALE": 1.705,
    } | cards  # fmt: skip
    for key, value in values.items():
        if value is not None:
            primary.header[f"HIERARCH {key}" if key.startswith("ESO") else key] = value
    fits.HDUList([primary, *(extension(image, ifu, NX, NY) for ifu, image in images.items())]).writeto(path)
    return path


def write_calibrations(directory: Path, ifus) -> list[str]:
    """MASTER_BIAS, TRACE_TABLE, WAVECAL_TABLE and LINE_CATALOG: lines of a set-of-frames."""
    from musedeep.cli.main import run

    biases = []
    for k in range(3):
        path = directory / f"bias{k}.fits"
        write_mask(path, k, {ifu: raw_image(None, NX, NY, 100 * k + ifu) for ifu in ifus})
        biases.append(f"{path} BIAS\n")
    (directory / "bias.sof").write_text("".join(biases))
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), "--output-dir", str(directory)]) == 0
    lines = []
    y = np.arange(1.0, N_ROWS + 1)
    left, right = slice_edges(y, N_ROWS)
    number = fits.Column("SliceNo", "1J", array=np.arange(1, 49))
    for ifu in ifus:
        columns = [number, fits.Column("Width", "1E", array=np.full(48, 75.7))]
        for k, edge in enumerate((0.5 * (left + right), left, right)):
            fitted = np.polynomial.polynomial.polyfit(y, edge.T, 2)
            columns += [fits.Column(f"tc{k}_{i:02d}", "1D", array=fitted[i]) for i in range(3)]
        waves = [number]
        for i, row in enumerate(wavelength_coefficients()):
            waves += [fits.Column(f"wlc{i}{j}", "1D", array=np.full(48, c)) for j, c in enumerate(row)]
        for tag, made in (("TRACE_TABLE", columns), ("WAVECAL_TABLE", waves)):
            primary = fits.PrimaryHDU()
            primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
            primary.header["HIERARCH ESO PRO CATG"] = tag
            path = directory / f"{tag}-{ifu:02d}.fits"
            fits.HDUList([primary, fits.BinTableHDU.from_columns(made)]).writeto(path)
            lines.append(f"{path} {tag}\n")
        lines.append(f"{directory}/MASTER_BIAS-{ifu:02d}.fits MASTER_BIAS\n")
    write_catalog(directory / "lines.fits")
    return [*lines, f"{directory}/lines.fits LINE_CATALOG\n"]


def write_catalog(path: Path, flux: float = 20000.0):
    """A LINE_CATALOG of the lines, and one of xenon and one that is not to be used."""
    waves = np.concatenate([LINES, [6300.0, 6310.0]])
    columns = [
        fits.Column("lambda", "1E", array=waves),
        fits.Column("flux", "1E", array=np.full(waves.size, flux)),
        fits.Column("ion", "4A", array=["NeI"] * LINES.size + ["XeI", "NeI"]),
        fits.Column("quality", "1J", array=[3] * (LINES.size + 1) + [0]),
        fits.Column("comment", "4A", array=[""] * waves.size),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path
