"""Known features and limits of deep cubes (release description of MUSE-DEEP, known issues) that concern a product."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.quality.record import Finding, ProductRecord
from musedeep.quality.scores import Values

Floats = NDArray[np.float64]

LARGEST_PIXNOISE: Final = 4.99
"""Where PIXNOISE ends: its histogram has no larger variances [1e-20]."""
GRADIENTS: Final = 0.3
"""By which ABMAGLIM in windows is deeper than ABMAGLIM if gradients make it [mag]."""
QUADRANT: Final = 1.0
"""Difference of the background of quadrants, over the noise of a pixel."""
TRANSPARENCY: Final = 0.2
"""Spread of transparencies with which a dedicated sky fits some exposures less well."""
SHORTEST: Final = 8
"""Planes of a wavelength range with fewer exposures."""
AROUND: Final = 40
"""Planes on either side of such a range that its flux is compared with."""


def notes(product: ProductRecord, values: Values) -> list[Finding]:
    """What is known of such products, and what an eye should look at."""
    out = []
    modes = sorted({one.mode for one in product.used if one.mode})
    ao = [mode for mode in modes if "NOAO" not in mode]
    if ao and len(ao) < len(modes):
        out.append(_note(f"modes are mixed ({', '.join(modes)}): lower signal to noise in the sodium notch"))
    if "WFM-AO-E" in modes:
        out.append(_note("WFM-AO-E: bumps and wiggles of the sodium filter are left in the response, most in the blue"))
    span = values.get("barycentric_span")
    if span is not None and span > 30:
        out.append(_note(f"barycentric velocities differ by {span:.0f} km/s: telluric residuals are broadened"))
    if product.method == "crowded":
        out.append(_note("crowded field: no sky is subtracted, and sources dominate ABMAGLIM"))
    clear = [one.transparency for one in product.used if one.transparency is not None]
    if any(one.sky for one in product.used) and clear and max(clear) - min(clear) > TRANSPARENCY:
        out.append(_note("transparencies differ: the dedicated sky may leave background in some exposures"))
    noise, limit, local = (values.get(key) for key in ("pixnoise", "abmaglim", "abmaglim_local"))
    if noise is not None and noise > LARGEST_PIXNOISE:
        out.append(_note("PIXNOISE is at the end of its range (5e-20): the noise is larger than it says"))
    if limit is not None and local is not None and local - limit > GRADIENTS:
        text = f"ABMAGLIM {limit:.2f} measures gradients of the background; in small windows it is {local:.2f} mag"
        out.append(Finding(kind="gradients", text=text, value=local - limit))
    step = values.get("quadrant_step")
    if step is not None and step > QUADRANT:
        text = f"background of quadrants differs by {step:.1f} times the noise of a pixel of the image"
        out.append(Finding(kind="quadrant", text=text, value=step))
    for one in product.used:
        if one.saturated is not None and one.saturated >= 300:
            text = f"{one.saturated} saturated pixels in the raw frame: check the brightest spaxels"
            out.append(Finding(kind="saturation", text=text, exposure=one.name, value=float(one.saturated)))
    return out


def _note(text: str) -> Finding:
    return Finding(kind="note", text=text)


def fewer_exposures(waves: Floats, number: Floats, light: Floats, exposures: int) -> list[Finding]:
    """Wavelength ranges that fewer exposures cover, and the step of the flux there.

    Parameters
    ----------
    waves, number, light : float64 (nz,), wavelength [Angstrom], usual number of exposures, mean light of bright sources
    exposures : in the cube
    """
    known = number[number > 0]
    if not known.size:
        return []
    usual = float(np.median(known))
    low = number < 0.9 * usual
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]]).astype(int)))
    out = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first < SHORTEST or first == 0 or last == number.size:
            continue
        inside = float(np.nanmedian(light[first:last])) if np.isfinite(light[first:last]).any() else float("nan")
        sides = np.concatenate([light[max(0, first - AROUND) : first], light[last : last + AROUND]])
        outside = float(np.nanmedian(sides)) if np.isfinite(sides).any() else float("nan")
        ratio = inside / outside if outside > 0 else float("nan")
        text = (
            f"{np.median(number[first:last]):.0f} of {exposures} exposures from {waves[first]:.0f} to "
            f"{waves[last - 1]:.0f} Angstrom"
        )
        if np.isfinite(ratio):
            text += f"; flux of bright sources there over that beside it: {ratio:.3f}"
        out.append(Finding(kind="fewer exposures", text=text, value=ratio if np.isfinite(ratio) else None))
    return out
