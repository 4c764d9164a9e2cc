"""Small tracing and wavelength calibration products for the tests of the tools."""

import numpy as np
from astropy.io import fits

SAMPLES_Y = np.arange(16.5, 4112, 128.0)


def _write(path, columns, ifu, category):
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
    primary.header["HIERARCH ESO PRO CATG"] = category
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, {"i": "J", "f": "D", "u": "B"}[v.dtype.kind], array=v) for name, v in columns.items()]
    )
    fits.HDUList([primary, table]).writeto(path)
    return path


def edges(number, y):
    """Left and right edge of a slice."""
    left = 84.0 * number - 60 + 1e-3 * y
    return left, left + 75.0 + 0.01 * number


def write_samples(path, ifu=6, failed=()):
    """TRACE_SAMPLES of 48 slices; those that failed hold NaN."""
    parts = []
    for number in range(1, 49):
        left, right = edges(number, SAMPLES_Y)
        if number in failed:
            left = right = np.full(SAMPLES_Y.size, np.nan)
        parts.append((np.full(SAMPLES_Y.size, number, np.int32), SAMPLES_Y, (left + right) / 2, left, right))
    names = ("slice", "y", "mid", "left", "right")
    columns = {name: np.concatenate([p[k] for p in parts]) for k, name in enumerate(names)}
    return _write(path, columns, ifu, "TRACE_SAMPLES")


def write_trace(path, ifu=6, failed=()):
    """The TRACE_TABLE that belongs to them."""
    number = np.arange(1, 49, dtype=np.int32)
    columns = {"SliceNo": number, "Width": 75.0 + 0.01 * number}
    left, right = (np.array([edges(n, 0.0)[k] for n in number]) for k in (0, 1))
    for k, start in enumerate(((left + right) / 2, left, right)):
        bad = np.isin(number, failed)
        columns[f"tc{k}_00"] = np.where(bad, np.nan, start)
        columns[f"tc{k}_01"] = np.where(bad, np.nan, 1e-3)
        columns[f"MSE{k}"] = np.zeros(48)
    return _write(path, columns, ifu, "TRACE_TABLE")


def write_flat(path, ifu=6):
    """A MASTER_FLAT, bright in the slices."""
    image = np.zeros((4112, 4096), np.float32)
    for number in range(1, 49):
        left, right = edges(number, 2000.0)
        image[:, int(left) : int(right)] = 1.2
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
    fits.HDUList([primary, fits.ImageHDU(image, name="DATA")]).writeto(path)
    return path


COEFFICIENTS = {"wlc00": 4500.0, "wlc01": 1.25, "wlc10": 0.01, "wlc11": 1e-6, "wlc02": -2e-6, "wlc12": 0.0}


def solution(x, y):
    """Wavelength of a pixel."""
    return sum(v * x ** int(k[3]) * y ** int(k[4]) for k, v in COEFFICIENTS.items())


def write_wavecal(path, ifu=10, failed=()):
    """WAVECAL_TABLE, with the same solution in all slices."""
    number = np.arange(1, 49, dtype=np.int32)
    columns = {"SliceNo": number}
    for key, value in COEFFICIENTS.items():
        columns[key] = np.where(np.isin(number, failed), np.nan, value)
    columns["MSE"] = np.zeros(48)
    return _write(path, columns, ifu, "WAVECAL_TABLE")


def write_residuals(path, ifu=10, slices=(11, 12, 13), seed=0):
    """WAVECAL_RESIDUALS: two iterations, a third in slice 12; residuals of a known size in each."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in slices:
        for iteration in (1, 2, 3) if number == 12 else (1, 2):
            x, y = np.meshgrid(np.arange(84 * number - 58, 84 * number + 14), np.linspace(300, 4000, 20))
            x, y = x.ravel(), y.ravel()
            residual = rng.normal(0, 0.1 / iteration**2, x.size)
            n = np.ones(x.size)
            parts.append((number * n, iteration * n, x, y, solution(x, y) + residual, residual, 0.3 / iteration**2 * n))
    names = ("slice", "iteration", "x", "y", "lambda", "residual", "rejlimit")
    types = (np.uint8, np.int32, np.int32, np.float64, np.float64, np.float64, np.float64)
    columns = {
        name: np.concatenate([p[k] for p in parts]).astype(t)
        for k, (name, t) in enumerate(zip(names, types, strict=True))
    }
    return _write(path, columns, ifu, "WAVECAL_RESIDUALS")
