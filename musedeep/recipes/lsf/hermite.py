"""The Gauss-Hermite table of line-spread functions (manual A.3.9)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.lsf.hermite import N_PARAMETERS, SCALE, fit_hermite, hermite_profiles
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


def hermite_table(ifu: int, parameters: NDArray[np.float64]) -> fits.BinTableHDU:
    """The table of an IFU: one row a slice.

    Parameters
    ----------
    ifu : int
    parameters : float64 (48, 12), from `fitted`
    """
    n = parameters.shape[0]
    width = parameters[:, 1:4] / SCALE ** np.arange(3)
    columns = [
        fits.Column("ifu", "1J", array=np.full(n, ifu)),
        fits.Column("slice", "1J", array=np.arange(1, n + 1)),
        fits.Column("sensitivity", "1D", array=np.ones(n)),
        fits.Column("offset", "1D", array=np.zeros(n)),
        fits.Column("refraction", "1D", array=np.ones(n)),
        fits.Column("slit_width", "1D", array=parameters[:, 0]),
        fits.Column("bin_width", "1D", array=parameters[:, 0]),
        fits.Column("lsf_width", "3D", array=width),
    ]
    for i, m in enumerate((3, 4, 5, 6)):
        pair = parameters[:, 4 + 2 * i : 6 + 2 * i] / SCALE ** np.arange(2)
        columns.append(fits.Column(f"hermit{m}", "2D", array=pair))
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["EXTNAME"] = "SLICE_PARAM"
    return hdu
