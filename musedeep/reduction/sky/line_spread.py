"""Line-spread functions as the model of the sky uses them."""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from musedeep.instrument import N_IFUS
from musedeep.kernels.sky.line_spectrum import Profiles
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.fits.headers import integer_of

SUB_STEPS: Final = 8
"""Steps in half a triangle by which profiles are averaged."""

_OFFSET: Final = re.compile(r"ESO DRS MUSE PIXTABLE EXP\d+ IFU(\d+) SLICE\d+ XOFFSET")


def ifus_of(header: fits.Header, name: object) -> list[int]:
    """The IFUs of a pixel table, as its header tells: by the places of its slices, or else the limits.

    Parameters
    ----------
    name : of the pixel table, for messages

    Raises
    ------
    MusedeepError
        The header tells neither.
    """
    found = {int(match[1]) for key in header if (match := _OFFSET.fullmatch(key))}
    if found:
        return sorted(found)
    ends = [
        integer_of(header, f"ESO DRS MUSE PIXTABLE LIMITS IFU {end}", name, low=1, high=N_IFUS)
        for end in ("LOW", "HIGH")
    ]
    return list(range(ends[0], ends[1] + 1))


def slice_profiles(lsf: LsfProfile, index: int) -> Profiles:
    """Profiles of a slice (from 0), for the kernel."""
    return _profiles(lsf, lsf.images[index])


def mean_profiles(lsfs: Mapping[int, LsfProfile], rows: NDArray[np.int64], step: float) -> Profiles:
    """Mean profiles of rows that share themselves among the two nearest bins of a spectrum.

    Parameters
    ----------
    lsfs : of each IFU that has rows, all on one grid of wavelengths and offsets, or brought to that of the first
    rows : int64 (25, 64), rows of each IFU and slice
    step : bins of the spectrum [Angstrom]
    """
    first = next(iter(lsfs.values()))
    total = np.zeros(first.images.shape[1:])
    weight = 0.0
    for ifu, one in sorted(lsfs.items()):
        images = on_grid(one, first)
        number = np.where(images.any((1, 2)), rows[ifu, 1 : images.shape[0] + 1], 0).astype(np.float64)
        total += np.einsum("i,ijk->jk", number, images)
        weight += float(number.sum())
    mean = total / weight if weight > 0 else total
    # a bin's value is the mean of rows around it, weighted by a triangle
    offsets = first.offsets
    spline = CubicSpline(offsets, mean, axis=1)
    wide = np.zeros_like(mean)
    moves = np.arange(-SUB_STEPS, SUB_STEPS + 1) / SUB_STEPS
    for move in moves:
        at = offsets + move * step
        known = (at >= offsets[0]) & (at <= offsets[-1])
        wide += (1.0 - abs(move)) / SUB_STEPS * np.where(known, spline(np.clip(at, offsets[0], offsets[-1])), 0.0)
    return _profiles(first, wide)


def centres_of_light(lsfs: Mapping[int, LsfProfile], wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of light of the mean profile of all slices at wavelengths, relative to that of the line, float64 (n,).

    Wavelengths in SKY_LINES are those of the centres of light, as the ESO pipeline has them. Profiles count from where
    the wavelength calibration puts a line: for skew ones that is another place. (The ESO pipeline moves the profile of
    each slice by its own centre; that takes away the differences between slices that the calibration leaves.)
    """
    first = next(iter(lsfs.values()))
    mean, number = np.zeros(first.images.shape[1:]), 0
    for lsf in lsfs.values():
        for one in on_grid(lsf, first):
            if one.any():
                mean += one
                number += 1
    mean /= max(number, 1)
    total = mean.sum(axis=1)
    centres = np.where(total > 0, mean @ first.offsets / np.where(total > 0, total, 1.0), 0.0)
    return np.interp(wavelength, first.wavelengths, centres)


def on_grid(lsf: LsfProfile, other: LsfProfile) -> NDArray[np.float64]:
    """Profiles on the grid of another IFU's, float64 (48, planes, size)."""
    same = lsf.offsets.shape == other.offsets.shape and lsf.wavelengths.shape == other.wavelengths.shape
    if same and np.allclose(lsf.offsets, other.offsets) and np.allclose(lsf.wavelengths, other.wavelengths):
        return lsf.images
    known = (other.offsets >= lsf.offsets[0]) & (other.offsets <= lsf.offsets[-1])
    at = np.clip(other.offsets, lsf.offsets[0], lsf.offsets[-1])
    images = np.where(known, CubicSpline(lsf.offsets, lsf.images, axis=2)(at), 0.0)
    place = np.interp(other.wavelengths, lsf.wavelengths, np.arange(lsf.wavelengths.size, dtype=np.float64))
    below = np.minimum(place.astype(np.int64), max(lsf.wavelengths.size - 2, 0))
    above, part = np.minimum(below + 1, lsf.wavelengths.size - 1), (place - below)[None, :, None]
    return np.asarray((1.0 - part) * images[:, below] + part * images[:, above])


def _profiles(lsf: LsfProfile, images: NDArray[np.float64]) -> Profiles:
    waves, offsets = lsf.wavelengths, lsf.offsets
    step = float(waves[1] - waves[0]) if waves.size > 1 else 1.0
    return Profiles(
        np.ascontiguousarray(images, np.float64),
        float(waves[0]),
        step,
        float(offsets[0]),
        float(offsets[1] - offsets[0]),
    )
