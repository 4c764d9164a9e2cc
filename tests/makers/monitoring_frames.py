"""Small frames for muse_lingain, muse_ampl, muse_qi_mask and muse_illum, with all calibrations they take."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.makers import exposure_frames
from tests.makers.exposure_frames import NX, NY, ROWS
from tests.makers.raw_frames import extension, flat_light, raw_image, write_raw

TIMES = (0.5, 2.0, 8.0, 16.0)
RATE = 1500.0
"""Electrons a second of the lamp."""
DELAY = 0.018
CURRENT = 2e-6
"""Of both photodiodes, mA."""


def calibrations(directory: Path) -> list[str]:
    """Make the calibrations; lines of a set-of-frames."""
    exposure_frames.write_set(directory)
    return [f"{directory}/{name}.fits {name.removesuffix('-01')}\n" for name in exposure_frames.NAMES]


def write_series(directory: Path, times: tuple[float, ...] = TIMES) -> list[str]:
    """Two dark exposures, and a pair of lamp exposures of each time."""
    lines = []
    for k, seconds in enumerate((0.0, *times)):
        light = flat_light(ROWS, RATE * (seconds + DELAY)) if seconds else None
        tag = "LINGAIN_LAMP_ON" if seconds else "LINGAIN_LAMP_OFF"
        for number in range(2):
            hdu = extension(raw_image(light, NX, NY, 300 + 2 * k + number), 1, NX, NY)
            lines.append(f"{write_raw(directory / f'{tag}-{k}-{number}.fits', [hdu], seconds)} {tag}\n")
    return lines


def write_ampl(directory: Path, comment: str = "[mA] current", left_out: str = "") -> list[str]:
    """Three exposures with readings of the photodiodes, whose keywords have a comment, and a FILTER_LIST."""
    lines = []
    for k in range(3):
        hdu = extension(raw_image(flat_light(ROWS, 20000.0), NX, NY, 400 + k), 1, NX, NY)
        path = write_raw(directory / f"ampl{k}.fits", [hdu], 2.0)
        with fits.open(path, mode="update") as hdus:
            for number in (1, 2):
                hdus[0].header[f"HIERARCH ESO INS AMPL{number} CURR"] = CURRENT, comment
            hdus[0].header["HIERARCH ESO INS AMPL2 FILTER"] = "Box"
            hdus[0].header["HIERARCH ESO TEL FOCU SCALE"] = 1.705
            if left_out:
                del hdus[0].header[left_out]
        lines.append(f"{path} AMPL\n")
    curve = [fits.Column("lambda", "D", array=np.array([6300.0, 6301.0, 6500.0, 6501.0]))]
    curve.append(fits.Column("throughput", "D", array=np.array([0.0, 0.5, 0.5, 0.0])))
    table = fits.BinTableHDU.from_columns(curve)
    table.header["EXTNAME"] = "Box"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(directory / "filters.fits", overwrite=True)
    return [*lines, f"{directory}/filters.fits FILTER_LIST\n"]
