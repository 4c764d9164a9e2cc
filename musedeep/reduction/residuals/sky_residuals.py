"""Subtraction of the sky residuals of a cube by principal components (Soto et al. 2016, MNRAS 458, 3210).

1. Sources are masked: by a given mask, or where the mean of all planes rises above the sky (`without_sources`).
2. The level of each plane is the median of its sky, the noise of a plane is the median of its variances (`STAT`).
   Planes without values, those of which less than half of the sky is there (the ends of the wavelength range), and
   the sodium notch of the adaptive optics are not used and stay as they are.
3. The continuum of each spectrum is a running median; it is taken out, and the rest is divided by the noise
   (`filter_spectra`). Own: the noise. In its units a bright sky line, whose photon noise is large, counts for what it
   shows above its noise.
4. Wavelengths are divided into segments: one for all, if there are many spectra, else the eleven of the paper.
5. The covariance of the spectra of the sky is summed up in groups of lines; its eigenvectors with the largest
   eigenvalues are the components of a segment (`find_components`). Their number follows from the bend of the curve of
   the variance that is left (`number_of_components`).
6. Each spectrum of the cube is fitted by the components (`fit_components`). Own: the coefficients have the variance of
   their component as a prior, so that noise is not fitted; and lines of sources, which the components do not explain,
   are found and left out of the fit.
7. Level and components, times the noise, are subtracted from the values; the continuum stays (`CleanedData`).

Groups of lines and bands of planes are read from FITS; planes of a store are first copied into a file beside the
output. Memory is that of a covariance and a few groups.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.progress import LOG, Progress
from musedeep.reduction.residuals.cleaned import CleanedData, ScaledVariance, fitted, variance_factors
from musedeep.reduction.residuals.components import (
    EDGES,
    GROUP,
    MOST,
    SPECTRA_PER_PLANE,
    Segment,
    divided,
    find_components,
)
from musedeep.reduction.residuals.sky_planes import (
    BAND,
    Floats,
    Mask,
    SkyPlanes,
    field_images,
    notch_planes,
    survey_planes,
    without_sources,
)
from musedeep.storage.calibrations.eigenspectra import Eigensegment, Eigenspectra, read_eigenspectra
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.cubes.cube_axes import CubeAxes, read_axes
from musedeep.storage.cubes.open_cube import OpenCube, open_cube
from musedeep.storage.cubes.voxels import Voxels
from musedeep.storage.fits.headers import value_of
from musedeep.storage.fits.parts import ArrayInFile, reserve
from musedeep.storage.outputs import check_space, partial_name, write_error

BASE_BYTES: Final = 360 << 20
"""The process with its libraries."""

SPECTRUM_BYTES: Final = 16
"""Per value of a group of spectra: as it is read, transposed, chosen, and as a segment."""


@dataclass(frozen=True)
class Choices:
    """What the user chooses.

    Attributes
    ----------
    mask : image of the sources, or a SKY_MASK; None: found by their continuum
    edges : of segments [Angstrom]; None: one segment, or those of the paper where there are few spectra
    components : of each segment; None: found
    eigenspectra : components of another cube; None: of this one
    subtract_level : subtract the level of the sky, too
    scale_variance : scale the variances to what is left in the sky
    """

    mask: Path | None = None
    edges: tuple[float, ...] | None = None
    components: int | None = None
    eigenspectra: Path | None = None
    subtract_level: bool = True
    scale_variance: bool = False


@dataclass(frozen=True)
class Cleaned:
    """A cube without its sky residuals; see `musedeep.reduction.residuals.products` for how it is written.

    Attributes
    ----------
    cube, axes : the input
    choices : of the user
    mask : bool (lines, columns), the sky
    data, stat : the new arrays; `stat` is that of the input unless it is scaled
    spectra : components, for other cubes
    threads : that fit into the memory
    """

    cube: OpenCube
    axes: CubeAxes
    choices: Choices
    mask: Mask
    data: CleanedData
    stat: Voxels
    spectra: Eigenspectra
    threads: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self.cube.shape


@dataclass(frozen=True)
class _Values:
    """DATA and STAT to read: without flagged voxels, by lines."""

    data: Voxels
    stat: Voxels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """The sky (lines, columns) of a mask: an image of sources (not 0), or a SKY_MASK, where the sky is 1.

    Raises
    ------
    MusedeepError
        No image, values that are not finite, another size, everything masked.
    """
    found = read_sky_mask(path)
    mask = found.mask if value_of(found.header, "ESO PRO CATG") == "SKY_MASK" else ~found.mask
    if mask.shape != shape:
        raise MusedeepError(
            f"{path}: the mask has {mask.shape[1]} x {mask.shape[0]} spaxels, the cube {shape[1]} x {shape[0]}; give a "
            "mask on the grid of the cube"
        )
    if not mask.any():
        raise MusedeepError(f"{path}: masks every spaxel; give an image that is 0 where there is sky")
    return mask


def threads_within(memory: int, shape: tuple[int, int, int], largest: int, threads: int | None) -> int:
    """Threads that fit into the memory.

    Parameters
    ----------
    memory : limit [bytes]
    largest : planes of the largest segment whose covariance is needed; 0 of none
    threads : as many as the user wants; None: one per processor

    Raises
    ------
    MusedeepError
        Not even one fits.
    """
    nz, ny, nx = shape
    spaxels = max(GROUP // nx, 1) * nx
    group = SPECTRUM_BYTES * spaxels * nz + 2 * 4 * largest**2
    band = 4 * 4 * BAND * ny * nx
    fixed = BASE_BYTES + max(2 * 8 * largest**2 + 8 * largest * (MOST + largest // 8), 4 * ny * nx * 12)
    each = max(group, band)
    fit = (memory - fixed) // each - 1  # one more result waits
    if fit < 1:
        need = (fixed + 2 * each) / 2**20
        remedy = "; give more with --memory"
        if largest > nz // 2:
            remedy += ", or divide the wavelengths with --segments paper"
        raise MusedeepError(f"{memory / 2**20:.0f} MiB of memory, at least {need:.0f} MiB are needed{remedy}")
    return int(min(threads or available_processors(), fit))


@contextmanager
def by_lines(array: Voxels, beside: Path, progress: Progress) -> Iterator[Voxels]:
    """The same array where lines can be read without the others: that of a store is copied into a file for a while."""
    if isinstance(array, ArrayInFile):
        yield array
        return
    path = partial_name(beside.with_name(beside.name + ".planes"))
    nbytes = 4 * int(np.prod(array.shape, dtype=np.int64))
    try:
        check_space(beside, nbytes)
        reserve(path, nbytes)
        copy = ArrayInFile(path, 0, array.shape, -32)
        progress.begin(array.shape[0], "planes to copy")
        # whole chunks of a store
        for z in range(0, array.shape[0], 2 * BAND):
            z1 = min(z + 2 * BAND, array.shape[0])
            copy.write_box(z, 0, array.read_box(z, z1))
            progress.advance(z1 - z)
        progress.stop()
        yield copy
    except OSError as error:
        raise write_error(beside, error, nbytes) from error
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def cleaned(
    path: Path, choices: Choices, beside: Path, memory: int, threads: int | None, progress: Progress
) -> Iterator[Cleaned]:
    """The cube of `path` without its sky residuals, which is to be written within the context.

    Parameters
    ----------
    choices : of the user
    beside : the output; planes of a store are copied beside it
    memory : limit [bytes]
    threads : None: one per processor

    Raises
    ------
    MusedeepError
        The cube is none, of another instrument, without STAT, or damaged; a mask of another size; too few spectra of
        sky; eigenspectra of another wavelength grid; too little memory or disk.
    """
    cube = open_cube(path)
    axes = read_axes(cube.header, path)
    _check_types(cube)
    if str(value_of(cube.primary, "ESO DRS MUSE SKYRES SEGMENTS") or ""):
        LOG.warning(f"{path}: sky residuals have been subtracted from this cube before")
    given = read_eigenspectra(choices.eigenspectra) if choices.eigenspectra else None
    if given and choices.eigenspectra:
        given.check_grid(choices.eigenspectra, axes, cube.shape[0], path)
    mask = read_mask(choices.mask, cube.shape[1:]) if choices.mask else None
    waves = axes.wavelengths(cube.shape[0])
    skipped = notch_planes(waves, str(value_of(cube.primary, "ESO INS MODE") or ""))
    workers = threads_within(memory, cube.shape, 0, threads)
    with by_lines(cube.unflagged, beside, progress) as data:
        values = _Values(data, cube.stat)
        if mask is None:
            image, covered = field_images(data, skipped, workers, progress)
            mask = without_sources(image, covered)
            LOG.info(f"{path}: {mask.sum()} of {(covered > 0).sum()} spaxels are sky")
        sky = survey_planes(values, mask, skipped, workers, progress)
        if given:
            # planes that either cube lacks stay as they are
            both = sky.used & np.isfinite(given.noise)
            sky = replace(
                sky, sigma=np.where(both, given.noise, np.float32(np.nan)), level=np.where(both, sky.level, np.nan)
            )
            segments = [Segment(*_of_file(one)) for one in given.segments]
        else:
            parts = divided(waves, sky.used, _edges(choices, mask, sky))
            largest = max(one.size for one in parts)
            memory_left = memory - 8 * sum(one.size**2 for one in parts if one.size < largest)
            workers = threads_within(memory_left, cube.shape, largest, threads)
            segments = find_components(data, sky, mask, parts, choices.components, workers, progress)
        for one in segments:
            LOG.info(
                f"{waves[one.planes[0]]:.0f} to {waves[one.planes[-1]]:.0f} Angstrom: {one.number} components "
                f"of {one.planes.size} planes"
            )
        spaxels = cube.shape[1] * cube.shape[2]
        kept = 4 * sum(one.number for one in segments) * spaxels
        workers = threads_within(memory - kept, cube.shape, 0, threads)
        coefficients = fitted(data, sky, segments, workers, progress)
        # flagged voxels are cleaned, too
        made = CleanedData(cube.data, sky, choices.subtract_level, segments, coefficients)
        stat: Voxels = cube.stat
        if choices.scale_variance:
            own = replace(made, data=data)
            stat = ScaledVariance(stat, variance_factors(own, mask, workers, progress))
        spectra = Eigenspectra(waves, axes.types[2], sky.sigma, tuple(_for_file(one) for one in segments))
        yield Cleaned(cube, axes, choices, mask, made, stat, spectra, workers)


def _check_types(cube: OpenCube) -> None:
    for name, array in (("DATA", cube.data), ("STAT", cube.stat)):
        if array.dtype.itemsize != 4:
            raise MusedeepError(f"{cube.path}: BITPIX of {name} is -64, expected -32; convert it to 32-bit floats")


def _edges(choices: Choices, mask: Mask, sky: SkyPlanes) -> tuple[float, ...]:
    if choices.edges is not None:
        return choices.edges
    return () if mask.sum() >= SPECTRA_PER_PLANE * sky.used.sum() else EDGES


def _of_file(one: Eigensegment) -> tuple[NDArray[np.int64], Floats, NDArray[np.float64], float]:
    return one.planes, np.ascontiguousarray(one.spectra.T), one.values, one.noise


def _for_file(one: Segment) -> Eigensegment:
    return Eigensegment(one.planes, np.ascontiguousarray(one.vectors.T), one.values, one.noise)
