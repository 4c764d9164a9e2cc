"""Principal components of the sky: spectra of spaxels in groups, their covariance, and the number of components.

Groups of spectra are whole lines of the cube, by its width alone; covariances are added in the order of the groups. So
the components have the same bits whatever the number of threads and the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.linalg.blas import ssyrk

from musedeep.errors import MusedeepError
from musedeep.kernels.sky.residual_spectra import filter_spectra, prepare_for_covariance
from musedeep.progress import LOG, Progress
from musedeep.reduction.residuals.sky_planes import LEAST_SKY, Floats, Mask, SkyPlanes, parallel
from musedeep.storage.cubes.voxels import Voxels

EDGES: Final = (5400.0, 5850.0, 6440.0, 6750.0, 7200.0, 7700.0, 8265.0, 8602.0, 8731.0, 9275.0)
"""Between families of sky lines: segments as in Soto et al. (2016) [Angstrom]."""

SPECTRA_PER_PLANE: Final = 2.0
"""There is one segment for all wavelengths if there are so many spectra of sky for each plane."""

GROUP: Final = 2048
"""Spaxels read and filtered at once, unless a line is longer."""

CLIP: Final = 5.0
"""Values beyond so many times the spread of their plane are cut before the covariance: emission lines, cosmic rays."""

MOST: Final = 200
"""Components of a segment."""

MARGIN: Final = 0.02
"""An eigenvalue counts if it exceeds the noise by this share."""


@dataclass(frozen=True)
class Segment:
    """The components of a range of planes.

    Attributes
    ----------
    planes : int64 (n,), those that are used
    vectors : float32 (n, components), orthonormal, in units of the noise of each plane
    values : float64 (components,), variance of each, in units of the noise
    noise : variance of the noise along any direction, as the eigenvalues beyond the components have it
    """

    planes: NDArray[np.int64]
    vectors: Floats
    values: NDArray[np.float64]
    noise: float

    @property
    def number(self) -> int:
        """Of components."""
        return int(self.values.size)

    @property
    def prior(self) -> NDArray[np.float64]:
        """Variance of the noise over that of each component (components,)."""
        return self.noise / np.maximum(self.values - self.noise, 1e-3 * self.noise)


def divided(wavelengths: NDArray[np.float64], used: Mask, edges: Sequence[float]) -> list[NDArray[np.int64]]:
    """The used planes of each segment between edges [Angstrom]; segments without planes are left out."""
    cuts = [0, *np.searchsorted(wavelengths, sorted(edges)).tolist(), wavelengths.size]
    found = (np.flatnonzero(used[first:last]) + first for first, last in pairwise(cuts))
    return [planes for planes in found if planes.size]


def groups_of(shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Lines [y0, y1) of each group of spectra."""
    lines = max(1, GROUP // shape[2])
    return [(y, min(y + lines, shape[1])) for y in range(0, shape[1], lines)]


def filtered_spectra(data: Voxels, lines: tuple[int, int], sky: SkyPlanes) -> tuple[Floats, Floats]:
    """Filtered spectra of a group (spaxels, planes), and the scales of their noise (spaxels,); see `filter_spectra`."""
    box = data.read_box(0, data.shape[0], *lines)
    spectra = np.ascontiguousarray(box.reshape(box.shape[0], -1).T, np.float32)
    del box
    scales = np.empty(spectra.shape[0], np.float32)
    filter_spectra(spectra, sky.level, sky.sigma, np.int64(np.count_nonzero(sky.used)), scales)
    return spectra, scales


def find_components(
    data: Voxels,
    sky: SkyPlanes,
    mask: Mask,
    segments: Sequence[NDArray[np.int64]],
    number: int | None,
    threads: int,
    progress: Progress,
) -> list[Segment]:
    """The principal components of the sky of a cube.

    Parameters
    ----------
    data : values of the cube
    mask : bool (lines, columns), where it is sky
    segments : planes of each
    number : of components of each segment; None: as `number_of_components` finds it

    Raises
    ------
    MusedeepError
        There are fewer spectra of sky than components, or than `LEAST_SKY`.
    """
    limits = np.asarray(CLIP * sky.spread / sky.sigma, np.float32)
    nx = data.shape[2]

    def covariances(lines: tuple[int, int]) -> tuple[int, list[Floats]]:
        chosen = mask[lines[0] : lines[1]].reshape(-1)
        if not chosen.any():
            return 0, []
        spectra, scales = filtered_spectra(data, lines, sky)
        spectra, scales = spectra[chosen], scales[chosen]
        present = scales > 0.0
        prepare_for_covariance(spectra, scales, limits)
        return int(present.sum()), [
            # of the transposed: columns are contiguous as BLAS has it
            ssyrk(1.0, np.ascontiguousarray(spectra[:, planes]).T, lower=1)
            for planes in segments
        ]

    totals = [np.zeros((planes.size, planes.size), np.float64, "F") for planes in segments]
    spectra = 0
    groups = [one for one in groups_of(data.shape) if mask[one[0] : one[1]].any()]
    for n, found in parallel(threads, covariances, groups, progress, "groups of spectra"):
        spectra += n
        for total, one in zip(totals, found, strict=False):
            total += one
    if spectra < max(LEAST_SKY, number or 0):
        raise MusedeepError(
            f"{spectra} spectra of sky for {number or 'any'} components, at least {max(LEAST_SKY, number or 0)} are "
            f"needed; mask fewer of the {data.shape[1] * nx} spaxels, ask for fewer components, or give those of "
            "another cube with --eigenspectra"
        )
    made: list[Segment] = []
    progress.begin(len(segments), "segments")
    while totals:
        planes, total = segments[len(made)], totals.pop(0)
        total /= spectra
        made.append(_principal(total, planes, spectra, number))
        progress.advance()
    progress.stop()
    return made


def _principal(covariance: NDArray[np.float64], planes: NDArray[np.int64], spectra: int, number: int | None) -> Segment:
    """The components of a covariance (n, n), which is overwritten; its lower half counts."""
    n = planes.size
    trace = float(np.trace(covariance))
    # the rest of the spectrum of eigenvalues is known by its sum
    last = min(n, max(MOST, number or 0) + n // 8)
    values, vectors = eigh(
        covariance, lower=True, overwrite_a=True, check_finite=False, subset_by_index=(n - last, n - 1)
    )
    values, vectors = values[::-1], vectors[:, ::-1]
    k = min(n, number) if number is not None else number_of_components(values, min(n, spectra))
    noise = max((trace - float(values[:k].sum())) / max(n - k, 1), 1e-12)
    if number is None and k == MOST:
        LOG.warning(f"{k} components of {n} planes, the most that are taken: the residuals are no small ones")
    own = np.ascontiguousarray(vectors[:, :k], np.float32)
    # the sign of an eigenvector is arbitrary
    for j in range(k):
        if own[np.argmax(np.abs(own[:, j])), j] < 0:
            own[:, j] *= -1.0
    return Segment(planes, own, values[:k].copy(), noise)


def number_of_components(values: NDArray[np.float64], rank: int) -> int:
    """How many components are more than noise, from the curve of the variance that is left after each of them.

    As in Soto et al. (2016), the curve falls steeply while components remove residuals, and then as noise lets it: the
    components before that are taken. Own is how the bend is found. The slope of the curve is the eigenvalue; those of
    noise fall from the largest like the power 2/3 of their rank (the edge of the distribution of Marchenko and Pastur
    1967). Such a line is fitted to eigenvalues behind the bend, and continued to its first ranks; the components whose
    eigenvalue exceeds it by more than `MARGIN` count, and the fit is made again behind them.

    Parameters
    ----------
    values : float64, the largest eigenvalues in descending order
    rank : of the covariance
    """
    first, last = max(rank // 50, 3), max(rank // 8, 12)
    k = 0
    for _ in range(20):
        behind = np.arange(first, min(last, values.size - k))
        if behind.size < 4:
            return k
        slope, edge = np.polyfit((behind + 0.5) ** (2.0 / 3.0), values[k + behind], 1)
        ranks = np.arange(values.size)
        expected = edge + slope * np.maximum(ranks - k + 0.5, 0.5) ** (2.0 / 3.0)
        beyond = values > (1.0 + MARGIN) * expected
        new = min(int(np.argmin(beyond)) if not beyond.all() else values.size, MOST)
        if new <= k:
            return k
        k = new
    return k
