"""Small raw frames for tests: four quadrants with pre- and overscan, any number of IFUs, in any order."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

BORDER = 32
GAIN = (1.1, 1.15, 1.2, 1.05)
BIAS = (1200.0, 1210.0, 1190.0, 1205.0)
NOISE = 2.5


def raw_image(light=None, nx=200, ny=150, seed=0, noise=NOISE, slope=0.002):
    """A raw image, uint16: bias levels with a slope along y in every quadrant, noise, and light in electrons."""
    rng = np.random.default_rng(seed)
    rows, columns = 2 * ny + 4 * BORDER, 2 * nx + 4 * BORDER
    y, x = np.arange(rows)[:, None], np.arange(columns)
    port = np.where(y < rows // 2, np.where(x < columns // 2, 0, 1), np.where(x < columns // 2, 3, 2))
    out = np.array(BIAS)[port] + slope * y + rng.normal(0.0, noise, (rows, columns))
    if light is not None:
        sy = np.r_[BORDER : BORDER + ny, 3 * BORDER + ny : 3 * BORDER + 2 * ny]
        sx = np.r_[BORDER : BORDER + nx, 3 * BORDER + nx : 3 * BORDER + 2 * nx]
        at = np.ix_(sy, sx)
        out[at] += rng.poisson(np.maximum(light, 0)) / np.array(GAIN)[port[at]]
    return np.clip(np.round(out), 0, 65535).astype(np.uint16)


def extension(image, ifu=1, nx=200, ny=150, cards: Mapping[str, object] | None = None):
    """The image extension of one IFU."""
    hdu = fits.ImageHDU(image)
    header = hdu.header
    header["EXTNAME"] = f"CHAN{ifu:02d}"
    for key, value in {
        "CHIP NAME": f"CHAN{ifu:02d}", "CHIP ID": f"chip{ifu}", "BINX": 1, "BINY": 1, "READ CURID": 1,
        "READ CURNAME": "SCI1.0", "OUTPUTS": 4,
    }.items():  # fmt: skip
        header[f"HIERARCH ESO DET {key}"] = value
    places = ((1, 1), (2 * nx, 1), (2 * nx, 2 * ny), (1, 2 * ny))
    for n, (x, y) in enumerate(places, 1):
        values = {"X": x, "Y": y, "NX": nx, "NY": ny, "GAIN": GAIN[n - 1], "RON": 2.8}
        values |= dict.fromkeys(("PRSCX", "PRSCY", "OVSCX", "OVSCY"), BORDER)
        for key, value in values.items():
            header[f"HIERARCH ESO DET OUT{n} {key}"] = value
    for key, value in (cards or {}).items():
        if value is None:
            del header[key]
        else:
            header[f"HIERARCH {key}"] = value
    return hdu


def write_raw(path: Path, extensions: Sequence[fits.ImageHDU], exptime=0.0, compress=False):
    """Write a raw file."""
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    primary.header["EXPTIME"] = exptime
    primary.header["DATE-OBS"] = "2014-12-11T09:00:01.000"
    primary.header["HIERARCH ESO DPR TYPE"] = "BIAS"
    primary.header["HIERARCH ESO INS MODE"] = "WFM-NOAO-N"
    if compress:
        extensions = [fits.CompImageHDU(e.data, e.header, compression_type="RICE_1") for e in extensions]
    fits.HDUList([primary, *extensions]).writeto(path)
    return path


def write_biases(directory: Path, n=3, ifus=(1,), seed=0, nx=200, ny=150, **cards):
    """n raw biases, and their set-of-frames file."""
    paths = []
    for k in range(n):
        images = {ifu: raw_image(nx=nx, ny=ny, seed=seed + 10 * k + ifu) for ifu in ifus}
        hdus = [extension(image, ifu, nx, ny, cards=cards) for ifu, image in images.items()]
        paths.append(write_raw(directory / f"bias{k}.fits", hdus))
    sof = directory / "bias.sof"
    sof.write_text("".join(f"{p} BIAS\n" for p in paths))
    return sof, paths


def slice_edges(y, n_rows):
    """Left and right edges of 48 slices on a 4096-pixel wide CCD at rows y (from 1); (48, n) each."""
    left = 20.0 + 84.6 * np.arange(48)[:, None] + 3.0 * ((y - 1) / n_rows - 0.5) ** 2 * np.linspace(-1, 1, 48)[:, None]
    return left, left + 75.7


def flat_light(n_rows, flux=20000.0, dispersion=0.6):
    """Electrons of a flat with 48 slices, (n_rows, 4096)."""
    from scipy.special import ndtr

    y = np.arange(1.0, n_rows + 1)
    left, right = slice_edges(y, n_rows)
    x = np.arange(1.0, 4097.0)
    out = np.zeros((n_rows, 4096))
    for a, b in zip(left, right, strict=True):
        span = slice(int(a.min()) - 8, int(b.max()) + 8)
        profile = ndtr((x[span] - a[:, None]) / dispersion) - ndtr((x[span] - b[:, None]) / dispersion)
        out[:, span] += flux * profile
    return out
