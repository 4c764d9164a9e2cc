"""Hold products of muse_exp_combine against the reference pipeline's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

REJECTED = 32
"""Bit of the dq column that marks a cosmic ray."""


@dataclass(frozen=True)
class Products:
    """Directory of the products of a run."""

    directory: Path

    @property
    def cube(self) -> Path:
        return self.directory / "DATACUBE_FINAL.fits"

    @property
    def combined(self) -> Path:
        return self.directory / "PIXTABLE_COMBINED.fits"


@dataclass(frozen=True)
class CubeAgreement:
    """How two cubes of one shape agree.

    Attributes
    ----------
    wcs : float
        Largest deviation of the world coordinates of the corners [pixel].
    mask : float
        Fraction of voxels that are NaN in both or in neither.
    data : float
        Fraction of the common voxels whose DATA deviate by at most 1e-3 of the reference's sigma.
    stat : float
        Fraction of the common voxels whose STAT deviate by at most 1e-3 of the reference's.
    common : float
        Fraction of voxels with data in both.
    """

    wcs: float
    mask: float
    data: float
    stat: float
    common: float


def compare_cubes(reference: Path, ours: Path) -> CubeAgreement:
    """Compare two DATACUBE_FINAL; fails if their shapes or axis types differ."""
    with fits.open(reference) as r, fits.open(ours) as o:
        head, mine = r["DATA"].header, o["DATA"].header
        for key in ("NAXIS1", "NAXIS2", "NAXIS3", "CTYPE1", "CTYPE2", "CTYPE3", "CUNIT3", "BUNIT"):
            assert mine.get(key) == head.get(key), f"{key}: {mine.get(key)}, the reference has {head.get(key)}"
        a, av, b, bv = (np.asarray(h[e].data, np.float64) for h in (r, o) for e in ("DATA", "STAT"))
        nz, ny, nx = a.shape
        # the spectral axis is compared in its own keywords: wcslib wants metres and may refuse some of them
        corners = np.array([[x, y] for x in (0, nx - 1) for y in (0, ny - 1)], np.float64)
        sky = WCS(head).celestial.all_pix2world(corners, 0)
        wcs = float(np.abs(WCS(mine).celestial.all_world2pix(sky, 0) - corners).max())
        planes = np.array([1.0, nz])
        waves = [h["CRVAL3"] + (planes - h["CRPIX3"]) * h["CD3_3"] for h in (head, mine)]
        wcs = max(wcs, float(np.abs(waves[0] - waves[1]).max() / head["CD3_3"]))
    # far rows of renka have weights whose squares are 0, and so has the variance no value
    both = np.isfinite(a) & np.isfinite(b) & np.isfinite(av) & (av > 0)
    sigma = np.sqrt(av[both])
    return CubeAgreement(
        wcs=wcs,
        mask=float((np.isnan(a) == np.isnan(b)).mean()),
        data=float((np.abs(a - b)[both] <= 1e-3 * sigma).mean()),
        stat=float((np.abs(av - bv)[both] <= 1e-3 * av[both]).mean()),
        common=float(both.mean()),
    )


def combined_columns(path: Path, *names: str) -> list[NDArray]:
    """Columns of a PIXTABLE_COMBINED in image or table format."""
    with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(path) as hdus:
        if len(hdus) > 1 and isinstance(hdus[1], fits.BinTableHDU) and hdus[1].name not in names:
            return [np.array(hdus[1].data[n]) for n in names]
        return [np.array(hdus[n].data).ravel() for n in names]


@dataclass(frozen=True)
class FlagAgreement:
    """Rejected rows: of the reference, of ours, of both."""

    reference: int
    ours: int
    both: int

    @property
    def found(self) -> float:
        """Fraction of the reference's flags that we set too."""
        return self.both / max(self.reference, 1)

    @property
    def right(self) -> float:
        """Fraction of our flags that the reference set too."""
        return self.both / max(self.ours, 1)


def compare_flags(reference: Path, ours: Path) -> FlagAgreement:
    """Compare the rejected rows of two PIXTABLE_COMBINED, row by row; fails if they hold other rows."""
    wave, dq = combined_columns(reference, "lambda", "dq")
    my_wave, my_dq = combined_columns(ours, "lambda", "dq")
    np.testing.assert_array_equal(my_wave, wave)
    a, b = (dq & REJECTED) != 0, (my_dq & REJECTED) != 0
    np.testing.assert_array_equal(my_dq & ~REJECTED, dq & ~REJECTED)
    return FlagAgreement(int(a.sum()), int(b.sum()), int((a & b).sum()))
