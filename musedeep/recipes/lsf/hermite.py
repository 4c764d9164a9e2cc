"""Gauss-Hermite parameters of line-spread functions."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.lsf.hermite import N_PARAMETERS, fit_hermite, hermite_profiles
from musedeep.processors import available_processors
from musedeep.reduction.image.combine import THREADS


def fitted(
    images: NDArray[np.float64], wavelengths: NDArray[np.float64], offsets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Hermite parameters of all slices, and their profiles.

    Parameters
    ----------
    images : float64 (48, planes, n), measured profiles; 0 for slices without
    wavelengths, offsets : float64 (planes,) and (n,), Angstrom

    Returns
    -------
    float64 (48, 12), NaN for slices without profiles; float64 (48, planes, n), 0 for them
    """
    with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
        found = list(pool.map(lambda image: fit_hermite(image, wavelengths, offsets), images))
    if all(one is None for one in found):
        raise MusedeepError("muse_lsf: no slice has profiles at three wavelengths; raise --lambda_size")
    parameters = np.stack([np.full(N_PARAMETERS, np.nan) if one is None else one for one in found])
    made = np.zeros_like(images)
    for k, one in enumerate(found):
        if one is not None:
            made[k] = hermite_profiles(one, wavelengths, offsets)
    return parameters, made
