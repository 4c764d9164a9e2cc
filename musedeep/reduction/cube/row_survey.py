"""Where the rows of an exposure lie, whatever has been done to them: read once, before cubes and images are made.

1. Positions and wavelengths of all rows are read in blocks, as corrected so far.
2. Runs of successive rows (`SEGMENT`) get the box that they lie in. A pixel table is sorted so that the rows of a run
   are neighbours: of one slice in a FITS file, of one slice in one band of wavelengths in a store.
3. The limits of all rows fix the grid of a cube (`field_grid`); the boxes tell which rows have to be read for a part of
   it (`scan.locate_segments`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.kernels.rows.projection import relative_positions
from musedeep.kernels.rows.segments import not_finite, segment_boxes
from musedeep.reduction.rows.source import READERS
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.table import ROWS_PER_SEGMENT, SEGMENT, RowSource, row_blocks, set_boxes
from musedeep.threads import in_threads

POSITIONS = ("xpos", "ypos", "lambda")


@dataclass(frozen=True)
class RowSurvey:
    """The segments and limits of the rows of sources.

    Attributes
    ----------
    sources : tuple of RowSource, one per IFU
    segments : tuple of SEGMENT array, of each source
    limits : float64 (3, 2)
        Lowest and highest x, y and wavelength [Angstrom]: pixels of the field; or, where positions are on the sky,
        right ascension and declination relative to the pointing, or another reference [deg].
    scale : float, see `kernels.cube.voxels.Pointing`
    """

    sources: tuple[RowSource, ...]
    segments: tuple[NDArray[Any], ...]
    limits: NDArray[np.float64]
    scale: float = 0.0

    @property
    def native(self) -> bool:
        """Whether positions are native spherical coordinates [rad]."""
        return self.scale == 0.0

    @property
    def in_pixels(self) -> bool:
        """Whether positions are pixels of the field."""
        return self.scale == PIXEL

    @property
    def n_rows(self) -> int:
        """Rows of all sources."""
        return sum(source.n_rows for source in self.sources)


def position_scale(source: RowSource) -> float:
    """What the positions of a source are: see `kernels.cube.voxels.Pointing`.

    Raises
    ------
    MusedeepError
        They have a unit that positions do not have.
    """
    unit = source.units.get("xpos", "")
    if same_unit(unit, "rad"):
        return 0.0
    if same_unit(unit, "deg"):
        return 1.0
    if unit in ("pix", "pixel"):
        return PIXEL
    raise MusedeepError(
        f"{source.path}: column xpos has unit '{unit}', expected pix, rad or deg; give a MUSE pixel table"
    )


def survey_rows(
    sources: Sequence[RowSource],
    declination: float,
    workers: int | None = None,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    wavelengths: tuple[float, float] = (0.0, np.inf),
) -> RowSurvey:
    """Read the positions and wavelengths of all rows.

    Parameters
    ----------
    sources : sequence of RowSource, one per IFU
    declination : float, of the pointing, for native spherical coordinates [rad]
    workers : int, optional, threads; at most READERS
    shift : pointing minus the reference of the limits [deg]
    wavelengths : only rows within count for the limits [Angstrom]

    Raises
    ------
    MusedeepError
        Sources differ in what their positions are; a position or wavelength is not finite; no row is within the
        wavelengths.
    """
    scale = position_scale(sources[0])
    for source in sources[1:]:
        if position_scale(source) != scale:
            raise MusedeepError(
                f"{source.path}: positions have unit '{source.units['xpos']}', those of {sources[0].path} "
                f"'{sources[0].units['xpos']}'; reduce all IFUs of an exposure alike"
            )
    segments = []
    for source in sources:
        starts = np.arange(0, source.n_rows, ROWS_PER_SEGMENT, dtype=np.int64)
        one = np.empty(starts.size, SEGMENT)
        one["start"], one["stop"] = starts, np.minimum(starts + ROWS_PER_SEGMENT, source.n_rows)
        segments.append(one)
    calls = [(k, block) for k, source in enumerate(sources) for block in row_blocks(source.n_rows)]
    limits = np.full((len(calls), 3, 2), [np.inf, -np.inf])

    def look(number: int) -> None:
        k, block = calls[number]
        rows = sources[k].read(block, POSITIONS)
        x, y, wavelength = (rows[name] for name in POSITIONS)
        for name in POSITIONS:
            wrong, first = not_finite(rows[name])
            if wrong:
                raise MusedeepError(
                    f"{sources[k].path}: column {name} is not finite in row {block[0, 0] + first}; reduce the exposure "
                    "again"
                )
        here = segments[k][block[0, 0] // ROWS_PER_SEGMENT : -(-block[0, 1] // ROWS_PER_SEGMENT)]
        boxes = np.empty((here.size, 6), np.float32)
        edges = np.append(here["start"], here["stop"][-1]) - block[0, 0]
        segment_boxes(x, y, wavelength, edges, scale == 0.0, boxes)
        set_boxes(here, boxes)
        inside = (wavelength >= wavelengths[0]) & (wavelength <= wavelengths[1])
        if not inside.all():
            x, y, wavelength = x[inside], y[inside], wavelength[inside]
        if wavelength.size == 0:
            return
        if scale == 0.0:
            ra, dec = np.empty((2, x.size), np.float32)
            relative_positions(x, y, declination, *shift, ra, dec)
            x, y = ra, dec
        limits[number] = [(v.min(), v.max()) for v in (x, y, wavelength)]

    in_threads(look, len(calls), workers or READERS)
    ends = np.stack([limits[:, :, 0].min(axis=0, initial=np.inf), limits[:, :, 1].max(axis=0, initial=-np.inf)], axis=1)
    if not np.isfinite(ends).all():
        covered = [(one["lambda_min"].min(), one["lambda_max"].max()) for one in segments if one.size]
        said = f"but from {min(covered)[0]:.1f} to {max(c[1] for c in covered):.1f}" if covered else "nor any others"
        raise MusedeepError(
            f"{sources[0].path}: no rows between {wavelengths[0]:g} and {wavelengths[1]:g} Angstrom, {said}; choose "
            "a range that it covers, or leave it out"
        )
    if scale == 1.0:
        ends[:2] += np.array(shift)[:, None]
    return RowSurvey(tuple(sources), tuple(segments), ends, scale)
