"""Read-out noise, gain, bias level, dark current and hot pixels."""

import re

import numpy as np
from astropy.io import fits

from tests.reference.night.night_files import Figure, Night, compared, read_image

BAD = 256 | 512
"""Quality flags of hot and of dead pixels (manual, A.1)."""


def detector_figures(night: Night, ifu: int) -> list[Figure]:
    """Figures of muse_bias, muse_dark and muse_flat that are about the CCD."""
    truth = night.truth("detector", ifu)
    bias = fits.getheader(night.product("MASTER_BIAS", ifu))
    gains = re.findall(rf"IFU {ifu}, quadrant (\d): estimated gain ([\d.]+)", night.log(f"flat-{ifu:02d}"))
    measured = {int(quadrant): float(gain) for quadrant, gain in gains}
    figures = []
    for row in truth:
        n = int(row["quadrant"])
        label = f"IFU {ifu} quadrant {n}"
        noise = float(bias[f"ESO QC BIAS MASTER{n} RON"])
        level = float(bias[f"ESO QC BIAS LEVEL{n} MEAN"])
        figures += [
            compared(f"read-out noise, {label}", "count", row["read_noise"], noise, 0.06),
            compared(f"bias level, {label}", "adu", row["bias_level"], level, 1.0),
            compared(
                f"gain, {label}", "count/adu", row["gain"], measured.get(n, float("nan")), 0.01, "estimate of muse_flat"
            ),
        ]
    if night.product("MASTER_DARK", ifu).exists():
        figures += _dark_figures(night, ifu, float(np.mean(truth["dark"])))
    return figures


def _dark_figures(night: Night, ifu: int, dark: float) -> list[Figure]:
    """Dark current and hot pixels; the product is normalised to an hour."""
    path = night.product("MASTER_DARK", ifu)
    data, quality = read_image(path), read_image(path, "DQ").astype(np.int64)
    hot = night.truth("hot-pixels", ifu)
    x, y = np.asarray(hot["x"]) - 1, np.asarray(hot["y"]) - 1
    # bright enough to be above noise, and not so bright that digitisation ends
    rate = np.asarray(hot["rate"], np.float64)
    bright = (rate > 2000.0) & (rate < 25000.0)
    ratio = data[y, x][bright] / rate[bright]
    clean = (quality & BAD) == 0
    name = f"IFU {ifu}"
    return [
        compared(f"dark current, {name}", "count/h", dark, _clipped_mean(data[clean]), 0.3, "mean without outliers"),
        compared(f"rate of hot pixels, {name}", "ratio", 1.0, float(np.median(ratio)), 0.02, f"{bright.sum()} pixels"),
        compared(
            f"hot pixels flagged, {name}",
            "fraction",
            1.0,
            float(np.mean((quality[y, x][bright] & BAD) != 0)),
            0.05,
            "of those above 2000 count/h",
        ),
    ]


def _clipped_mean(values: np.ndarray) -> float:
    """Mean without what lies more than three deviations from the median, thrice."""
    for _ in range(3):
        middle = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - middle))
        values = values[np.abs(values - middle) < 3.0 * spread]
    return float(values.mean())
