"""The PSF of a cube from its stars: two passes over the cube, with a band of planes in memory at a time.

1. The mean over wavelength is made, and stars are chosen in it (`stars`), or those of a table are taken.
2. Cutouts of the stars in bins of wavelength are collected (`stamps`).
3. The PSF is fitted (`measure`), in a mosaic for each field with the stars that are in this field alone. A field
   without such stars gets the PSF of those that it shares with others, or else of all stars.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.progress import LOG, Progress
from musedeep.reduction.cube.depth import collapse_cube
from musedeep.reduction.psf.fields import field_map, fields_of
from musedeep.reduction.psf.measure import Choice, Measured, measure
from musedeep.reduction.psf.stamps import Stamps, collect
from musedeep.reduction.psf.stars import USED, Candidates, find_stars, given_stars
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.field_view import FieldPlane, read_plane
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.star_table import read_star_table

Array = NDArray[np.float64]

MOST_STARS: Final = 60
"""The brightest are taken."""
DISAGREES: Final = "disagrees"
NO_DATA: Final = "gaps in the middle"


@dataclass(frozen=True)
class PsfRequest:
    """What is asked for.

    Attributes
    ----------
    stars : table of stars, or None: they are searched
    fields : images of the pointings of a mosaic
    fwhm_degree, beta_degree : of the polynomials
    bins : of wavelength, at most
    least_snr : signal to noise of a star in the mean image
    integrated : average the profile over spaxels
    """

    stars: Path | None = None
    fields: Sequence[Path] = ()
    fwhm_degree: int = 3
    beta_degree: int = 2
    bins: int = 40
    least_snr: float = 30.0
    integrated: bool = True


@dataclass(frozen=True)
class CubePsf:
    """The PSF of a cube.

    Attributes
    ----------
    candidates : all sources, with what became of them
    ra, dec : float64 (n,), of the sources [deg]
    field : int64 (n,), field of a star of a mosaic; 0 without fields, or where it is in several
    excess, error, residual : float64 (n,), see `Measured`; NaN for sources that were not fitted
    scale : side of a spaxel [arcsec]
    measured : of each field; one without a mosaic
    fields : spaxels of each field; empty without a mosaic
    range : wavelengths of the first and the last plane [Angstrom]
    """

    candidates: Candidates
    ra: Array
    dec: Array
    field: NDArray[np.int64]
    excess: Array
    error: Array
    residual: Array
    scale: float
    measured: list[Measured]
    range: tuple[float, float]
    fields: list[NDArray[np.bool_]]


def measure_cube(cube: OpenCube, request: PsfRequest, progress: Progress) -> CubePsf:
    """Measure the PSF of a cube; see the module.

    Raises
    ------
    MusedeepError
        The cube cannot be read, has one plane, or no coordinates; there is no star; a table or an image is wrong.
    """
    nz, ny, nx = cube.shape
    axes = read_axes(cube.header, cube.path)
    plane = read_plane(cube.header, cube.path)
    waves = axes.wavelengths(nz)
    if nz < 2:
        raise MusedeepError(f"{cube.path}: has one plane; the PSF is a function of wavelength: give a cube")
    fields = fields_of(request.fields, plane, (ny, nx)) if request.fields else []
    if "STAT" not in cube.arrays:
        LOG.warning(f"{cube.path}: no STAT: all spaxels of a plane have the same weight, by the noise between them")
    progress.begin(0, "looking for stars")
    image = collapse_cube(cube, [np.ones(nz)])[0][0].astype(np.float64)
    if not np.isfinite(image).any():
        raise MusedeepError(f"{cube.path}: no voxel of DATA has a value; make the cube again")
    found = _candidates(cube.path, image, request, plane, field_map(fields) if fields else None)
    index = np.flatnonzero(found.used)[:MOST_STARS]
    found.why[np.flatnonzero(found.used)[MOST_STARS:]] = "not needed"
    places = np.column_stack([found.x, found.y])
    stamps = collect(cube, waves, places[index], found.others, found.usual, request.bins, progress)
    whole = np.asarray((stamps.weights > 0).any(axis=(0, 2, 3)))
    found.why[index[~whole]] = NO_DATA
    index, stamps = index[whole], stamps.of(whole)
    if not index.size:
        raise _no_star(cube.path, found)
    n = found.x.size
    out = CubePsf(
        found, *plane.to_sky(found.x, found.y), np.zeros(n, np.int64), np.full(n, np.nan), np.full(n, np.nan),
        np.full(n, np.nan), plane.scale, [], (float(waves[0]), float(waves[-1])), fields if len(fields) > 1 else [],
    )  # fmt: skip
    choice = Choice(
        request.fwhm_degree, request.beta_degree, out.range, request.integrated, plane.scale, request.stars is None
    )
    _fit_fields(out, stamps, index, choice)
    return out


def _candidates(
    path: Path, image: Array, request: PsfRequest, plane: FieldPlane, fields: NDArray[np.int32] | None
) -> Candidates:
    if request.stars is None:
        found = find_stars(image, request.least_snr, fields)
    else:
        found = given_stars(image, np.column_stack(plane.to_pixels(*read_star_table(request.stars))))
    if not found.used.any():
        raise _no_star(request.stars or path, found)
    return found


def _no_star(path: Path, found: Candidates) -> MusedeepError:
    """The error to raise where there is no star, with what the sources are instead."""
    reasons = Counter(str(why) for why in found.why if why != USED)
    words = ", ".join(f"{number} {why}" for why, number in reasons.most_common()) or "none"
    return MusedeepError(f"{path}: no star for the PSF; sources: {words}; give a table of stars with --stars")


def _fit_fields(out: CubePsf, stamps: Stamps, index: NDArray[np.intp], choice: Choice) -> None:
    """Fit the stars of each field, or all of them."""
    found = out.candidates
    middle = np.column_stack([found.x, found.y])[index] - stamps.corner
    if not out.fields:
        _fit(out, stamps, index, middle, np.ones(index.size, np.bool_), choice)
        return
    pixel = np.rint(np.column_stack([found.y, found.x])).astype(int)[index]
    inside = np.array([mask[pixel[:, 0], pixel[:, 1]] for mask in out.fields])
    single = inside.sum(axis=0) == 1
    for k, mine in enumerate(inside, 1):
        out.field[index[mine & single]] = k
        chosen = mine & single
        if not chosen.any():
            chosen = mine if mine.any() else np.ones(index.size, np.bool_)
            what = "that it shares with others" if mine.any() else "of all fields"
            LOG.warning(f"field {k} has no star of its own; its PSF is that of the {chosen.sum()} stars {what}")
        _fit(out, stamps, index, middle, chosen, choice)


def _fit(
    out: CubePsf, stamps: Stamps, index: NDArray[np.intp], middle: Array, chosen: NDArray[np.bool_], choice: Choice
) -> None:
    measured = measure(stamps.of(chosen), middle[chosen], out.candidates.usual, choice)
    stars = index[chosen]
    out.measured.append(measured)
    out.candidates.why[stars[~measured.kept]] = DISAGREES
    out.excess[stars], out.error[stars], out.residual[stars] = measured.excess, measured.error, measured.residual
