"""Small pixel tables as muse_scibasic makes them: positions in the field of view, counts, a full header."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.reduction.observation import observation_of, sidereal_time
from tests.makers.pixel_tables import DRS, INTEGERS, write_rows

UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}
LONGITUDE, LATITUDE = -70.404, -24.627


def field_header(hour_angle: float = 3.0, **changed: object) -> fits.Header:
    """The header of an exposure at an hour angle [h]; keywords are changed by others (`_` a blank), removed by None."""
    mjd, ra, exptime = 57001.13, 53.16, 600.0
    ra = (sidereal_time(mjd, LONGITUDE) - 15.0 * hour_angle) % 360.0
    cards: dict[str, object] = {
        "TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "OBJECT": "test field", "RA": ra, "DEC": -27.78,
        "EXPTIME": exptime, "MJD-OBS": mjd, "DATE-OBS": "2014-12-10T03:07:12.000",
        "LST": sidereal_time(mjd, LONGITUDE) * 240.0, "ARCFILE": "MUSE.2014-12-10T03:07:12.000.fits",
        "ESO TEL GEOLAT": LATITUDE, "ESO TEL GEOLON": LONGITUDE, "ESO TEL GEOELEV": 2648.0,
        "ESO TEL AMBI PRES START": 742.0, "ESO TEL AMBI PRES END": 744.0, "ESO TEL AMBI TEMP": 11.5,
        "ESO TEL AMBI RHUM": 14.5, "ESO TEL PARANG START": 60.0, "ESO TEL PARANG END": 64.0,
        "ESO INS MODE": "WFM-NOAO-N", "ESO INS DROT MODE": "SKY", "ESO INS DROT POSANG": 20.0,
        "ESO PRO CATG": "PIXTABLE_OBJECT", "ESO PRO REC1 ID": "muse_scibasic",
        "ESO QC SCIBASIC LAMBDA SHIFT": 0.01,
        DRS.removeprefix("HIERARCH ") + "TYPE": "GEOFULL",
    }  # fmt: skip
    for axis, low, high in (("X", -150.0, 151.0), ("Y", -140.0, 120.0), ("LAMBDA", 4750.0, 9350.0)):
        cards[f"ESO DRS MUSE PIXTABLE LIMITS {axis} LOW"] = low
        cards[f"ESO DRS MUSE PIXTABLE LIMITS {axis} HIGH"] = high
    header = fits.Header()
    for key, value in (cards | {name.replace("_", " "): value for name, value in changed.items()}).items():
        if value is not None:
            header[f"HIERARCH {key}" if " " in key else key] = value
    return header


def observation(**changed: object):
    """The circumstances of `field_header`."""
    return observation_of(field_header(**changed), "made.fits")


def field_rows(n: int = 3000, ifu: int = 12, seed: int = 1) -> dict[str, np.ndarray]:
    """Random rows of one IFU over all wavelengths, sorted by slice, each with an origin of its own."""
    rng = np.random.default_rng(seed)
    number = np.sort(rng.integers(1, 49, n))
    order = np.arange(n)
    rows = {
        "xpos": rng.uniform(-150, 150, n), "ypos": 12.0 * (ifu - 12.5) + rng.uniform(-6, 6, n),
        "lambda": rng.uniform(4750, 9350, n), "data": rng.uniform(10, 1000, n), "dq": 256 * (rng.random(n) < 0.01),
        "stat": rng.uniform(10, 100, n),
        "origin": (order // 4000 % 76 + 1) << 24 | (order % 4000 + 1) << 11 | ifu << 6 | number,
    }  # fmt: skip
    return {name: np.asarray(v, np.int32 if name in INTEGERS else np.float32) for name, v in rows.items()}


def write_field_table(path: Path, n: int = 3000, ifu: int = 12, **changed: object) -> dict[str, np.ndarray]:
    """Write a pixel table of one IFU with the spectrum of its flat; returns its rows."""
    rows = field_rows(n, ifu)
    header = field_header(**changed)
    header["EXTNAME"] = f"CHAN{ifu:02d}"
    for axis, values in (("X", rows["xpos"]), ("Y", rows["ypos"]), ("LAMBDA", rows["lambda"])):
        header[f"{DRS}LIMITS {axis} LOW"], header[f"{DRS}LIMITS {axis} HIGH"] = values.min().item(), values.max().item()
    header[f"{DRS}LIMITS IFU LOW"] = header[f"{DRS}LIMITS IFU HIGH"] = ifu
    write_rows(path, header, rows, units=UNITS)
    wavelength = 4745.0 + 0.1 * ifu + 1.25 * np.arange(3700)
    values = 1.5 - ((wavelength - 7000.0) / 3000.0) ** 2 + 0.01 * ifu
    columns = [fits.Column("lambda", "1D", "Angstrom", array=wavelength), fits.Column("data", "1D", array=values)]
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns(columns, name="PIXTABLE_FLAT_FIELD"))
    return rows
